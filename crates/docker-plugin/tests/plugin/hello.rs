//! The example as docker runs a plugin, with programs in the places of ssh and docker.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::program::program;

/// What an engine answers when asked for its version.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 32\r\n\r\n{\"Version\":\"28.5\",\"Os\":\"linux\" }";

/// A directory for sockets and programs, which goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The path of a socket is short.
        let place = std::env::temp_dir().join(format!("docker-plugin-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        Self(place)
    }

    /// The plugin with these arguments, this place in front of its search path, and nothing else of the
    /// environment.
    fn plugin(&self, arguments: &[&str]) -> Command {
        let mut plugin = Command::new(example());
        let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
        plugin.args(arguments).env_clear().env("PATH", path).env("HOME", &self.0);
        plugin
    }

    /// A program that says what an engine says to whoever asks, and keeps the arguments that it got.
    fn engine_program(&self, name: &str) -> PathBuf {
        let log = self.0.join("log");
        // One that tells nothing of its configuration, as others than OpenSSH.
        let script = format!(
            "#!/bin/sh\n[ \"$1\" != -G ] || exit 1\necho \"$@\" >> {}\nread -r line\ncat <<'END'\n{ANSWER}\nEND\n",
            log.display()
        );
        program(&self.0, name, &script);
        self.0.join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.0.join("log")).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The example beside this test; `cargo test -p docker-plugin` makes both.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples/hello");
    assert!(example.exists(), "make it first: cargo build -p docker-plugin --example hello");
    example
}

/// The two streams of a run that went well or did not.
fn said(output: &Output) -> (bool, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn well(line: &str) -> (bool, String, String) {
    (true, format!("{line}\n"), String::new())
}

#[test]
fn docker_learns_what_the_plugin_is_for() {
    let output = Place::new().plugin(&["docker-cli-plugin-metadata"]).output().unwrap();
    let (good, line, _) = said(&output);
    assert!(good && line.starts_with(r#"{"SchemaVersion":"0.1.0","ShortDescription":"Say which"#), "{line}");
}

#[test]
fn the_engine_behind_a_socket_is_asked() {
    let place = Place::new();
    let socket = place.0.join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let engine = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = String::new();
        let mut lines = BufReader::new(&mut stream);
        while lines.read_line(&mut head).unwrap() > 2 {}
        stream.write_all(ANSWER.as_bytes()).unwrap();
        head
    });
    let host = format!("unix://{}", socket.display());
    let output = place.plugin(&["-H", &host, "hello", "--format", "{{.Version | upper}}!"]).output().unwrap();
    assert_eq!(said(&output), well("28.5!"));
    let head = engine.join().unwrap();
    assert!(head.starts_with("GET /version HTTP/1.1\r\nhost: api.moby.localhost\r\n"), "{head}");
}

#[test]
fn the_engine_behind_ssh_is_asked() {
    let place = Place::new();
    place.engine_program("ssh");
    let output = place.plugin(&["-H", "ssh://me@far:2222/run/d.sock", "hello"]).output().unwrap();
    assert_eq!(said(&output), well("Hello from docker 28.5 on linux"));
    let line =
        "-o ConnectTimeout=30 -T -l me -p 2222 -- far docker --host=unix:///run/d.sock system dial-stdio\n";
    assert_eq!(place.log(), line);
}

#[test]
fn docker_itself_is_the_way_where_it_says_so() {
    let place = Place::new();
    let docker = place.engine_program("some-docker");
    let mut plugin = place.plugin(&["--tlsverify=false", "-H", "tcp://far:1", "hello"]);
    plugin.env("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO", "1");
    plugin.env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", docker);
    assert_eq!(said(&plugin.output().unwrap()), well("Hello from docker 28.5 on linux"));
    assert_eq!(place.log(), "--tlsverify=false -H tcp://far:1 system dial-stdio\n");
}

#[test]
fn what_is_wrong_is_one_line() {
    let place = Place::new();
    for (arguments, wanted) in [
        (&["--foo"][..], "unknown flag: --foo\n"),
        (&["hello", "--format", "{{"], "template: :1: "),
        (&["-c", "far", "hello"], "context \"far\" does not exist; "),
        (&["-H", "npipe://x", "hello"], "\"npipe\" endpoints are not supported, only unix, tcp and ssh\n"),
    ] {
        let (good, out, error) = said(&place.plugin(arguments).output().unwrap());
        assert!(!good && out.is_empty() && error.starts_with(wanted), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn the_end_of_docker_is_the_end_of_the_plugin() {
    let place = Place::new();
    let [engine, docker] = ["engine.sock", "docker.sock"].map(|name| place.0.join(name));
    // An engine that never answers.
    let (engine_socket, docker_socket) =
        (UnixListener::bind(&engine).unwrap(), UnixListener::bind(&docker).unwrap());
    let mut plugin = place.plugin(&["-H", &format!("unix://{}", engine.display()), "hello"]);
    let mut plugin = plugin.env("DOCKER_CLI_PLUGIN_SOCKET", &docker).spawn().unwrap();
    let waiting: UnixStream = engine_socket.accept().unwrap().0;
    drop(docker_socket.accept().unwrap());
    assert_eq!(plugin.wait().unwrap().code(), Some(130));
    drop(waiting);
}
