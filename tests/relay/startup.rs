//! Starts that fail, and what is said about them.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use assemble_contract::argv::HANGS;

use crate::namespace::Namespace;
use crate::peers::{KIB, peers};
use crate::port::free_port;
use crate::process::{BINARY, Launch};
use crate::procfs::{cpu, own_seccomp_filters, seccomp_filters};
use crate::sockets::{PATIENCE, accept, eventually};
use crate::targets::{Service, echo};

/// A port that the application itself listens on is named, and so is the reason.
#[test]
fn a_port_that_is_taken_is_named() {
    let port = free_port();
    for host in ["127.0.0.1", "::1"] {
        let _held = TcpListener::bind((host, port)).unwrap();
        let (status, log) = Launch::to("192.0.2.1").port(port).fail();
        assert_eq!(status.code(), Some(1), "{log}");
        let complaint = log.lines().last().unwrap();
        assert!(complaint.starts_with("assemble-proxy: cannot listen on "), "{complaint}");
        assert!(complaint.ends_with(&format!("{port}\": the port is already in use")), "{complaint}");
    }
}

/// A second relay of the same port says so, instead of sharing it.
#[test]
fn two_relays_do_not_share_a_port() {
    let service = Service::start(echo);
    let first = Launch::to(service.addr()).start();
    let (status, log) = Launch::to(service.addr()).port(first.port()).fail();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("already in use"), "{log}");
}

/// A namespace that leads nowhere has no gateway to forward to.
#[test]
fn a_missing_gateway_is_named() {
    let (status, log) = Launch::to("gateway").inside(&Namespace::new()).fail();
    assert_eq!(status.code(), Some(1));
    let complaint = log.lines().last().unwrap();
    let want =
        "assemble-proxy: no default route in this network namespace: no gateway to forward port 5000 to";
    assert_eq!(complaint, want);
}

/// A relay to itself is refused with its reason.
#[test]
fn a_relay_to_itself_is_named() {
    let port = free_port();
    let (status, log) = Launch::to("127.0.0.1").port(port).fail();
    assert_eq!(status.code(), Some(1));
    let want = format!(
        "assemble-proxy: port {port} would be forwarded to itself: \"127.0.0.1:{port}\" is where this relay listens"
    );
    assert_eq!(log.lines().last().unwrap(), want);
}

/// Words that are no command line are refused with the code for wrong usage.
#[test]
fn wrong_words_are_wrong_usage() {
    let wrong: [&[&str]; 6] = [
        &[],
        &["--port", "0"],
        &["--port", "65536"],
        &["--port", "5000", "--to", "db internal"],
        &["--port", "5000", "--to", "db.internal:0"],
        &["--port", "5000", "--grace", "-1"],
    ];
    for words in wrong {
        let output = Command::new(BINARY).args(words).env_remove("ASSEMBLE_PROXY_PORT").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
}

/// A machine without IPv6 is served on 127.0.0.1, and told what is missing.
#[test]
fn a_machine_without_ipv6_is_served() {
    let namespace = Namespace::new();
    namespace.sysctl("ipv6/conf/all/disable_ipv6", "1");
    let target = namespace.run(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let relay = Launch::to(target.local_addr().unwrap()).inside(&namespace).start();
    assert!(relay.log().contains("no IPv6 here: not listening on [::1]:5000"), "{}", relay.log());
    let (mut near, mut far) = peers(relay.connect(), accept(&target), 1);
    near.exchange(&mut far, KIB);
}

/// The first connection comes out at the target after 10 ms of the relay's own work.
#[test]
fn a_relay_serves_at_once() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = target.local_addr().unwrap().to_string();
    let start = || {
        let port = free_port();
        let mut command = Command::new(BINARY);
        command.args(["--port", &port.to_string(), "--to", &to]).stderr(Stdio::null());
        let mut relay = Killed(command.spawn().unwrap());
        let mut client = None;
        eventually("it listens, or has ended", PATIENCE, || {
            client = TcpStream::connect(("127.0.0.1", port)).ok();
            client.is_some() || relay.0.try_wait().unwrap().is_some()
        });
        // Somebody else was given the port in the meantime, where there is none.
        let client = client?;
        drop((accept(&target), client));
        Some(cpu(relay.0.id()))
    };
    // Interrupts count as a process's own work; most processes meet few.
    eventually("the first connection comes out after 10 ms of work", PATIENCE, || {
        start().is_some_and(|used| used < Duration::from_millis(10))
    });
}

/// A process that goes with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The probe tells a relay that serves from one that does not exist or hangs.
#[test]
fn the_health_probe_tells_whether_the_relay_serves() {
    let probe = |port: u16| {
        let output = Command::new(BINARY).args(["health", "--port", &port.to_string()]).output().unwrap();
        output.status.code()
    };
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    let port = relay.port();
    assert_eq!(probe(port), Some(0));
    relay.signal(nix::sys::signal::Signal::SIGSTOP);
    assert_eq!(probe(port), Some(HANGS.into()));
    relay.signal(nix::sys::signal::Signal::SIGCONT);
    assert_eq!(probe(port), Some(0));
    drop(relay);
    assert_eq!(probe(port), Some(1));
}

/// All threads of a relay that serves are behind its filter of system calls, unless it is told to
/// go without.
#[test]
fn a_relay_confines_itself_unless_it_is_told_not_to() {
    let service = Service::start(echo);
    let filters = |args: &[&str]| {
        let relay = Launch::to(service.addr()).args(["--threads", "3"]).args(args.iter().copied()).start();
        seccomp_filters(relay.pid())
    };
    // Whoever runs the tests may be filtered as well.
    let ours = own_seccomp_filters();
    assert_eq!(filters(&[]), [ours + 1; 3]);
    assert_eq!(filters(&["--no-sandbox"]), [ours; 3]);
}
