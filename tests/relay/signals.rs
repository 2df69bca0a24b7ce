//! Signals: how the process ends.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::peers::{MIB, Peer, peers};
use crate::process::{Launch, Process, signal_to};
use crate::procfs::child_of;
use crate::sockets::{End, PATIENCE, accept, accept_within, eventually, read_all};
use crate::targets::{Service, echo};

/// A grace period that nobody waits for.
const GRACE: [&str; 2] = ["--grace", "100"];

/// Far less than the grace period, and far more than an exit takes on a busy machine.
const AT_ONCE: Duration = PATIENCE;

fn open(process: &Process, target: &TcpListener) -> (Peer, Peer) {
    peers(process.connect(), accept(target), 11)
}

/// The first signal stops new connections; running transfers finish, and the process ends with
/// success as soon as they have.
#[test]
fn a_signal_lets_transfers_finish() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut relay = Launch::to(target.local_addr().unwrap()).args(GRACE).start();
        let (mut client, mut server) = open(&relay, &target);
        client.exchange(&mut server, 1000);
        relay.signal(signal);
        eventually("new connections are refused", AT_ONCE, || TcpStream::connect(relay.addr()).is_err());
        // Those that came before the refusal were served.
        while accept_within(&target, Duration::from_millis(200)).is_some() {}
        std::thread::scope(|scope| {
            scope.spawn(|| {
                server.send(4 * MIB);
                server.finish();
            });
            client.expect(4 * MIB);
            client.expect_end();
        });
        assert!(relay.is_running());
        client.finish();
        server.expect_end();
        assert!(relay.wait(AT_ONCE).success());
        assert!(relay.log().contains("all connections have finished"), "{}", relay.log());
    }
}

/// Connections that the kernel had taken before the signal are served, even if the relay had not
/// seen them yet.
#[test]
fn connections_in_the_queue_are_served_after_the_signal() {
    let service = Service::start(echo);
    let mut relay = Launch::to(service.addr()).args(GRACE).start();
    relay.signal(Signal::SIGSTOP);
    let clients: Vec<_> = (0..8).map(|_| relay.connect()).collect();
    relay.signal(Signal::SIGTERM);
    relay.signal(Signal::SIGCONT);
    for mut client in clients {
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&client), (b"question".to_vec(), End::Finished));
    }
    assert!(relay.wait(AT_ONCE).success());
}

/// What has not finished within the grace period is reset at both ends, and the process ends
/// with success: it has done what it was told.
#[test]
fn the_grace_period_ends_in_resets() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut relay = Launch::to(target.local_addr().unwrap()).args(["--grace", "0.3"]).start();
    let (mut client, mut server) = open(&relay, &target);
    client.exchange(&mut server, 1000);
    relay.signal(Signal::SIGTERM);
    client.expect_reset();
    server.expect_reset();
    assert!(relay.wait(AT_ONCE).success());
    assert!(relay.log().contains("were still open and were reset"), "{}", relay.log());
}

/// Whoever signals twice does not want to wait.
#[test]
fn a_second_signal_ends_at_once() {
    for (first, second) in [
        (Signal::SIGTERM, Signal::SIGTERM),
        (Signal::SIGINT, Signal::SIGINT),
        (Signal::SIGTERM, Signal::SIGINT),
    ] {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut relay = Launch::to(target.local_addr().unwrap()).args(GRACE).start();
        let (mut client, mut server) = open(&relay, &target);
        client.exchange(&mut server, 1000);
        relay.signal(first);
        relay.expect_log("no new connections");
        relay.signal(second);
        let signalled = Instant::now();
        assert!(relay.wait(AT_ONCE).success(), "{first} {second}");
        client.expect_reset();
        server.expect_reset();
        assert!(signalled.elapsed() < AT_ONCE);
    }
}

/// The first process of a container gets no default action for signals, so they must be caught.
#[test]
fn the_first_process_of_a_namespace_heeds_signals() {
    assert!(nix::unistd::geteuid().is_root(), "this test makes a PID namespace: run it as root");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let service = Service::start(echo);
        let unshare = ["unshare", "--pid", "--fork", "--kill-child"];
        let mut relay = Launch::to(service.addr()).args(GRACE).wrapped(unshare).start();
        let init = child_of(relay.pid()).expect("unshare(1) has started the relay");
        signal_to(init, signal);
        assert!(relay.wait(AT_ONCE).success());
    }
}
