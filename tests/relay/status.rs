//! What a relay tells about itself, and what an attempt beside it finds.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::dialer_world::World;
use crate::namespace::Namespace;
use crate::port::free_port;
use crate::process::{BINARY, Launch, Process};
use crate::sockets::{End, PATIENCE, answer, eventually};
use crate::targets::{Closed, Crowded, Service, echo};

fn run(port: u16, args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["status", "--port", &port.to_string()]).args(args);
    command.output().unwrap()
}

#[track_caller]
fn status(relay: &Process, args: &[&str]) -> Value {
    let output = run(relay.port(), &[args, &["--format", "json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The result of an attempt to reach the target.
#[track_caller]
fn probed(relay: &Process) -> Value {
    status(relay, &["--probe", "--timeout", "1"])["probe"]["result"].clone()
}

/// A confined relay goes on telling what it does.
#[test]
fn the_counters_are_those_of_the_connections_so_far() {
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    let said = status(&relay, &[]);
    assert_eq!(
        (&said["opened"], &said["bytes_up"], &said["last_error"]),
        (&json!(0), &json!(0), &Value::Null)
    );
    assert_eq!(said["target"], service.addr().to_string());
    assert_eq!(said.get("probe"), None);

    let mut client = relay.connect();
    client.write_all(&[7; 1000]).unwrap();
    client.read_exact(&mut [0; 1000]).unwrap();
    let said = status(&relay, &[]);
    assert_eq!((&said["active"], &said["opened"]), (&json!(1), &json!(1)));
    assert_eq!((&said["bytes_up"], &said["bytes_down"]), (&json!(1000), &json!(1000)));
    drop(client);
    eventually("the connection has ended", PATIENCE, || status(&relay, &[])["active"] == json!(0));
}

#[test]
fn an_attempt_tells_whether_the_target_accepts_and_is_no_connection_of_the_relay() {
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    let said = status(&relay, &["--probe"]);
    assert_eq!(said["probe"]["result"], "accepted");
    assert!(said["probe"]["latency_us"].is_u64(), "{said}");
    assert_eq!(said["probe"]["speaks"], Value::Null);
    assert_eq!(said["opened"], 0);
}

#[test]
fn a_target_that_refuses_is_told_apart_from_one_that_is_silent() {
    let closed = Closed::new();
    let relay = Launch::to(closed.addr()).start();
    assert_eq!(probed(&relay), "refused");
    // So does the relay, once somebody has asked it for a connection.
    assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
    let said = status(&relay, &[]);
    assert_eq!((&said["last_error"]["reason"], &said["failed"]["refused"]), (&json!("refused"), &json!(1)));
    assert!(said["last_error"]["age_ms"].is_u64(), "{said}");

    let crowded = Crowded::new();
    assert_eq!(probed(&Launch::to(crowded.addr()).start()), "timed_out");
}

#[test]
fn a_namespace_that_leads_nowhere_is_told() {
    let namespace = Namespace::new();
    let gateway = Launch::to("gateway").args(["--wait-for-gateway"]).inside(&namespace).start();
    namespace.run(|| assert_eq!(probed(&gateway), "no_gateway"));
    let elsewhere = Launch::to("192.0.2.1").port(5001).inside(&namespace).start();
    namespace.run(|| assert_eq!(probed(&elsewhere), "unreachable"));
}

#[test]
fn a_target_behind_a_dialer_is_tried_through_it() {
    let world = World::new();
    let _service = world.listen("127.0.0.1:7001");
    let dialer = world.dialer("7001,7002");
    let (relay, forbidden) = (world.relay("loopback:7001"), world.container.clone());
    forbidden.run(|| assert_eq!(probed(&relay), "accepted"));
    drop(dialer);
    forbidden.run(|| assert_eq!(probed(&relay), "dialer"));
}

/// A registry that is asked in plain HTTP shows what it speaks.
#[test]
fn a_target_is_asked_what_it_speaks() {
    let speaks = |script: fn(TcpStream)| {
        let service = Service::start(script);
        let relay = Launch::to(service.addr()).start();
        status(&relay, &["--probe", "--speak", "--timeout", "30"])["probe"]["speaks"].clone()
    };
    let registry = speaks(|mut stream| {
        let mut request = [0; 512];
        let n = stream.read(&mut request).unwrap();
        assert!(request[..n].starts_with(b"GET /v2/ HTTP/1.1\r\nHost: localhost:"));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n");
        let _ = stream.read(&mut request);
    });
    assert_eq!(registry, json!({"protocol": "http", "status": 200, "registry": true}));
    let tls = speaks(|mut stream| {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"\x15\x03\x01\0\x02\x02\x46");
    });
    assert_eq!(tls, json!({"protocol": "tls"}));
    let closing = speaks(|mut stream| {
        let _ = stream.read(&mut [0; 512]);
    });
    assert_eq!(closing, json!({"protocol": "closed"}));
}

#[test]
fn a_relay_that_hangs_or_is_not_there_is_one_line_and_status_1() {
    let fails = |port| {
        let output = run(port, &["--probe"]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true), "{words}");
        assert!(
            words.starts_with(&format!("assemble-proxy: no relay of port {port} answers here: ")),
            "{words}"
        );
        assert_eq!(words.lines().count(), 1);
    };
    fails(free_port());
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    relay.signal(Signal::SIGSTOP);
    fails(relay.port());
    relay.signal(Signal::SIGCONT);
}

/// Whoever has taken the name first can say anything, and is not believed.
#[test]
fn garbage_in_the_place_of_a_status_is_refused() {
    let port = free_port();
    let name = SocketAddr::from_abstract_name(format!("assemble-proxy/{port}")).unwrap();
    let squatter = UnixListener::bind_addr(&name).unwrap();
    let says = |words: Vec<u8>| {
        let answering = squatter.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = answering.accept().unwrap();
            // The reader may have had enough before the end.
            let _ = stream.write_all(&words);
        });
        let output = run(port, &["--probe"]);
        thread.join().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(says(b"who are you".to_vec()), "assemble-proxy: the answer is not a relay's\n");
    assert!(says(b"ok\n".to_vec()).contains("older than this program"));
    assert!(says(b"ok\n{\"target\":".to_vec()).contains("cannot be understood"));
    assert!(says([b"ok\n".to_vec(), vec![b'['; 1 << 20]].concat()).contains("cannot be understood"));
}

/// What is sent to the socket is not read, and disturbs nobody.
#[test]
fn a_stranger_at_the_socket_is_answered_and_forgotten() {
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    let name = SocketAddr::from_abstract_name(format!("assemble-proxy/{}", relay.port())).unwrap();
    let _silent: Vec<UnixStream> = (0..50).map(|_| UnixStream::connect_addr(&name).unwrap()).collect();
    for garbage in [&b"\0"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100_000]] {
        let mut stream = UnixStream::connect_addr(&name).unwrap();
        let _ = stream.write(garbage);
    }
    assert_eq!(status(&relay, &["--probe"])["probe"]["result"], "accepted");
}

#[test]
fn people_get_a_line_for_each_fact() {
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let relay = Launch::to(target.local_addr().unwrap()).start();
    let output = run(relay.port(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line == "opened: 0"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("failed: {")), "{text}");
}
