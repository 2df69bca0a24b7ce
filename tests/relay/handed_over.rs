//! Services on another namespace's loopback, reached through a dialer there.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use proptest::prelude::*;
use proptest::test_runner::{Config as Proptest, TestRunner};

use crate::dialer::{DialerProcess, Hostile, impostor, socket_path};
use crate::namespace::Namespace;
use crate::peers::{KIB, MIB, Peer, peers};
use crate::process::{BINARY, Launch, Process, signal_to};
use crate::procfs::descriptors;
use crate::sockets::{End, PATIENCE, accept, accept_within, answer, connect, eventually};

/// A host with a dialer, and a container without any link to it.
struct World {
    container: Namespace,
    host: Namespace,
    path: PathBuf,
}

const RESET: (Vec<u8>, End) = (Vec::new(), End::Reset);
const FAILED_BY_DIALER: &str = r#"connections_failed_total{reason="dialer"}"#;
const FAILED_BY_REFUSAL: &str = r#"connections_failed_total{reason="refused"}"#;

/// Answers as the dialer gives them (`Reply` in dialer/protocol.rs).
const FAILED: Option<u8> = Some(1);
const NOT_ALLOWED: Option<u8> = Some(2);
const MALFORMED: Option<u8> = Some(3);

/// A request for a port.
fn request(port: u16) -> Vec<u8> {
    [&b"apd1\x01"[..], &port.to_be_bytes()].concat()
}

impl World {
    fn new() -> Self {
        Self { container: Namespace::new(), host: Namespace::new(), path: socket_path() }
    }

    fn dialer(&self, allow: &str) -> DialerProcess {
        DialerProcess::start(&self.path, allow, &self.host)
    }

    fn relay(&self, to: &str) -> Process {
        let dialer = ["--dialer", self.path.to_str().unwrap()];
        Launch::to(to).args(dialer).with_metrics().inside(&self.container).start()
    }

    fn listen(&self, addr: &str) -> TcpListener {
        self.host.run(|| TcpListener::bind(addr).unwrap())
    }

    fn answer(&self, relay: &Process) -> (Vec<u8>, End) {
        self.container.run(|| answer(relay.addr()))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[track_caller]
fn open(relay: &Process, target: &TcpListener) -> (Peer, Peer) {
    peers(relay.connect(), accept(target), 11)
}

/// How many sockets a process has that does nothing: the last probe's may be about to close.
fn sockets(pid: u32) -> usize {
    let now = descriptors(pid).sockets;
    std::thread::sleep(Duration::from_millis(50));
    match descriptors(pid).sockets {
        same if same == now => same,
        _ => sockets(pid),
    }
}

/// Waits until a process has no more sockets than it had.
#[track_caller]
fn expect_no_leak(pid: u32, before: usize) {
    eventually("no descriptor is left behind", PATIENCE, || descriptors(pid).sockets <= before);
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
        expect_no_leak(dialer.pid(), before.0);
        expect_no_leak(relay.pid(), before.1);
    }
}

#[test]
fn resets_are_passed_on_both_ways() {
    let world = World::new();
    let target = world.listen("127.0.0.1:6000");
    let _dialer = world.dialer("5999-6001");
    let relay = world.relay("loopback:6000");
    for from_client in [true, false] {
        let (mut near, mut far) = open(&relay, &target);
        near.exchange(&mut far, KIB);
        let (breaks, mut survives) = if from_client { (near, far) } else { (far, near) };
        breaks.reset();
        survives.expect_reset();
    }
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
    expect_no_leak(dialer.pid(), before);
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
        (&[&request(5000)], 8, "a request that comes with descriptors"),
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
        (with(Box::new(move || (0..8).map(|_| elsewhere()).collect())), "answered nonsense"),
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

/// A client that resets while the dialer does not answer is not waited for.
#[test]
fn a_client_that_goes_away_cancels_its_request() {
    let world = World::new();
    // Takes connections into its queue and never answers.
    let silent = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
    silent.bind(&socket2::SockAddr::unix(&world.path).unwrap()).unwrap();
    silent.listen(16).unwrap();
    let relay = world.relay("loopback");
    let before = sockets(relay.pid());
    let client: TcpStream = relay.connect();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let (asking, _) = silent.accept().unwrap();
    crate::sockets::reset(client);
    expect_no_leak(relay.pid(), before);
    let mut buf = [0; 64];
    let mut heard = || rustix::net::recv(&asking, &mut buf[..], rustix::net::RecvFlags::empty()).unwrap().1;
    assert_eq!([heard(), heard()], [7, 0], "a request, then the end");
}

#[test]
fn loopback_and_a_dialer_go_together() {
    for args in [&["--to", "loopback"][..], &["--to", "gateway", "--dialer", "/x"]] {
        let output = Command::new(BINARY).args(["--port", "1"]).args(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("and --dialer go together only"), "{said}");
    }
}
