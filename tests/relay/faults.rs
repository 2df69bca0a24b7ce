//! Faults inside the relay, and errors of the kernel on accept.

use std::fmt::Debug;
use std::sync::LazyLock;

use assemble_proxy::config::Engine;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use crate::peers::KIB;
use crate::process::Launch;
use crate::relay::{Near, Route, Setup};
use crate::sockets::{PATIENCE, eventually};

/// So many bytes are the sign to panic.
const UNLUCKY: u64 = 1313;

/// Panics at the closing event of a connection that has carried [`UNLUCKY`] bytes up: a fault in
/// the task of that connection.
struct Saboteur;

impl Subscriber for Saboteur {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Unlucky);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Unlucky;

impl Visit for Unlucky {
    fn record_u64(&mut self, field: &Field, value: u64) {
        assert!(field.name() != "bytes.up" || value != UNLUCKY, "on purpose: the number is unlucky");
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// A relay whose connections panic when they have carried [`UNLUCKY`] bytes.
fn sabotaged() -> Route {
    /// Where there is but one subscriber in a process, tracing asks the thread that meets an event first
    /// whether anybody wants it (`Rebuilder::JustOne` of tracing-core). That is another test's relay as
    /// often as not, and it has none.
    static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&ANOTHER);
    let sabotage = || std::mem::forget(tracing::subscriber::set_default(Saboteur));
    Setup::new(Engine::Auto, Near::Client).prepared(sabotage).relay()
}

/// Has a connection panic, and waits until it has.
#[track_caller]
fn have_one_panic(route: &Route) {
    let (mut unlucky, mut witness) = route.open();
    unlucky.send(UNLUCKY);
    witness.expect(UNLUCKY);
    unlucky.reset();
    witness.expect_reset();
    route.relay.wait_for_closed(1);
}

/// A panic in one connection's task resets that connection, is counted, and touches no other.
#[test]
fn a_panic_ends_its_own_connection_only() {
    let mut route = sabotaged();
    let (mut near, mut far) = route.open();
    near.exchange(&mut far, KIB);
    have_one_panic(&route);
    near.exchange(&mut far, KIB);
    let (mut next, mut target) = route.open();
    next.exchange(&mut target, KIB);
    route.relay.expect_panics(1);
    let metrics = assemble_proxy::metrics::render(route.relay.services());
    assert!(metrics.contains("connections_failed_total{reason=\"panic\"} 1\n"), "{metrics}");
}

/// What every case relies on: none passes whose relay has panicked, in its process or in one of its own.
#[test]
fn a_case_whose_relay_panics_fails() {
    let route = sabotaged();
    have_one_panic(&route);
    // It is counted by whoever waits for the task, a moment after its connection has closed.
    eventually("the panic is counted", PATIENCE, || route.relay.stats().panicked.get() == 1);
    assert!(std::thread::spawn(|| drop(route)).join().is_err());

    let blurts = ["sh", "-c", "echo thread main panicked at some place >&2; exec \"$0\" \"$@\""];
    let relay = Launch::to("127.0.0.1:1").wrapped(blurts).start();
    assert!(std::thread::spawn(|| drop(relay)).join().is_err());
}

/// What ptrace(2) shows of a call differs from machine to machine.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod accept_errors {
    use std::io::{Read, Write};
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::libc::SYS_accept4;

    use crate::process::Launch;
    use crate::sockets::{End, PATIENCE, eventually, try_connect};
    use crate::targets::{Service, echo};
    use crate::tracer::{Verdict, trace};

    /// No error of accept4(2) stops the listener: after each it goes on to take connections.
    #[test]
    fn no_error_of_accept_stops_the_listener() {
        let errors = [
            Errno::ECONNABORTED,
            Errno::EPROTO,
            Errno::ENFILE,
            Errno::EMFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::EHOSTUNREACH,
            Errno::EPERM,
            Errno::EINVAL,
        ];
        let service = Service::start(echo);
        let mut relay = Launch::to(service.addr()).start();
        let (pid, mut errors) = (relay.pid(), errors.into_iter());
        // Not in a scope: it ends with the relay, and a panic below ends the relay.
        let injected = std::thread::spawn(move || {
            trace(pid, |call| match call.is(SYS_accept4) {
                true => errors.next().map_or(Verdict::Last, Verdict::Fails),
                false => Verdict::Made,
            })
        });
        eventually("all errors have happened", PATIENCE, || {
            // Whether this one is served or shed depends on the error.
            if let Ok(mut client) = try_connect(relay.addr()) {
                client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let _ = client.write_all(b".").and_then(|()| client.read(&mut [0]));
            }
            injected.is_finished()
        });
        injected.join().unwrap().unwrap();
        assert!(relay.is_running());
        let log = relay.log();
        assert!(log.contains("cannot accept just now"), "{log}");
        let mut client = relay.connect();
        client.write_all(b"ping").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(crate::sockets::read_all(&client), (b"ping".to_vec(), End::Finished));
    }
}
