//! What a build in flight uses, and commands that would take it away.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{JoinHandle, spawn};

use crate::support::{Backend, Background, Context, Outcome, Registry, free_port, inspect};

/// A service of the host that lets a build wait for its answer.
pub(crate) struct Service {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Service {
    pub(crate) fn start() -> Self {
        let port = free_port();
        Self { listener: TcpListener::bind(("0.0.0.0", port)).unwrap(), port }
    }

    /// Starts a build that asks it, and waits until it does.
    pub(crate) fn asked_by_a_build(&self, backend: &Backend) -> (TcpStream, JoinHandle<Outcome>) {
        let context = Context::new(&format!(
            "FROM scratch\nADD busybox.tar /\nRUN wget -q -O /said http://localhost:{}/ && echo it said $(cat /said)\n",
            self.port
        ));
        let name = backend.name();
        let build = spawn(move || context.build(&name, None));
        // Whoever comes may be a start that tries whether the port is served.
        for mut asking in self.listener.incoming().flatten() {
            if matches!(asking.read(&mut [0; 4096]), Ok(1..)) {
                return (asking, build);
            }
        }
        unreachable!("it listens for ever")
    }
}

pub(crate) fn answer(mut asking: TcpStream) {
    asking.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
}

#[test]
#[ignore = "needs a docker engine"]
fn what_a_build_uses_stays_until_it_has_ended() {
    let (backend, service, [idle, other]) = (Backend::new(), Service::start(), [free_port(), free_port()]);
    let port = service.port.to_string();
    backend.start(&[service.port, idle]);
    let (asking, build) = service.asked_by_a_build(&backend);
    let ids = || [backend.id(), inspect(&backend.sidecar(service.port))["Id"].to_string()];
    let before = ids();

    // Of another job.
    backend.run(&["port", "add", &other.to_string()]).ok();
    let mut forwarded = [service.port, idle, other];
    forwarded.sort_unstable();
    for (command, used) in [
        (&["start", "--allow-host-port", "6000"][..], format!("port {port} (1 connection)")),
        (&["port", "rm", &port], format!("port {port} (1 connection)")),
        // It may come to that one.
        (&["port", "rm", &idle.to_string()], format!("port {idle}")),
        (&["stop"], format!("on backend \"{}\"", backend.name())),
        (&["stop", "--wait", "--timeout", "1"], "it was waited for ".to_owned()),
    ] {
        let refused = backend.run(command).fails(1);
        let line = refused.stderr.lines().last().unwrap();
        assert!(line.starts_with("build \"") && line.contains(" in flight"), "{refused:?}");
        assert!(line.contains(&used), "{refused:?}");
        assert_eq!((ids(), backend.forwarded()), (before.clone(), forwarded.to_vec()));
    }
    let mut cancelled = Background::start(&mut backend.command(&["port", "rm", &port, "--wait"]));
    cancelled.says("Waiting: build \"");
    cancelled.signal("INT");
    cancelled.outcome().fails(130);

    let mut patient = Background::start(&mut backend.command(&["port", "rm", &port, "--wait"]));
    patient.says("Waiting: build \"");
    // Whoever waits stands in nobody's way.
    backend.run(&["port", "add", "6000"]).ok();
    answer(asking);
    let build = build.join().unwrap().ok();
    assert!(build.stderr.contains("it said hi"), "{build:?}");
    patient.outcome().ok();
    let mut left = [idle, other, 6000];
    left.sort_unstable();
    assert_eq!(backend.forwarded(), left);
    backend.run(&["stop"]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn what_a_build_uses_is_taken_from_it_by_force() {
    let (backend, service) = (Backend::new(), Service::start());
    let port = service.port.to_string();
    for command in [
        &["port", "rm", "--force", &port][..],
        &["start", "--force", "--allow-host-port", "0"],
        &["stop", "-f"],
    ] {
        backend.start(&[service.port]);
        let (mut asking, build) = service.asked_by_a_build(&backend);
        backend.run(command).ok();
        // Nobody is left to hear an answer.
        assert!(matches!(asking.read(&mut [0; 16]), Ok(0) | Err(_)), "{command:?}");
        build.join().unwrap().fails(1);
        assert_eq!(backend.forwarded(), [0; 0]);
    }
    assert_eq!(backend.containers(), [""; 0]);
}

/// BuildKit keeps connections to a registry open for the next build.
#[test]
#[ignore = "needs a docker engine"]
fn what_a_build_has_left_open_is_in_nobodys_way() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    let context = Context::new("FROM scratch\nADD busybox.tar /\n");
    backend.push(&context, &registry.image("done")).ok();
    backend.start(&[free_port()]);
    backend.push(&context, &registry.image("done")).fails(1);
    backend.run(&["stop"]).ok();
}
