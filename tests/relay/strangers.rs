//! Clients and dialers that do not keep to the protocol.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::Signal;
use proptest::prelude::*;
use proptest::test_runner::{Config as Proptest, TestRunner};

use crate::dialer::{Hostile, impostor};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::process::signal_to;
use crate::procfs::descriptors;
use crate::sockets::{PATIENCE, accept_within, connect, eventually};

/// Answers as the dialer gives them (`Reply` in dialer/protocol.rs).
const FAILED: Option<u8> = Some(1);
const NOT_ALLOWED: Option<u8> = Some(2);
const MALFORMED: Option<u8> = Some(3);

/// A request for a port.
fn request(port: u16) -> Vec<u8> {
    [&b"apd1\x01"[..], &port.to_be_bytes()].concat()
}

/// Whatever is said to it, the dialer refuses it in words, dials nothing, keeps nothing, and
/// serves the next.
#[test]
fn hostile_clients_get_a_refusal_and_leave_nothing_behind() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let file = fs::File::open("/dev/null").unwrap();
    let cases: [(&[&[u8]], usize, &str); 7] = [
        (&[b""], 0, "an empty request"),
        (&[&[b'x'; 4000]], 0, "a request that cannot be read"),
        (&[b"GET / HTTP/1.1\r\n\r\n"], 0, "a request that cannot be read"),
        (&[&request(5000)[..5]], 0, "a request that cannot be read"),
        (&[&[request(5000), request(5000)].concat()], 0, "a request that cannot be read"),
        (&[&request(5000)], 1, "a request that comes with descriptors"),
        (&[&request(5000)], 10, "a request that comes with descriptors"),
    ];
    for (packets, passed, words) in cases {
        let client = Hostile::connect(&world.path);
        for packet in packets {
            client.say(packet, &vec![file.as_fd(); passed]);
        }
        assert_eq!(client.answer(), MALFORMED, "{words}");
        dialer.expect_log(words);
    }
    let silent = Hostile::connect(&world.path);
    assert_eq!(silent.answer(), MALFORMED);
    dialer.expect_log("no request within 2 s");
    let denied = Hostile::connect(&world.path);
    denied.say(&request(22), &[]);
    assert_eq!(denied.answer(), NOT_ALLOWED);
    assert!(accept_within(&target, Duration::from_millis(100)).is_none(), "something was dialled");
    expect_no_leak(dialer.pid(), before);
    assert!(dialer.serves());
}

/// Of several requests that come at once none is granted.
#[test]
fn one_connection_is_for_one_request() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    signal_to(dialer.pid(), Signal::SIGSTOP);
    let client = Hostile::connect(&world.path);
    client.say(&request(5000), &[]);
    client.say(&request(5000), &[]);
    signal_to(dialer.pid(), Signal::SIGCONT);
    assert_eq!(client.answer(), MALFORMED);
    dialer.expect_log("more than one request");
    assert!(accept_within(&target, Duration::from_millis(100)).is_none(), "something was dialled");
    expect_no_leak(dialer.pid(), before);
}

/// More clients than are served at once, all silent: the others are served in their turn.
#[test]
fn a_flood_costs_time_and_nothing_else() {
    let world = World::new();
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let flood: Vec<_> = (0..150).map(|_| Hostile::connect(&world.path)).collect();
    eventually("they are served", PATIENCE, || descriptors(dialer.pid()).sockets >= before + 64);
    assert!(descriptors(dialer.pid()).sockets <= before + 66, "more at once than are allowed");
    let late = Hostile::connect(&world.path);
    late.say(&request(5000), &[]);
    assert_eq!(late.answer(), FAILED);
    drop(flood);
    for _ in 0..500 {
        drop(Hostile::connect(&world.path));
    }
    eventually("it serves", PATIENCE, || dialer.serves());
    expect_no_leak(dialer.pid(), before);
}

/// What strangers ask for in vain fills no log: the first refusal is told, and how often it came again.
#[test]
fn refusals_that_repeat_themselves_are_told_once_and_summed_up() {
    let world = World::new();
    let dialer = world.dialer("5000");
    for _ in 0..100 {
        let denied = Hostile::connect(&world.path);
        denied.say(&request(22), &[]);
        assert_eq!(denied.answer(), NOT_ALLOWED);
    }
    signal_to(dialer.pid(), Signal::SIGTERM);
    dialer.expect_log("no more requests");
    dialer.expect_log("repeated=");
    let log = dialer.log();
    let told = log.lines().filter(|line| line.contains("is not on the list") && line.contains("INFO"));
    let times = told.map(|line| line.split_once("repeated=").map_or(1, |(_, times)| times.parse().unwrap()));
    let times: Vec<u32> = times.collect();
    assert_eq!(times.iter().sum::<u32>(), 100, "{times:?}");
    assert!(times.len() < 10, "{times:?}");
}

#[test]
fn random_packets_neither_end_it_nor_get_anything() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let noise = prop::collection::vec(any::<u8>(), 1..300);
    // All that begins well goes on with a port that is not allowed, or is cut.
    let almost = (0..5000_u16, 0..8_usize).prop_map(|(port, end)| request(port)[..end.clamp(1, 7)].to_vec());
    let packets = prop::collection::vec(prop_oneof![noise, almost], 1..4);
    let run = TestRunner::new(Proptest { cases: 200, failure_persistence: None, ..Proptest::default() }).run(
        &packets,
        |packets| {
            let client = Hostile::connect(&world.path);
            for packet in &packets {
                client.say(packet, &[]);
            }
            let answer = client.answer();
            // Who goes on talking may meet the end of the connection instead of the answer.
            prop_assert!([MALFORMED, NOT_ALLOWED, None].contains(&answer), "{:?}", answer);
            Ok(())
        },
    );
    run.unwrap();
    assert!(accept_within(&target, Duration::from_millis(100)).is_none(), "something was dialled");
    expect_no_leak(dialer.pid(), before);
    assert!(dialer.serves());
}

/// What a false dialer hands over is not relayed to, and closed.
#[test]
fn a_relay_takes_only_what_it_asked_for() {
    let connected = b"apd1\0\0\0\0\0".to_vec();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap();
    let elsewhere = move || OwnedFd::from(connect(addr));
    let unconnected =
        || OwnedFd::from(socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap());
    type Answer = Box<dyn Fn() -> (Vec<u8>, Vec<OwnedFd>) + Send>;
    let with = |descriptors: Box<dyn Fn() -> Vec<OwnedFd> + Send>| -> Answer {
        let connected = connected.clone();
        Box::new(move || (connected.clone(), descriptors()))
    };
    let cases: Vec<(Answer, &str)> = vec![
        (Box::new(|| (b"nonsense".to_vec(), vec![])), "answered nonsense"),
        (Box::new(|| (Vec::new(), vec![])), "no dialer at"),
        (with(Box::new(Vec::new)), "answered nonsense"),
        (with(Box::new(move || vec![elsewhere()])), "it leads to"),
        (with(Box::new(move || vec![elsewhere(), elsewhere()])), "answered nonsense"),
        (with(Box::new(move || (0..10).map(|_| elsewhere()).collect())), "answered nonsense"),
        (Box::new(move || (b"apd1".to_vec(), vec![elsewhere()])), "answered nonsense"),
        (Box::new(move || (b"apd1\0\0\0\0\0more".to_vec(), vec![elsewhere()])), "answered nonsense"),
        (with(Box::new(move || vec![unconnected()])), "it is not connected"),
        (with(Box::new(|| vec![fs::File::open("/dev/null").unwrap().into()])), "it is no tcp socket"),
        (with(Box::new(|| vec![UdpSocket::bind("127.0.0.1:0").unwrap().into()])), "it is no tcp socket"),
        (
            with(Box::new(|| vec![std::os::unix::net::UnixStream::pair().unwrap().0.into()])),
            "it is no tcp socket",
        ),
    ];
    for (answer, words) in cases {
        let world = World::new();
        impostor(&world.path, answer);
        let relay = world.relay("loopback");
        let before = sockets(relay.pid());
        assert_eq!(world.answer(&relay), RESET, "{words}");
        relay.expect_log(words);
        eventually("it is counted", PATIENCE, || relay.metric(FAILED_BY_DIALER) == 1);
        expect_no_leak(relay.pid(), before);
    }
}
