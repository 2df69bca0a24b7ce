//! Clients of a dialer that do not keep to the protocol.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::signal::Signal;
use proptest::prelude::*;
use proptest::test_runner::{Config as Proptest, TestRunner};
use rustix::io::Errno;

use crate::container;
use crate::dialer::{
    CONNECTED, DialerProcess, HEALTHY, HELLO, Hostile, MALFORMED, NOT_ALLOWED, order, order_of, request,
    socket_path,
};
use crate::dialer_world::{World, expect_no_leak, sockets};
use crate::process::signal_to;
use crate::sockets::{accept, accept_within};

/// Whatever is said to it, the dialer refuses it in words, dials nothing, keeps nothing, and
/// serves the next.
#[test]
fn hostile_clients_get_a_refusal_and_leave_nothing_behind() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let file = fs::File::open("/dev/null").unwrap();
    let cases: [(&[&[u8]], usize, &str); 14] = [
        (&[b""], 0, "an empty request"),
        (&[&[b'x'; 4000]], 0, "a request that cannot be read"),
        (&[b"GET / HTTP/1.1\r\n\r\n"], 0, "a request that cannot be read"),
        (&[&request(5000)[..5]], 0, "a request that cannot be read"),
        (&[&[request(5000), request(5000)].concat()], 0, "a request that cannot be read"),
        (&[&request(5000)], 1, "a request that comes with descriptors"),
        (&[&request(5000)], 10, "a request that comes with descriptors"),
        (&[&order(5000, 1)[..7]], 0, "a request that cannot be read"),
        (&[&[order(5000, 1), order(5000, 1)].concat()], 0, "a request that cannot be read"),
        (&[&order(5000, 1)], 1, "a request that comes with descriptors"),
        (&[&order(5000, 0)], 0, "a request that cannot be read"),
        (&[&order(5000, 17)], 0, "a request that cannot be read"),
        // As other versions greet, which ask in the old way then.
        (&[b"apd2\0\0\0\0\x02\0\0"], 0, "a request that cannot be read"),
        (&[b"apd4\x02\0\0\0"], 0, "a request that cannot be read"),
    ];
    for (packets, passed, words) in cases {
        let client = Hostile::connect(&world.path);
        for packet in packets {
            client.say(packet, &vec![file.as_fd(); passed]);
        }
        assert_eq!(client.hear().as_deref(), Some(&b"apd1\x03\0\0\0\0"[..]), "{words}");
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

/// A channel is for as many as one likes, as long as they can be read.
#[test]
fn a_channel_ends_with_the_first_packet_that_is_none_of_it() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let file = fs::File::open("/dev/null").unwrap();
    let ends: [(&[u8], usize); 4] = [(b"apd3", 0), (&request(5000), 0), (b"GET / HTTP/1.1", 0), (HELLO, 1)];
    for (last, passed) in ends {
        let client = Hostile::connect(&world.path);
        for (asked, kind) in [
            (HELLO, HEALTHY),
            (&order(22, 1), NOT_ALLOWED),
            (&order(5000, 1), CONNECTED),
            (&order(5000, 16), CONNECTED),
            (HELLO, HEALTHY),
        ] {
            client.say(asked, &[]);
            assert_eq!(client.answer(), kind);
        }
        client.say(last, &vec![file.as_fd(); passed]);
        assert_eq!((client.answer(), client.hear()), (MALFORMED, None), "{}", last.escape_ascii());
        let nobody = accept_within(&target, Duration::from_millis(100));
        assert!(nobody.is_none(), "a dialer connects no socket of a channel");
        expect_no_leak(dialer.pid(), before);
    }
}

/// Whatever is done with a socket that was handed over, it comes from loopback, and so it stays on this host.
#[test]
fn a_socket_of_a_dialer_reaches_no_other_host() {
    let (world, path) = (container::World::new(), socket_path());
    world.container.ip("address add 2001:db8::2/64 dev eth0 nodad");
    world.host.ip("address add 2001:db8::1/64 dev veth0 nodad");
    let _dialer = DialerProcess::start(&path, &["--allow", "5000"], &world.host);
    let cases = [
        (false, "127.0.0.1:5000", vec![("198.18.0.2:5000", Errno::INVAL)]),
        (
            true,
            "[::1]:5000",
            vec![
                ("[2001:db8::2]:5000", Errno::NETUNREACH),
                // By lo, where it is under way for ever.
                ("[::ffff:198.18.0.2]:5000", Errno::INPROGRESS),
            ],
        ),
    ];
    for (ipv6, near, others) in cases {
        let _near = world.listen(near);
        let near = near.parse::<SocketAddr>().unwrap();
        let far = world
            .container
            .run(|| TcpListener::bind(if ipv6 { "[::]:5000" } else { "198.18.0.2:5000" }).unwrap());
        let others = others.into_iter().map(|(other, why)| (other.parse::<SocketAddr>().unwrap(), why));
        let others: Vec<_> = others.collect();
        for (other, _) in &others {
            assert!(world.host.run(|| TcpStream::connect(other)).is_ok(), "there is a way to {other}");
            drop(accept(&far));
        }
        let client = Hostile::connect(&path);
        for was_connected in [false, true] {
            client.say(&order_of(ipv6, 5000, 1), &[]);
            let socket = client.receive();
            if ipv6 {
                socket.set_only_v6(false).unwrap();
            }
            if was_connected {
                socket.set_nonblocking(false).unwrap();
                socket.connect(&near.into()).unwrap();
                socket.set_nonblocking(true).unwrap();
            }
            for (other, why) in &others {
                rustix::net::connect_unspec(&socket).unwrap();
                let error = socket.connect(&(*other).into()).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(why.raw_os_error()), "{other}: {error}");
                assert!(accept_within(&far, Duration::from_millis(50)).is_none());
            }
        }
    }
    let _ = fs::remove_file(path);
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
    let orders = (0..5000_u16, any::<u8>(), 1..9_usize)
        .prop_map(|(port, count, end)| order(port, count)[..end].to_vec());
    let packets = prop::collection::vec(prop_oneof![noise, almost, orders], 1..4);
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
