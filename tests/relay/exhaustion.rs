//! More clients than the relay has descriptors for.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use assemble_proxy::sys::raise_descriptor_limit;
use rustix::process::{Resource, Rlimit, prlimit};

use crate::process::{Launch, Process};
use crate::procfs::cpu;
use crate::sockets::{PATIENCE, eventually};
use crate::targets::{Service, echo};

/// More clients than there are descriptors for wait or are reset; those that are served notice
/// nothing, the processor is left alone, and when descriptors come back so does service.
#[test]
fn a_lack_of_descriptors_harms_nobody_who_is_served() {
    let _ = raise_descriptor_limit();
    for foreseen in [true, false] {
        let service = Service::start(echo);
        let limited = ["sh", "-c", "ulimit -n 64 && exec \"$0\" \"$@\""];
        let launch = Launch::to(service.addr());
        let mut relay = if foreseen { launch.wrapped(limited).start() } else { launch.start() };
        if !foreseen {
            let pid = rustix::process::Pid::from_raw(relay.pid().try_into().unwrap());
            let few = Rlimit { current: Some(64), maximum: Some(64) };
            prlimit(pid, Resource::Nofile, few).unwrap();
        }
        let served: Vec<_> = (0..5).map(|_| relay.connect()).collect();
        assert!(served.iter().all(answers));
        // A busy machine may be late now and then.
        eventually("new clients are served within 200 ms", PATIENCE, || {
            crowd(&relay, &served) < Duration::from_millis(200)
        });
        assert!(served.iter().all(answers));
        assert!(relay.is_running());
    }
}

/// With the limit of an engine's `default-ulimits`, say: whoever is beyond it is told at once, and so
/// is the log, the metrics and whoever asks.
#[test]
fn clients_beyond_the_descriptors_are_reset_and_counted() {
    const CLIENTS: u64 = 100;
    let service = Service::start(echo);
    let limited = ["sh", "-c", "ulimit -n 64 && exec \"$0\" \"$@\""];
    let relay = Launch::to(service.addr()).with_metrics().wrapped(limited).start();
    let clients: Vec<_> = (0..CLIENTS).filter_map(|_| relay.connect_or_reset()).collect();
    // No read of these waits for longer than the patience of the tests.
    let served = clients.iter().filter(|client| answers(client)).count() as u64;
    assert!((1..=32).contains(&served), "{served}");
    assert_eq!(relay.metric(r#"connections_failed_total{reason="descriptors"}"#), CLIENTS - served);
    assert_eq!(relay.metric("connections_opened_total"), CLIENTS);
    assert_eq!(relay.metric("connections_active"), served);
    assert_eq!(relay.log().matches("cannot accept just now").count(), 1, "{}", relay.log());
    drop(clients);
    eventually("new clients are served", PATIENCE, || is_served(&relay));
}

/// A crowd that comes and goes beside those who are served; says how long after it has gone a new
/// client is served.
fn crowd(relay: &Process, served: &[TcpStream]) -> Duration {
    let crowd: Vec<_> = (0..500).filter_map(|_| relay.connect_or_reset()).collect();
    let used = cpu(relay.pid());
    for _ in 0..20 {
        assert!(served.iter().all(answers));
        std::thread::sleep(Duration::from_millis(50));
    }
    let used = cpu(relay.pid()) - used;
    assert!(used <= Duration::from_millis(50), "{used:?} in a second");
    crowd.iter().for_each(waits_or_was_reset);
    drop(crowd);
    let relieved = Instant::now();
    // A few may still be reset on behalf of those who have just left.
    eventually("new clients are served", PATIENCE, || is_served(relay));
    relieved.elapsed()
}

/// A client is never told that the stream of a target that it has not reached is over.
fn waits_or_was_reset(client: &TcpStream) {
    client.set_nonblocking(true).unwrap();
    let told = (&mut &*client).read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(told, Err(ErrorKind::WouldBlock | ErrorKind::ConnectionReset)), "{told:?}");
}

fn is_served(relay: &Process) -> bool {
    relay.connect_or_reset().is_some_and(|client| answers(&client))
}

/// Whether an exchange with an echo works; a reset is the other possibility.
fn answers(mut client: &TcpStream) -> bool {
    let mut pong = [0; 4];
    match client.write_all(b"ping").and_then(|()| client.read_exact(&mut pong)) {
        Ok(()) => pong == *b"ping",
        Err(error) => {
            let reset = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
            assert!(reset, "neither an answer nor a reset: {error}");
            false
        }
    }
}
