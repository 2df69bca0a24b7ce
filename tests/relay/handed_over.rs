//! Services on another namespace's loopback, reached through a dialer there.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::container;
use crate::dialer::DialerProcess;
use crate::dialer_world::{FAILED_BY_DIALER, FAILED_BY_REFUSAL, RESET, World, expect_no_leak, sockets};
use crate::peers::{KIB, MIB, Peer, peers};
use crate::process::{BINARY, Process};
use crate::sockets::{PATIENCE, accept, accept_within, eventually};

/// The connection between a relay and its dialer, once it was needed.
pub(crate) const CHANNEL: usize = 1;

/// What a relay may have been handed ahead of its clients.
pub(crate) const SPARE: usize = 24;

#[track_caller]
pub(crate) fn open(relay: &Process, target: &TcpListener) -> (Peer, Peer) {
    peers(relay.connect(), accept(target), 11)
}

#[test]
fn a_service_on_the_hosts_loopback_is_relayed_both_ways() {
    let world = World::new();
    for addr in ["127.0.0.1:5000", "[::1]:5000"] {
        let target = world.listen(addr);
        let dialer = world.dialer("5000");
        let relay = world.relay("loopback");
        let before = (sockets(dialer.pid()), sockets(relay.pid()));
        let (mut near, mut far) = open(&relay, &target);
        assert!(far.stream().peer_addr().unwrap().ip().is_loopback());
        near.exchange(&mut far, 64 * KIB);
        // Big enough for splice, with the reader at work.
        std::thread::scope(|scope| {
            scope.spawn(|| near.outgoing.send(8 * MIB));
            scope.spawn(|| far.outgoing.send(8 * MIB));
            scope.spawn(|| near.incoming.expect(8 * MIB));
            far.incoming.expect(8 * MIB);
        });
        near.finish();
        far.expect_end();
        far.send(KIB);
        far.finish();
        near.expect(KIB);
        near.expect_end();
        expect_no_leak(dialer.pid(), before.0 + CHANNEL);
        expect_no_leak(relay.pid(), before.1 + CHANNEL);
    }
}

/// As Docker publishes ports of containers where it has no userland proxy.
#[test]
fn a_port_that_netfilter_leads_into_a_container_is_reached() {
    const RULES: &str = "table ip nat {
        chain out { type nat hook output priority -100; ip daddr 127.0.0.1 tcp dport 5000 dnat to 198.18.0.2:5000; }
        chain post { type nat hook postrouting priority 100; oifname veth0 masquerade; }
    }";
    let (published, world) = (container::World::new(), World::new());
    published.host.sysctl("ipv4/conf/veth0/route_localnet", "1");
    let ruled = published.host.run(|| Command::new("nft").arg(RULES).status());
    assert!(ruled.expect("this test needs nft(8), of the package nftables").success());
    let target = published.container.run(|| TcpListener::bind("198.18.0.2:5000").unwrap());
    let _dialer = DialerProcess::start(&world.path, &["--allow", "5000"], &published.host);
    let relay = world.relay("loopback");
    let (mut near, mut far) = open(&relay, &target);
    assert_eq!(far.stream().peer_addr().unwrap().ip().to_string(), "198.18.0.1");
    near.exchange(&mut far, KIB);
}

/// Runs a case with a connection through a dialer, with the client as its near end and then with
/// the server, for each engine; nothing is left behind by any.
fn either_way(case: impl Fn(Peer, Peer)) {
    let world = World::new();
    let target = world.listen("127.0.0.1:6000");
    let dialer = world.dialer("5999-6001");
    for engine in ["auto", "copy", "splice"] {
        let relay = world.relay_with("loopback:6000", &["--engine", engine]);
        let before = (sockets(dialer.pid()), sockets(relay.pid()));
        for from_client in [true, false] {
            let (client, server) = open(&relay, &target);
            let (near, far) = if from_client { (client, server) } else { (server, client) };
            case(near, far);
        }
        expect_no_leak(dialer.pid(), before.0 + CHANNEL);
        // One more, where the second came soon.
        expect_no_leak(relay.pid(), before.1 + CHANNEL + 1);
    }
}

#[test]
fn streams_end_one_by_one_in_either_order() {
    either_way(|mut near, mut far| {
        near.send(KIB);
        near.finish();
        far.expect(KIB);
        far.expect_end();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                far.send(4 * MIB);
                far.finish();
            });
            near.expect(4 * MIB);
            near.expect_end();
        });
    });
}

#[test]
fn both_streams_may_end_at_once() {
    either_way(|mut near, mut far| {
        near.exchange(&mut far, KIB);
        near.finish();
        far.finish();
        near.expect_end();
        far.expect_end();
    });
}

#[test]
fn whoever_speaks_first_is_heard() {
    either_way(|mut near, mut far| {
        near.send(5);
        far.expect(5);
    });
}

#[test]
fn resets_are_passed_on_both_ways() {
    either_way(|mut near, mut far| {
        near.exchange(&mut far, KIB);
        near.reset();
        far.expect_reset();
    });
}

#[test]
fn bytes_received_before_a_reset_are_delivered() {
    either_way(|mut near, mut far| {
        near.send(200 * KIB);
        near.wait_until_received();
        near.reset();
        far.expect(200 * KIB);
        far.expect_reset();
    });
}

#[test]
fn a_reset_after_the_end_of_stream_is_passed_on() {
    either_way(|mut near, mut far| {
        near.send(10);
        near.finish();
        far.expect(10);
        far.expect_end();
        near.reset();
        far.expect_broken_within(PATIENCE);
    });
}

#[test]
fn a_close_with_unread_bytes_is_a_reset() {
    either_way(|near, mut far| {
        far.send(100);
        eventually("bytes to leave unread", PATIENCE, || near.stream().peek(&mut [0; 1]).unwrap() == 1);
        drop(near);
        far.expect_reset();
    });
}

#[test]
fn a_refused_port_is_a_reset_and_counted_as_refused() {
    let world = World::new();
    let dialer = world.dialer("5000");
    let relay = world.relay("loopback");
    let before = sockets(dialer.pid());
    assert_eq!(world.answer(&relay), RESET);
    eventually("it is counted", PATIENCE, || relay.metric(FAILED_BY_REFUSAL) == 1);
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
    expect_no_leak(dialer.pid(), before + CHANNEL);
}

#[test]
fn a_port_that_is_not_allowed_is_never_dialled() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5001,6000-6010");
    let relay = world.relay("loopback");
    assert_eq!(world.answer(&relay), RESET);
    eventually("it is counted", PATIENCE, || relay.metric(FAILED_BY_DIALER) == 1);
    dialer.expect_log(r#"port "5000" is not on the list"#);
    relay.expect_log(r#"the dialer does not allow port "5000""#);
    assert!(accept_within(&target, Duration::from_millis(200)).is_none());
}

/// While there is no dialer clients are reset; connections of before go on, and a new dialer at
/// the same path is found, where the old one was killed as well as where it ended in good order.
#[test]
fn a_dialer_may_go_and_come_back() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let mut dialer = world.dialer("5000");
    let relay = world.relay("loopback");
    let (mut near, mut far) = open(&relay, &target);
    // The target has a connection before the relay does.
    near.exchange(&mut far, KIB);
    for round in 1..=2 {
        if round == 1 {
            dialer.kill();
            assert!(world.path.exists(), "a killed dialer leaves its socket behind");
        } else {
            assert!(dialer.terminate().success());
            assert!(!world.path.exists(), "a dialer removes its socket");
        }
        assert_eq!(world.answer(&relay), RESET);
        eventually("it is counted", PATIENCE, || relay.metric(FAILED_BY_DIALER) == round);
        near.exchange(&mut far, KIB);
        dialer = world.dialer("5000");
        let (mut near, mut far) = open(&relay, &target);
        near.exchange(&mut far, KIB);
    }
}

#[test]
fn the_socket_is_its_owners_alone_and_held_once() {
    let world = World::new();
    let _dialer = world.dialer("5000");
    assert_eq!(fs::metadata(&world.path).unwrap().permissions().mode() & 0o777, 0o600);
    let second = Command::new(BINARY).args(["dial", "--allow", "1", "--socket"]).arg(&world.path).output();
    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let want = format!(
        "assemble-proxy: cannot listen at \"{}\": something else is there already\n",
        world.path.display()
    );
    assert_eq!(String::from_utf8(second.stderr).unwrap(), want);
}

#[test]
fn a_file_in_the_place_of_the_socket_is_left_alone() {
    let world = World::new();
    fs::write(&world.path, "precious").unwrap();
    let dialer = Command::new(BINARY).args(["dial", "--allow", "1", "--socket"]).arg(&world.path).output();
    assert_eq!(dialer.unwrap().status.code(), Some(1));
    assert_eq!(fs::read(&world.path).unwrap(), b"precious");
}

/// Another user is not heard even where the mode of the socket would let him in, unless named.
#[test]
fn only_those_who_may_ask_are_heard() {
    const NOBODY: u32 = 65534;
    let world = World::new();
    let health = || {
        // The binary may be where that user cannot go; its copy is not. Made by another process:
        // one that is started here meanwhile would hold it open for writing (ETXTBSY).
        let copy = world.path.with_extension("exe");
        assert!(Command::new("cp").arg(BINARY).arg(&copy).status().unwrap().success());
        let asked = Command::new(&copy).args(["health", "--socket"]).arg(&world.path).uid(NOBODY).output();
        fs::remove_file(copy).unwrap();
        asked.unwrap().status.success()
    };
    let dialer = world.dialer("5000");
    assert!(!health(), "the mode keeps others out");
    fs::set_permissions(&world.path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(!health());
    dialer.expect_log(r#"user "65534" may not ask"#);
    drop(dialer);
    let args = ["--allow", "5000", "--peer-uid", "65534"];
    let dialer = DialerProcess::start(&world.path, &args, &world.host);
    assert_eq!(fs::metadata(&world.path).unwrap().uid(), NOBODY);
    assert!(health());
    assert!(dialer.terminate().success());
    assert!(!world.path.exists());
}

#[test]
fn loopback_and_a_dialer_go_together() {
    for args in [&["--to", "loopback"][..], &["--to", "gateway", "--dialer", "/x"]] {
        let output = Command::new(BINARY).args(["--port", "1"]).args(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("and --dialer go together only"), "{said}");
    }
}
