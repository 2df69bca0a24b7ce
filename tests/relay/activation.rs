//! Sockets that somebody else listens on already: sd_listen_fds(3).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use crate::port::free_port;
use crate::process::{BINARY, Launch};
use crate::sockets::{PATIENCE, connect, eventually};
use crate::targets::{Service, echo};

/// A relay that is given sockets, as systemd does it.
struct Activated(Child);

impl Activated {
    /// By a shell, which knows its own number and gives it to the relay.
    fn start(passed: [OwnedFd; 2], port: u16, target: SocketAddr) -> Self {
        const PASS: &str =
            r#"exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@""#;
        let [first, second] = passed;
        let mut command = Command::new("sh");
        command.args(["-c", PASS, BINARY, "--port", &port.to_string(), "--to", &target.to_string()]);
        let child = command.stdin(first).stdout(second).stderr(Stdio::piped()).spawn();
        Self(child.unwrap())
    }

    /// Waits for its end; tells what it said.
    #[track_caller]
    fn fail(mut self) -> String {
        let mut ended = None;
        eventually("it ends", PATIENCE, || {
            ended = self.0.try_wait().unwrap();
            ended.is_some()
        });
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(ended.and_then(|ended| ended.code()), Some(1), "{said}");
        said
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn listeners(port: u16) -> [TcpListener; 2] {
    ["127.0.0.1", "::1"].map(|host| TcpListener::bind((host, port)).unwrap())
}

#[track_caller]
fn expect_echo(mut client: TcpStream) {
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

/// Those who connected before there was a relay too.
#[test]
fn sockets_that_were_passed_are_served() {
    let service = Service::start(echo);
    let port = free_port();
    let passed = listeners(port);
    let early = passed.each_ref().map(|listener| connect(listener.local_addr().unwrap()));
    let _relay = Activated::start(passed.map(Into::into), port, service.addr());
    early.into_iter().for_each(expect_echo);
    expect_echo(connect(([127, 0, 0, 1], port).into()));
}

#[test]
fn sockets_of_other_ports_are_refused() {
    let passed = listeners(free_port()).map(Into::into);
    let said = Activated::start(passed, free_port(), ([192, 0, 2, 1], 1).into()).fail();
    assert!(said.contains("do not listen on each port of --port"), "{said}");
}

#[test]
fn what_does_not_listen_is_refused() {
    let port = free_port();
    let [listener, _] = listeners(port);
    let connected = connect(listener.local_addr().unwrap());
    let said = Activated::start([listener.into(), connected.into()], port, ([192, 0, 2, 1], 1).into()).fail();
    assert!(said.contains("socket 2 of LISTEN_FDS"), "{said}");
}

/// As in the environment of a shell that was given sockets.
#[test]
fn sockets_of_another_process_are_not_touched() {
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).wrapped(["env", "LISTEN_PID=1", "LISTEN_FDS=1"]).start();
    expect_echo(relay.connect());
}
