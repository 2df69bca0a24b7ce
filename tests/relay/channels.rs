//! The lasting connection between a relay and its dialer.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

use crate::dialer::{GRANTED_TOO, HELLO, Hostile, Impostor, order};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::handed_over::{CHANNEL, SPARE, open};
use crate::peers::peers;
use crate::process::{Process, signal_to};
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
    let (channel, mut asked) = before.accept_channel(relay.port());
    while asked < 2 {
        asked += channel.hear().unwrap()[7];
    }
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
        let own = before.1 + 100 + CHANNEL;
        assert!((own..=own + SPARE).contains(&descriptors(relay.pid()).sockets));
        drop(pairs);
        expect_no_leak(relay.pid(), before.1 + CHANNEL + SPARE);
        drop(relay);
        expect_no_leak(dialer.pid(), before.0);
    }
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
            descriptors(relay.pid()).sockets >= before.1 + 60 + CHANNEL
        });
        clients.into_iter().for_each(reset);
        expect_no_leak(dialer.pid(), before.0 + CHANNEL);
        expect_no_leak(relay.pid(), before.1 + SPARE + CHANNEL);
    }
    let (late, server) = (relay.connect(), accept(target.make_room()));
    peers(late, server, 3).0.finish();
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
    // What lay ready goes with the dialer, and then there is nothing left.
    drop(dialer);
    expect_no_leak(relay.pid(), before.1);
}

/// A client that resets while the dialer does not answer is not waited for, and what was to be its own is the
/// next one's.
#[test]
fn a_client_that_goes_away_leaves_its_socket_to_the_next() {
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
    let target = world.listen("127.0.0.1:5000");
    let client = relay.connect();
    let (channel, count) = silent.accept_channel(relay.port());
    assert_eq!(count, 1);
    reset(client);
    expect_no_leak(relay.pid(), before + CHANNEL);
    let next = relay.connect();
    channel.say(GRANTED_TOO, &[fresh(&world).as_fd()]);
    let (mut near, mut far) = peers(next, accept(&target), 3);
    near.exchange(&mut far, 10);
}

fn fresh(world: &World) -> Socket {
    world.host.run(|| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap())
}

/// Clients that come while the relay looks elsewhere, so that all of them are there at once.
fn crowd(world: &World, relay: &Process, count: usize) -> Vec<TcpStream> {
    relay.signal(Signal::SIGSTOP);
    let clients = world.container.run(|| (0..count).map(|_| connect(relay.addr())).collect());
    relay.signal(Signal::SIGCONT);
    clients
}

/// The more come at once, the more is asked for at once.
#[test]
fn many_clients_at_once_take_few_packets() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let relay = world.relay("loopback");
    let clients = crowd(&world, &relay, 200);
    clients.iter().for_each(|_| drop(accept(&target)));
    let answers = || -> Vec<usize> {
        let log = dialer.log();
        let granted = log.lines().filter_map(|line| line.split_once("reply=Granted sockets="));
        granted.filter_map(|(_, sockets)| sockets.parse().ok()).collect()
    };
    eventually("all are told of", PATIENCE, || answers().iter().sum::<usize>() >= 200);
    let answers = answers();
    assert!(answers.contains(&16) && answers.len() < 100, "{answers:?}");
}

/// What was handed over ahead serves nobody any more once its dialer has gone, as where the port is not
/// allowed any longer.
#[test]
fn what_is_left_of_a_dialer_that_has_gone_is_closed() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let relay = world.relay("loopback");
    let before = sockets(relay.pid());
    crowd(&world, &relay, 20).iter().for_each(|_| drop(accept(&target)));
    eventually("some are left", PATIENCE, || {
        let left = sockets(relay.pid());
        (before + CHANNEL + 1..=before + CHANNEL + SPARE).contains(&left)
    });
    drop(dialer);
    expect_no_leak(relay.pid(), before);
    let _next = world.dialer("5001");
    assert_eq!(world.answer(&relay), RESET);
    relay.expect_log(r#"the dialer does not allow port "5000""#);
}

/// Who asks nothing more is answered what was asked.
#[test]
fn a_request_is_answered_though_it_is_the_last() {
    let world = World::new();
    let _target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    for (asked, answered) in [(&order(5000, 1)[..], GRANTED_TOO), (b"apd1\x02\0\0", b"apd1\x04\0\0\0\0")] {
        signal_to(dialer.pid(), Signal::SIGSTOP);
        let client = Hostile::connect(&world.path);
        client.say(asked, &[]);
        client.ask_nothing_more();
        signal_to(dialer.pid(), Signal::SIGCONT);
        assert_eq!(client.hear().as_deref(), Some(answered));
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
    let elsewhere = world.listen("127.0.0.1:5001");
    let elsewhere = world.host.run(|| TcpStream::connect(elsewhere.local_addr().unwrap()).unwrap());
    let fresh = fresh(&world);
    let cases: [(&[u8], &[BorrowedFd<'_>], &str); 4] = [
        (b"apd1\x02\0\0\0\0", &[], r#"the dialer does not allow port "5000""#),
        // It has tried both addresses itself.
        (b"apd1\x01\0\0\0\x6f", &[], "Connection refused"),
        (b"apd1\0\0\0\0\0", &[elsewhere.as_fd()], r#"it leads to "127.0.0.1:5001""#),
        (b"apd1\0\0\0\0\0", &[fresh.as_fd()], "the kernel does not tell"),
    ];
    for (answer, passed, words) in cases {
        let client = relay.connect();
        let asking = older.accept();
        assert!(asking.hear().is_some());
        asking.say(answer, passed);
        assert_eq!(read_all(&client), RESET, "{words}");
        relay.expect_log(words);
    }
}
