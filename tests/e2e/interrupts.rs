//! Starts that are told to end, in each of the ways there are: they undo what they made.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;

use crate::support::{Backend, Background, Outcome, PATIENCE, Registry, Witness, docker, eventually};

/// A way to be told.
#[derive(Clone, Copy, Debug)]
enum Way {
    Interrupt,
    Terminate,
    /// The docker command that runs the plugin ends.
    Parent,
}

const WAYS: [(Way, i32); 3] = [(Way::Interrupt, 130), (Way::Terminate, 143), (Way::Parent, 130)];

/// Runs a start until `has_come` says that it is where it should be, and tells it to end.
#[track_caller]
fn interrupted(backend: &Backend, args: &[&str], way: Way, mut has_come: impl FnMut() -> bool) -> Outcome {
    let path = backend.home().join("parent.sock");
    let _ = std::fs::remove_file(&path);
    let socket = UnixListener::bind(&path).unwrap();
    let mut command = backend.command(args);
    let start = Background::start(command.env("DOCKER_CLI_PLUGIN_SOCKET", &path));
    let (parent, _) = socket.accept().unwrap();
    eventually("it has come so far", PATIENCE, || has_come().then_some(()));
    match way {
        Way::Interrupt => start.signal("INT"),
        Way::Terminate => start.signal("TERM"),
        Way::Parent => drop(parent.shutdown(std::net::Shutdown::Both)),
    }
    start.outcome()
}

/// A registry that tells nothing of its images; it says when it is asked for one.
///
/// What an engine asks beforehand it answers, since it would not wait for that for long.
fn silent_registry() -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("localhost:{}/never:1", listener.local_addr().unwrap().port());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || hear(stream, &sender));
        }
    });
    (image, receiver)
}

/// One connection to it: the first words of TLS are refused, `/v2/` is there.
fn hear(mut stream: TcpStream, asked: &mpsc::Sender<()>) -> Option<()> {
    let mut request = [0; 4096];
    loop {
        let answer = match stream.read(&mut request).ok()? {
            0 => return None,
            n if request[..n].starts_with(b"GET /v2/ ") => "200 OK",
            n if request[..n].contains(&0) => "400 Bad Request",
            _ => {
                let _ = asked.send(());
                continue;
            }
        };
        write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_that_is_told_to_end_while_it_pulls_leaves_nothing() {
    for (way, code) in WAYS {
        let (backend, witness, (image, asked)) = (Backend::new(), Witness::start(), silent_registry());
        let start = ["start", "--allow-host-port", "0", "--image", &image];
        let outcome = interrupted(&backend, &start, way, || asked.try_recv().is_ok()).fails(code);
        assert!(
            outcome.stderr.ends_with("Cancelled; what this start made is removed again\n"),
            "{outcome:?}"
        );
        assert!(witness.seen(&backend).containers.is_empty(), "{way:?}");
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_that_is_told_to_end_while_it_waits_leaves_nothing() {
    for (way, code) in WAYS {
        let (backend, witness) = (Backend::new(), Witness::start());
        // It runs, and never becomes a BuildKit.
        let image = backend
            .image("idle", &["ENTRYPOINT [\"/bin/sh\", \"-c\", \"sleep 600\"]", "VOLUME /var/lib/buildkit"]);
        let start = ["start", "--allow-host-port", "0", "--image", &image];
        let outcome = interrupted(&backend, &start, way, || backend.runs()).fails(code);
        assert!(
            outcome.stderr.ends_with("Cancelled; what this start made is removed again\n"),
            "{outcome:?}"
        );
        let seen = witness.seen(&backend);
        assert!(!seen.containers.is_empty(), "{way:?}");
        seen.is_gone_but(&[]);
    }
}

/// What a start has replaced so far runs again.
#[test]
#[ignore = "needs a docker engine"]
fn a_start_that_is_told_to_end_after_it_replaced_a_sidecar_leaves_its_port_served() {
    for (way, code) in WAYS {
        let (backend, registry) = (Backend::new(), Registry::start());
        let (port, sidecar) = (registry.port.to_string(), backend.sidecar(registry.port));
        let start = ["start", "--allow-host-port", &port];
        backend.run(&start).ok();
        let ids = || backend.run(&["info", "--quiet", "--no-trunc"]).ok().stdout;
        let before = ids();
        // It runs in the other one's place, and never listens.
        let image = backend.image("idle", &["ENTRYPOINT [\"/bin/sh\", \"-c\", \"sleep 600\"]"]);
        let format = ["inspect", "--format", "{{.Config.Image}} {{.State.Running}}", &sidecar];
        let replaced = || docker(&format).stdout == format!("{image} true\n");
        let other = [&start[..], &["--proxy-image", &image]].concat();
        let outcome = interrupted(&backend, &other, way, replaced).fails(code);
        assert!(outcome.stderr.ends_with(&format!("Put back container \"{sidecar}\"\n")), "{outcome:?}");
        assert_eq!(ids(), before, "{outcome:?}");
        backend.get(registry.port).ok();
    }
}

/// The second of two starts, while the first one is at work.
#[test]
#[ignore = "needs a docker engine"]
fn a_start_that_waits_for_another_ends_when_told_or_in_time() {
    let (backend, (image, asked)) = (Backend::new(), silent_registry());
    let first = Background::start(&mut backend.command(&["start", "--image", &image]));
    eventually("the first one pulls", PATIENCE, || asked.try_recv().ok());
    let late = backend.run(&["start", "--timeout", "1"]).fails(1);
    let line = late.stderr.lines().last().unwrap();
    assert!(
        line.starts_with(&format!("another start of \"{}\" is still at work", backend.name())),
        "{late:?}"
    );
    let mut second = Background::start(&mut backend.command(&["start"]));
    second.says("Waiting for another start to finish...");
    second.signal("INT");
    second.outcome().fails(130);
    first.signal("INT");
    first.outcome().fails(130);
    assert_eq!(backend.containers(), [""; 0]);
}
