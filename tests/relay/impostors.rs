//! Others in the place of a dialer, who do not keep to the protocol.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::dialer::{FAILED_TOO, GRANTED_TOO, HELLO, HELLO_TOO, Impostor};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::peers::peers;
use crate::sockets::{PATIENCE, accept, connect, eventually, read_all};

/// What a false dialer hands over is not relayed to, and closed, and its channel with it.
#[test]
fn a_relay_takes_only_what_it_asked_for() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap();
    let used = || OwnedFd::from(connect(addr));
    // A connect(2) that was not asked about since is what the next one would end.
    let begun = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&addr.into());
        eventually("it is made", PATIENCE, || socket.peer_addr().is_ok());
        OwnedFd::from(socket)
    };
    let of = |domain, kind| OwnedFd::from(Socket::new(domain, kind, None).unwrap());
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap().into();
    let fresh = || of(Domain::IPV4, Type::STREAM);
    let granted = |passed: Vec<OwnedFd>| (GRANTED_TOO.to_vec(), passed);
    let words = |words: &[u8]| (words.to_vec(), vec![]);
    let nonsense = "answered nonsense";
    let cases = [
        (words(b"nonsense"), nonsense),
        (words(b"apd1\x03\0\0\0\0"), nonsense),
        (words(HELLO_TOO), nonsense),
        (granted(vec![]), nonsense),
        (granted(vec![fresh(), fresh()]), nonsense),
        (granted((0..17).map(|_| fresh()).collect()), nonsense),
        ((b"apd1\0\0\0\0\0".to_vec(), vec![fresh()]), nonsense),
        ((GRANTED_TOO[..8].to_vec(), vec![fresh()]), nonsense),
        (([GRANTED_TOO, b"more"].concat(), vec![fresh()]), nonsense),
        ((FAILED_TOO.to_vec(), vec![fresh()]), nonsense),
        (granted(vec![used()]), "it is in use"),
        (granted(vec![other.try_clone().unwrap().into()]), "it is in use"),
        (granted(vec![begun()]), "it is in use"),
        (granted(vec![of(Domain::IPV6, Type::STREAM)]), "it is no tcp socket"),
        (granted(vec![of(Domain::UNIX, Type::STREAM)]), "it is no tcp socket"),
        (granted(vec![of(Domain::IPV4, Type::DGRAM)]), "it is no tcp socket"),
        (granted(vec![raw]), "it is in use"),
        (granted(vec![fs::File::open("/dev/null").unwrap().into()]), "it is no tcp socket"),
    ];
    for ((bytes, descriptors), words) in cases {
        let world = World::new();
        let dialer = Impostor::listen(&world.path);
        let relay = world.relay("loopback");
        let before = sockets(relay.pid());
        let client = relay.connect();
        let (channel, _) = dialer.accept_channel(relay.port());
        channel.say(&bytes, &descriptors.iter().map(AsFd::as_fd).collect::<Vec<_>>());
        drop(descriptors);
        assert_eq!(read_all(&client), RESET, "{words}");
        assert_eq!(channel.hear(), None, "the relay hangs up: {words}");
        relay.expect_log(words);
        eventually("it is counted", PATIENCE, || relay.metric(FAILED_BY_DIALER) == 1);
        expect_no_leak(relay.pid(), before);
    }
}

/// Whoever comes second would have the first one's connection.
#[test]
fn a_socket_that_is_handed_over_twice_serves_once() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let first = relay.connect();
    let (channel, _) = dialer.accept_channel(relay.port());
    let second = relay.connect();
    assert!(channel.hear().is_some());
    let fresh = world.host.run(|| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
    channel.say(GRANTED_TOO, &[fresh.as_fd()]);
    channel.say(GRANTED_TOO, &[fresh.as_fd()]);
    drop(fresh);
    assert_eq!(read_all(&second), RESET);
    relay.expect_log("it is in use");
    let (mut near, mut far) = peers(first, accept(&target), 3);
    near.exchange(&mut far, 10);
}

/// One who opens a channel in another way than a dialer does.
#[test]
fn a_relay_asks_nothing_of_one_who_does_not_greet() {
    let cases: [(&[u8], &str); 4] = [
        (b"nonsense", "answered nonsense"),
        (b"apd1\x04\0\0\0\0", "answered nonsense"),
        (b"apd3\x02\0\0\0\0", "answered nonsense"),
        (b"", "no dialer at"),
    ];
    for (greeting, words) in cases {
        let world = World::new();
        let dialer = Impostor::listen(&world.path);
        let relay = world.relay("loopback");
        let client = relay.connect();
        let channel = dialer.accept();
        assert_eq!(channel.hear().as_deref(), Some(HELLO));
        channel.say(greeting, &[]);
        assert_eq!(channel.hear(), None);
        assert_eq!(read_all(&client), RESET, "{words}");
        relay.expect_log(words);
    }
}

/// What fails everybody's trust fails everybody who waits, at once.
#[test]
fn whoever_waits_for_a_false_dialer_is_told_at_once() {
    let world = World::new();
    let dialer = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let first = relay.connect();
    let (channel, count) = dialer.accept_channel(relay.port());
    assert_eq!(count, 1);
    let others: Vec<_> = (0..20).map(|_| relay.connect()).collect();
    channel.say(FAILED_TOO, &[]);
    assert_eq!(read_all(&first), RESET);
    channel.say(GRANTED_TOO, &[]);
    for client in &others {
        assert_eq!(read_all(client), RESET);
    }
    while channel.hear().is_some() {}
    eventually("they are counted", PATIENCE, || relay.metric(FAILED_BY_DIALER) == 20);
    assert_eq!(relay.metric(r#"connections_failed_total{reason="descriptors"}"#), 1);
}
