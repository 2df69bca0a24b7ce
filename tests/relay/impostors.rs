//! Others in the place of a dialer, who do not keep to the protocol.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use crate::dialer::{HELLO, HELLO_TOO, Impostor, connected, numbered, refused, together};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::sockets::{PATIENCE, connect, eventually, read_all};

/// What a false dialer hands over is not relayed to, and closed, and its channel with it.
#[test]
fn a_relay_takes_only_what_it_asked_for() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap();
    let elsewhere = || OwnedFd::from(connect(addr));
    let unconnected =
        || OwnedFd::from(socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap());
    type Answer<'a> = Box<dyn Fn(u32) -> (Vec<u8>, Vec<OwnedFd>) + 'a>;
    let with = |descriptors: &'static dyn Fn() -> Vec<OwnedFd>| -> Answer<'_> {
        Box::new(move |number| (connected(number), descriptors()))
    };
    let words = |words: &'static [u8]| -> Answer<'_> { Box::new(move |_| (words.to_vec(), vec![])) };
    let cases: Vec<(Answer<'_>, &str)> = vec![
        (words(b"nonsense"), "answered nonsense"),
        (words(b"apd1\x03\0\0\0\0"), "answered nonsense"),
        (words(HELLO_TOO), "answered nonsense"),
        (with(&Vec::new), "answered nonsense"),
        (Box::new(|number| (connected(number), vec![elsewhere()])), "it leads to"),
        (Box::new(|number| (connected(number), vec![elsewhere(), elsewhere()])), "answered nonsense"),
        (Box::new(|number| (connected(number), (0..10).map(|_| elsewhere()).collect())), "answered nonsense"),
        (Box::new(|number| (connected(number + 1), vec![elsewhere()])), "answered nonsense"),
        (Box::new(|number| (connected(number)[..9].to_vec(), vec![elsewhere()])), "answered nonsense"),
        (
            Box::new(|number| ([&connected(number)[..], b"more"].concat(), vec![elsewhere()])),
            "answered nonsense",
        ),
        (Box::new(|number| (refused(number), vec![elsewhere()])), "answered nonsense"),
        (Box::new(|number| (together(&vec![connected(number); 2]), vec![elsewhere()])), "answered nonsense"),
        (Box::new(|number| (together(&vec![refused(number); 17]), vec![])), "answered nonsense"),
        (Box::new(|number| (connected(number), vec![unconnected()])), "it is not connected"),
        (with(&|| vec![fs::File::open("/dev/null").unwrap().into()]), "it is no tcp socket"),
        (with(&|| vec![UdpSocket::bind("127.0.0.1:0").unwrap().into()]), "it is no tcp socket"),
        (with(&|| vec![std::os::unix::net::UnixStream::pair().unwrap().0.into()]), "it is no tcp socket"),
    ];
    for (answer, words) in cases {
        let world = World::new();
        let dialer = Impostor::listen(&world.path);
        let relay = world.relay("loopback");
        let before = sockets(relay.pid());
        let client = relay.connect();
        let (channel, number) = dialer.accept_channel();
        let (bytes, descriptors) = answer(number);
        channel.say(&bytes, &descriptors.iter().map(AsFd::as_fd).collect::<Vec<_>>());
        drop(descriptors);
        assert_eq!(read_all(&client), RESET, "{words}");
        assert_eq!(channel.hear(), None, "the relay hangs up: {words}");
        relay.expect_log(words);
        eventually("it is counted", PATIENCE, || relay.metric(FAILED_BY_DIALER) == 1);
        expect_no_leak(relay.pid(), before);
    }
}

/// One who opens a channel in another way than a dialer does.
#[test]
fn a_relay_asks_nothing_of_one_who_does_not_greet() {
    let cases: [(&[u8], &str); 4] = [
        (b"nonsense", "answered nonsense"),
        (b"apd1\x04\0\0\0\0", "answered nonsense"),
        (b"apd2\0\0\0\x01\x04\0\0\0\0", "answered nonsense"),
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

/// What fails everybody's trust fails everybody's request; each is answered once.
#[test]
fn whoever_waits_for_a_false_dialer_is_told_at_once() {
    let world = World::new();
    let dialer = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let first = relay.connect();
    let (channel, number) = dialer.accept_channel();
    let mut others: Vec<_> = (0..20).map(|_| relay.connect()).collect();
    for n in 1..=20 {
        assert_eq!(channel.hear(), Some(numbered(number + n, relay.port())));
    }
    // One of them is served in its turn, and answered for the second time.
    channel.say(&refused(number + 7), &[]);
    assert_eq!(read_all(&others.remove(6)), RESET);
    channel.say(&refused(number + 7), &[]);
    for client in others.iter().chain([&first]) {
        assert_eq!(read_all(client), RESET);
    }
    assert_eq!(channel.hear(), None);
    eventually("they are counted", PATIENCE, || relay.metric(FAILED_BY_DIALER) == 20);
}
