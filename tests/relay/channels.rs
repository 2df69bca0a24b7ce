//! The lasting connection between a relay and its dialer.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;

use nix::sys::signal::Signal;

use crate::dialer::{HELLO, Hostile, Impostor, cancel, connected, numbered, refused, together};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::handed_over::{CHANNEL, open};
use crate::peers::peers;
use crate::process::signal_to;
use crate::procfs::descriptors;
use crate::sockets::{End, PATIENCE, accept, connect, eventually, read_all, reset};
use crate::targets::Crowded;

/// A request that a dialer took along with it is asked of the next one.
#[test]
fn a_dialer_that_is_replaced_loses_no_request() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let before = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let (first, second) = (relay.connect(), relay.connect());
    let (channel, number) = before.accept_channel();
    assert_eq!(channel.hear(), Some(numbered(number + 1, relay.port())));
    fs::remove_file(&world.path).unwrap();
    let _dialer = world.dialer("5000");
    drop((before, channel));
    for mut client in [first, second] {
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(read_all(&accept(&target)), (b"question".to_vec(), End::Finished));
    }
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
}

/// As where its list of ports has changed: until the next one is there, clients wait.
#[test]
fn clients_that_come_between_two_dialers_are_served_by_the_next() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let relay = world.relay("loopback");
    let dialer = world.dialer("5000");
    let exchange = |mut client: TcpStream| {
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&accept(&target)), (b"question".to_vec(), End::Finished));
    };
    exchange(relay.connect());
    drop(dialer);
    let between = relay.connect();
    let _next = world.dialer("5000");
    exchange(between);
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
}

/// However many connections there are, relay and dialer have one between them.
#[test]
fn all_connections_are_asked_for_over_one_channel() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    for threads in ["1", "3"] {
        let relay = world.relay_with("loopback", &["--threads", threads]);
        let before = (sockets(dialer.pid()), sockets(relay.pid()));
        let mut pairs: Vec<_> = (0..50).map(|_| open(&relay, &target)).collect();
        pairs.iter_mut().for_each(|(near, far)| near.exchange(far, 10));
        eventually("its copies are closed", PATIENCE, || {
            descriptors(dialer.pid()).sockets == before.0 + CHANNEL
        });
        assert_eq!(descriptors(relay.pid()).sockets, before.1 + 100 + CHANNEL);
        drop(pairs);
        expect_no_leak(relay.pid(), before.1 + CHANNEL);
        drop(relay);
        expect_no_leak(dialer.pid(), before.0);
    }
}

/// A relay that ends with requests under way leaves none of them with the dialer.
#[test]
fn a_relay_that_is_killed_takes_its_requests_along() {
    let world = World::new();
    let target = world.host.run(Crowded::new);
    let port = target.addr().port();
    let dialer = world.dialer(&port.to_string());
    let before = sockets(dialer.pid());
    let relay = world.relay(&format!("loopback:{port}"));
    let _clients: Vec<_> = (0..20).map(|_| relay.connect()).collect();
    eventually("they are dialled", PATIENCE, || descriptors(dialer.pid()).sockets == before + 20 + CHANNEL);
    relay.signal(Signal::SIGKILL);
    expect_no_leak(dialer.pid(), before);
}

/// Clients that reset while the target takes its time leave nothing behind on either side.
#[test]
fn clients_that_go_away_leave_nothing_behind() {
    let world = World::new();
    let target = world.host.run(Crowded::new);
    let port = target.addr().port();
    let dialer = world.dialer(&port.to_string());
    let relay = world.relay(&format!("loopback:{port}"));
    let before = (sockets(dialer.pid()), sockets(relay.pid()));
    for _ in 0..3 {
        let clients: Vec<_> = (0..30).map(|_| relay.connect()).collect();
        eventually("they are dialled", PATIENCE, || {
            descriptors(dialer.pid()).sockets == before.0 + 30 + CHANNEL
        });
        clients.into_iter().for_each(reset);
        expect_no_leak(dialer.pid(), before.0 + CHANNEL);
        expect_no_leak(relay.pid(), before.1 + CHANNEL);
    }
    let (late, server) = (relay.connect(), accept(target.make_room()));
    peers(late, server, 3).0.finish();
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
}

/// A client that resets while the dialer does not answer is not waited for, and an answer that comes
/// too late is nobody's.
#[test]
fn a_client_that_goes_away_cancels_its_request() {
    let world = World::new();
    let silent = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let before = sockets(relay.pid());
    // Before there is a channel.
    let client: TcpStream = relay.connect();
    let asking = silent.accept();
    reset(client);
    expect_no_leak(relay.pid(), before);
    assert_eq!((asking.hear().as_deref(), asking.hear()), (Some(HELLO), None));
    // And over one.
    let target = world.host.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, relay.port())).unwrap());
    let connection = || world.host.run(|| TcpStream::connect(target.local_addr().unwrap()).unwrap());
    let client = relay.connect();
    let (channel, number) = silent.accept_channel();
    reset(client);
    assert_eq!(channel.hear(), Some(cancel(number)));
    let next = relay.connect();
    assert_eq!(channel.hear(), Some(numbered(number + 1, relay.port())));
    for number in [number, number + 1] {
        channel.say(&connected(number), &[connection().as_fd()]);
    }
    let (late, served) = (accept(&target), accept(&target));
    assert_eq!(read_all(&late), (Vec::new(), End::Finished));
    let (mut near, mut far) = peers(next, served, 3);
    near.exchange(&mut far, 10);
}

/// As many as are asked for and answered together, each client gets its own.
#[test]
fn every_answer_of_a_packet_has_its_own_connection() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let mut clients = vec![relay.connect()];
    let (channel, first) = dialer.accept_channel();
    relay.signal(Signal::SIGSTOP);
    clients.extend((0..17).map(|_| world.container.run(|| connect(relay.addr()))));
    relay.signal(Signal::SIGCONT);
    let numbers: Vec<_> = (first + 1..first + 18).collect();
    for number in &numbers {
        assert_eq!(channel.hear(), Some(numbered(*number, relay.port())));
    }
    let (made, served): (Vec<_>, Vec<_>) = (0..17)
        .map(|_| (world.host.run(|| TcpStream::connect("127.0.0.1:5000").unwrap()), accept(&target)))
        .unzip();
    // In another order, with one that failed in the midst of them.
    let mut answers: Vec<_> = numbers[..15].iter().rev().map(|number| connected(*number)).collect();
    answers.insert(4, refused(first));
    channel.say(&together(&answers), &made[..15].iter().map(AsFd::as_fd).collect::<Vec<_>>());
    channel.say(
        &together(&[connected(first + 16), connected(first + 17)]),
        &[made[15].as_fd(), made[16].as_fd()],
    );
    drop(made);
    let mut clients = clients.into_iter();
    assert_eq!(read_all(&clients.next().unwrap()), RESET);
    let served: Vec<_> = served[..15].iter().rev().chain(&served[15..]).collect();
    for (at, (mut client, server)) in clients.zip(served).enumerate() {
        writeln!(client, "{at}").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(server), (format!("{at}\n").into_bytes(), End::Finished));
    }
}

/// Who asks nothing more is answered what was asked.
#[test]
fn a_request_is_answered_though_it_is_the_last() {
    let world = World::new();
    let _target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    for (asked, answered) in
        [(numbered(7, 5000), connected(7)), (b"apd1\x02\0\0".to_vec(), b"apd1\x04\0\0\0\0".to_vec())]
    {
        signal_to(dialer.pid(), Signal::SIGSTOP);
        let client = Hostile::connect(&world.path);
        client.say(&asked, &[]);
        client.ask_nothing_more();
        signal_to(dialer.pid(), Signal::SIGCONT);
        assert_eq!(client.hear_packet(), Some(answered));
    }
}

/// What a target says before it resets at once is heard, as without a dialer.
#[test]
fn last_words_of_a_target_that_resets_at_once_are_heard() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let _dialer = world.dialer("5000");
    let relay = world.relay("loopback");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                let mut server = accept(&target);
                server.write_all(b"full").unwrap();
                reset(server);
            }
        });
        for _ in 0..100 {
            assert_eq!(world.answer(&relay), (b"full".to_vec(), End::Reset));
        }
    });
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
}

/// A dialer from before there were channels takes one for a broken request, and is asked as it knows.
#[test]
fn an_older_dialer_is_asked_once_per_connection() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let older = Impostor::listen(&world.path);
    let relay = world.relay("loopback");
    let client = relay.connect();
    let tried = older.accept();
    assert_eq!(tried.hear().as_deref(), Some(HELLO));
    tried.say(b"apd1\x03\0\0\0\0", &[]);
    drop(tried);
    let serve = |client: TcpStream| {
        let asking = older.accept();
        assert_eq!(asking.hear().as_deref(), Some(&b"apd1\x01\x13\x88"[..]));
        let connected = world.host.run(|| TcpStream::connect("127.0.0.1:5000").unwrap());
        asking.say(b"apd1\0\0\0\0\0", &[connected.as_fd()]);
        drop(connected);
        let (mut near, mut far) = peers(client, accept(&target), 3);
        near.exchange(&mut far, 10);
    };
    serve(client);
    // It is not tried again so soon.
    serve(relay.connect());
    let refused = relay.connect();
    let asking = older.accept();
    assert!(asking.hear().is_some());
    asking.say(b"apd1\x02\0\0\0\0", &[]);
    assert_eq!(read_all(&refused), RESET);
    relay.expect_log(r#"the dialer does not allow port "5000""#);
}
