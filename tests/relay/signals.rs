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
const GRACE: [&str; 2] = ["--grace", "1000"];

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
        let (client, server) = open(&relay, &target);
        let (mut client, mut server) = (client.hashed(), server.hashed());
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
        assert_eq!(server.outgoing.sha256(), client.incoming.sha256());
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

/// A connection is open, and the relay waits for it.
fn draining(
    launch: &Launch,
    target: &TcpListener,
    pid: impl Fn(&Process) -> u32,
    signal: Signal,
) -> Draining {
    let relay = launch.start();
    let (mut client, mut server) = open(&relay, target);
    client.exchange(&mut server, 1000);
    let pid = pid(&relay);
    signal_to(pid, signal);
    relay.expect_log("no new connections");
    Draining { relay, pid, client, server }
}

struct Draining {
    relay: Process,
    pid: u32,
    client: Peer,
    server: Peer,
}

impl Draining {
    /// How long it takes to end when it is told a second time.
    #[track_caller]
    fn end(self, signal: Signal) -> Duration {
        let Self { mut relay, pid, mut client, mut server } = self;
        let signalled = Instant::now();
        signal_to(pid, signal);
        assert!(relay.wait(AT_ONCE).success());
        let took = signalled.elapsed();
        client.expect_reset();
        server.expect_reset();
        took
    }
}

const TWICE: [(Signal, Signal); 3] =
    [(Signal::SIGTERM, Signal::SIGTERM), (Signal::SIGINT, Signal::SIGINT), (Signal::SIGTERM, Signal::SIGINT)];

/// A busy machine may be late now and then; a wait that is built in is late always.
#[track_caller]
fn ends_within_100_ms(mut end: impl FnMut(Signal, Signal) -> Duration) {
    for (first, second) in TWICE {
        eventually("an end within 100 ms", PATIENCE, || end(first, second) < Duration::from_millis(100));
    }
}

/// Whoever signals twice does not want to wait.
#[test]
fn a_second_signal_ends_at_once() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let launch = Launch::to(target.local_addr().unwrap()).args(GRACE);
    ends_within_100_ms(|first, second| draining(&launch, &target, Process::pid, first).end(second));
}

/// The first process of a container gets no default action for signals, so they must be caught.
#[test]
fn the_first_process_of_a_namespace_heeds_signals() {
    let service = Service::start(echo);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut relay = as_init(Launch::to(service.addr())).start();
        signal_to(init(&relay), signal);
        assert!(relay.wait(AT_ONCE).success());
    }
}

/// So must the second one be.
#[test]
fn the_first_process_of_a_namespace_ends_at_once_when_told_twice() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let launch = as_init(Launch::to(target.local_addr().unwrap()));
    ends_within_100_ms(|first, second| draining(&launch, &target, init, first).end(second));
}

/// As the first process of a PID namespace, with a grace period that nobody waits for.
fn as_init(launch: Launch) -> Launch {
    assert!(nix::unistd::geteuid().is_root(), "this test makes a PID namespace: run it as root");
    launch.args(GRACE).wrapped(["unshare", "--pid", "--fork", "--kill-child"])
}

fn init(relay: &Process) -> u32 {
    child_of(relay.pid()).expect("unshare(1) has started the relay")
}
