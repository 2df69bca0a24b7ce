//! What goes wrong, and what is left of it: an error in one line and nothing on the engine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::support::{Backend, Background, Witness, base_image, docker, free_port, inspect, run};

/// The longest a person should wait for the news that there is no engine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Demands that every command says so in one line that names the endpoint.
#[track_caller]
fn every_command_fails_soon(backend: &Backend, endpoint: &str) {
    // All at once, since each may take its time.
    let commands =
        [&["start"][..], &["stop"], &["info"], &["logs"], &["cache", "usage"], &["cache", "purge"]];
    let running = commands.map(|args| Background::start(backend.command(args).env("DOCKER_HOST", endpoint)));
    for running in running {
        let failure = running.outcome().fails(1);
        assert!(failure.only_complaint().contains(endpoint), "{failure:?}");
        assert!(failure.took < PATIENCE, "{failure:?}");
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn an_engine_that_is_not_there_is_named() {
    let backend = Backend::new();
    every_command_fails_soon(&backend, &format!("unix://{}/docker.sock", backend.home().display()));
    every_command_fails_soon(&backend, &format!("tcp://127.0.0.1:{}", free_port()));
}

#[test]
#[ignore = "needs a docker engine"]
fn an_engine_that_does_not_answer_is_given_up() {
    let backend = Backend::new();
    // Connections come about, and that is all.
    let path = backend.home().join("black-hole.sock");
    let _hole = UnixListener::bind(&path).unwrap();
    every_command_fails_soon(&backend, &format!("unix://{}", path.display()));
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    every_command_fails_soon(&backend, &format!("tcp://{}", hole.local_addr().unwrap()));
}

/// A server on this host that treats every connection alike, until the tests end.
fn serve(treat: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(treat));
    endpoint
}

/// A server that reads the head of a request and answers with `words`.
fn serve_words(words: &'static str) -> String {
    serve(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(words.as_bytes());
    })
}

#[test]
#[ignore = "needs a docker engine"]
fn what_answers_and_is_no_engine_is_named() {
    let backend = Backend::new();
    let reset = serve(|stream| {
        // The end of a connection with unread bytes is a reset.
        let _ = stream.peek(&mut [0]);
    });
    for endpoint in [
        reset,
        serve_words(""),
        serve_words("SSH-2.0-OpenSSH_9.9\r\n"),
        serve_words("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"),
        serve_words("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        serve_words("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ] {
        let failure = run(backend.command(&["info"]).env("DOCKER_HOST", &endpoint)).fails(1);
        let line = failure.only_complaint();
        assert!(line.contains(&endpoint) && !line.ends_with(':') && !line.contains(":;"), "{failure:?}");
        println!("{line}");
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_version_of_the_api_is_spoken_as_asked_for() {
    let backend = Backend::new();
    let with = |version: &str| run(backend.command(&["stop"]).env("DOCKER_API_VERSION", version));
    with("1.41").ok();
    let refusal = with("1.99").fails(1);
    assert!(refusal.only_complaint().contains("unset \"DOCKER_API_VERSION\""), "{refusal:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn the_version_is_told_without_an_engine() {
    let backend = Backend::new();
    let endpoint = format!("unix://{}/docker.sock", backend.home().display());
    let version =
        run(backend.command_of(crate::support::PLUGIN, &["version"]).env("DOCKER_HOST", endpoint)).ok();
    assert!(version.stdout.starts_with("docker assemble v"), "{version:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn an_image_that_is_not_buildkit_leaves_nothing() {
    let (backend, witness) = (Backend::new(), Witness::start());
    let start = backend.run(&["start", "--allow-host-port", "0", "--image", &base_image()]).fails(1);
    assert!(start.stderr.contains(&backend.name()), "{start:?}");
    let seen = witness.seen(&backend);
    assert!(!seen.containers.is_empty());
    seen.is_gone_but(&[]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_daemon_that_ends_is_quoted_and_removed() {
    let (backend, witness) = (Backend::new(), Witness::start());
    let image = backend.image(
        "ends",
        &[
            "ENTRYPOINT [\"/bin/sh\", \"-c\", \"echo one; echo cannot open the database >&2; exit 3\"]",
            "VOLUME /var/lib/buildkit",
        ],
    );
    let port = free_port().to_string();
    let start = backend.run(&["start", "--allow-host-port", &port, "--image", &image]).fails(1);
    assert!(start.stderr.contains("cannot open the database"), "{start:?}");
    assert!(start.stderr.lines().last().unwrap().contains(&backend.name()), "{start:?}");

    let seen = witness.seen(&backend);
    assert!(!seen.volumes.is_empty(), "an anonymous volume was expected: {seen:?}");
    seen.is_gone_but(&[]);
    assert_eq!(backend.containers(), [""; 0]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_sidecar_that_ends_is_quoted_and_all_is_removed() {
    let (backend, witness) = (Backend::new(), Witness::start());
    let image =
        backend.image("proxy", &["ENTRYPOINT [\"/bin/sh\", \"-c\", \"echo cannot listen >&2; exit 3\"]"]);
    let port = free_port();
    let args = ["start", "--allow-host-port", &port.to_string(), "--proxy-image", &image];
    let start = backend.run(&args).fails(1);
    assert!(start.stderr.contains("cannot listen"), "{start:?}");
    assert!(start.stderr.lines().last().unwrap().contains(&backend.sidecar(port)), "{start:?}");
    let seen = witness.seen(&backend);
    assert!(seen.containers.len() >= 2, "{seen:?}");
    seen.is_gone_but(&[]);
}

#[test]
#[ignore = "needs a docker engine"]
fn images_that_cannot_be_had_are_named() {
    let (backend, port) = (Backend::new(), free_port());
    // A registry that is not there answers at once.
    let image = format!("localhost:{port}/nothing:1");
    for args in [["--image", &image], ["--proxy-image", &image]] {
        let start = [&["start", "--allow-host-port", "5000"][..], &args].concat();
        let failure = backend.run(&start).fails(125);
        assert!(failure.only_complaint().contains(&image), "{failure:?}");
        let failure = backend.run(&[&start[..], &["--pull", "never"]].concat()).fails(125);
        assert!(failure.only_complaint().contains(&image), "{failure:?}");
        assert_eq!(backend.containers(), [""; 0]);
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_failed_change_of_ports_leaves_the_backend_running() {
    let (backend, [kept, new]) = (Backend::new(), [free_port(), free_port()]);
    backend.start(&[kept]);
    let before = backend.inspect();
    let list = format!("{kept},{new}");
    let image = backend.image("proxy", &["ENTRYPOINT [\"/bin/sh\", \"-c\", \"exit 3\"]"]);
    backend.run(&["start", "--allow-host-port", &list, "--proxy-image", &image]).fails(1);
    let after = backend.inspect();
    assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]));
    backend.start(&[kept, new]);
    assert_eq!(inspect(&backend.sidecar(new))["State"]["Status"], "running");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_new_backend_that_does_not_come_up_gives_its_place_back_with_cache_and_forwards() {
    let backend = Backend::new();
    let port = free_port().to_string();
    let start = ["start", "--allow-host-port", &port];
    backend.run(&start).ok();
    let ids = || backend.run(&["info", "--quiet", "--no-trunc"]).ok().stdout;
    let before = ids();
    let in_backend = |command: &[&str]| docker(&[&["exec", &backend.name()], command].concat()).ok();
    // Its cache is in no volume that outlives it.
    in_backend(&["touch", "/var/lib/buildkit/kept"]);

    let config = backend.home().join("refused.toml");
    std::fs::write(&config, "[worker.oci]\nsnapshotter = \"none-such\"\n").unwrap();
    let other = [&start[..], &["--recreate", "--config", config.to_str().unwrap()]].concat();
    let refused = backend.run(&other).fails(125);
    assert!(refused.stderr.contains(&format!("Put back container \"{}\"\n", backend.name())), "{refused:?}");
    assert_eq!(ids(), before, "{refused:?}");
    in_backend(&["ls", "/var/lib/buildkit/kept"]);
    // It serves, and so does its sidecar.
    let again = backend.run(&start).ok();
    assert_eq!(again.stdout, format!("Backend \"{}\" is already running\n", backend.name()));
}
