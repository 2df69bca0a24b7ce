//! Several ports in a row, served by one relay.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::process::{Command, Output};
use std::time::Instant;

use assemble_contract::limits;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::container::World;
use crate::namespace::Namespace;
use crate::peers::{KIB, peers};
use crate::process::{BINARY, Launch, Process};
use crate::procfs::{anonymous_memory, cpu, descriptors};
use crate::sockets::{End, PATIENCE, accept, answer, connect, eventually, read_all};
use crate::targets::Service;

/// Says which port it was asked at.
fn tell_port(mut stream: TcpStream) {
    let port = stream.local_addr().unwrap().port();
    let _ = stream.write_all(port.to_string().as_bytes());
}

fn target(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).unwrap()
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn run(verb: &str, ports: &str, args: &[&str]) -> Output {
    Command::new(BINARY).args([verb, "--port", ports]).args(args).output().unwrap()
}

#[track_caller]
fn status(relay: &Process, args: &[&str]) -> Value {
    let output = run("status", &relay.ports().to_string(), &[&["--format", "json"], args].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is told of each port that something is told of.
fn of_each<T>(status: &Value, what: impl Fn(&Value) -> T) -> Vec<(u64, T)> {
    let ports = status["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    ports.iter().map(|port| (port["port"].as_u64().unwrap(), what(port))).collect()
}

/// Every port has its own target, counters, failures and samples; what is told of all is their sum.
#[test]
fn each_port_leads_to_its_own_and_is_counted_by_itself() {
    Namespace::new().run(|| {
        let _targets = [9000, 9001, 9002].map(|port| Service::on(target(port), tell_port));
        let relay = Launch::to("127.0.0.1").range("8000-8004:9000-9004").with_metrics().start();
        assert_eq!(status(&relay, &[]).get("ports"), None);
        for host in ["127.0.0.1", "::1"].map(|host| host.parse::<IpAddr>().unwrap()) {
            for port in [8000, 8001, 8002] {
                let said = read_all(&connect((host, port).into()));
                assert_eq!(said, ((port + 1000).to_string().into_bytes(), End::Finished));
            }
        }
        assert_eq!(answer(at(8003)), (Vec::new(), End::Reset));

        let said = status(&relay, &[]);
        assert_eq!(
            (&said["opened"], &said["bytes_down"], &said["failed"]["refused"]),
            (&json!(7), &json!(24), &json!(1))
        );
        assert_eq!(
            (&said["target"], &said["last_error"]["reason"]),
            (&json!("127.0.0.1:9000"), &json!("refused"))
        );
        let opened = of_each(&said, |port| (port["opened"].as_u64().unwrap(), port["failed"].clone()));
        let refused = json!({"refused": 1});
        let well = |port| (port, (2, Value::Null));
        assert_eq!(opened, [well(8000), well(8001), well(8002), (8003, (1, refused))]);
        assert_eq!((&said["ports"][0]["bytes_down"], said["ports"][0].get("last_error")), (&json!(8), None));
        assert_eq!(said["ports"][3]["last_error"]["reason"], "refused");

        assert_eq!(relay.metric(r#"connections_opened_total{port="8001"}"#), 2);
        assert_eq!(relay.metric(r#"connections_failed_total{port="8003",reason="refused"}"#), 1);
        assert_eq!(relay.metric("splice_fallbacks_total"), 0);
    });
}

/// An attempt is made at each port's target, and asks it what it speaks.
#[test]
fn each_target_is_tried() {
    Namespace::new().run(|| {
        let _targets = [8101, 8102].map(|port| Service::on(target(port), tell_port));
        let relay = Launch::to("127.0.0.1").range("8000-8002:8100-8102").start();
        let text = String::from_utf8(run("status", "8000-8002", &[]).stdout).unwrap();
        assert!(text.lines().any(|line| line == "target: \"127.0.0.1:8100-8102\""), "{text}");
        let some = status(&relay, &["--probe", "--speak=8000,8002"]);
        let spoken = of_each(&some, |port| port["probe"]["speaks"].is_object());
        assert_eq!(spoken, [(8000, false), (8001, false), (8002, true)]);
        let said = status(&relay, &["--probe", "--speak"]);
        assert_eq!(said.get("probe"), None);
        let probes = of_each(&said, |port| {
            (port["probe"]["result"].clone(), port["probe"]["speaks"]["protocol"].clone())
        });
        let accepted = (json!("accepted"), json!("other"));
        assert_eq!(
            probes,
            [(8000, (json!("refused"), Value::Null)), (8001, accepted.clone()), (8002, accepted)]
        );
        // The relay itself was not troubled.
        assert_eq!(said["opened"], 0);
    });
}

/// Where nobody answers, not all can be tried in the time there is, and that is told.
#[test]
fn an_attempt_at_many_silent_targets_ends() {
    let world = World::with_route();
    // Whoever has this address does not exist, and so nobody says that it does not.
    world.container.ip("neigh add 198.18.0.9 lladdr 02:00:00:00:00:09 dev eth0");
    world.container.run(|| {
        let relay = Launch::to("198.18.0.9").range("8000-8511").start();
        let said = status(&relay, &["--probe", "--timeout", "0.2"]);
        let results = of_each(&said, |port| port["probe"]["result"].clone());
        let count = |word| results.iter().filter(|(_, result)| result == word).count();
        assert_eq!((results.len(), count("timed_out") + count("not_tried")), (512, 512), "{said}");
        assert!(count("not_tried") >= 512 - 3 * 64, "{said}");
    });
}

/// A relay that is confined reaches all its targets.
#[test]
fn the_last_port_of_a_gateway_is_reached_too() {
    let world = World::with_route();
    let targets = ["198.18.0.1:5000", "198.18.0.1:5002"].map(|addr| world.listen(addr));
    let _relay = Launch::to("gateway").range("5000-5002").inside(&world.container).start();
    for (port, target) in [5000, 5002].into_iter().zip(&targets) {
        let client = world.container.run(|| connect(at(port)));
        let (mut near, mut far) = peers(client, accept(target), port.into());
        near.exchange(&mut far, KIB);
    }
    let health = |ports: &str| world.container.run(|| run("health", ports, &[]).status.code());
    // It answers to exactly its ports.
    assert_eq!([health("5000-5002"), health("5000"), health("5000-5001")], [Some(0), Some(1), Some(1)]);
}

/// As many ports as there may be take a descriptor for each listener, some memory, and no thread. The
/// answer about all of them is given to those who read it, whoever else asks.
#[test]
fn the_longest_range_is_served() {
    Namespace::new().run(|| {
        let single = Launch::to("127.0.0.1:1").port(5000).with_metrics().start();
        let relay = Launch::to("127.0.0.1").range("10000-14095:20000-24095").with_metrics().start();
        let opened = descriptors(relay.pid()).sockets - descriptors(single.pid()).sockets;
        assert_eq!(opened, 2 * limits::PORTS - 2);
        let each = anonymous_memory(relay.pid()).saturating_sub(anonymous_memory(single.pid())) / 4096;
        assert!(each < 1024, "{each} bytes for each port");
        assert_eq!(std::fs::read_dir(format!("/proc/{}/task", relay.pid())).unwrap().count(), 1);

        let _targets = [20000, 24095].map(|port| Service::on(target(port), tell_port));
        for port in [10000, 14095] {
            assert_eq!(
                read_all(&connect(at(port))),
                ((port + 10000).to_string().into_bytes(), End::Finished)
            );
        }
        for port in 10001..14095 {
            assert_eq!(answer(at(port)), (Vec::new(), End::Reset));
        }
        let metrics = relay.metrics();
        assert!(
            metrics.contains("{port=\"14000\"}") && metrics.len() < 300 * limits::PORTS,
            "{} bytes",
            metrics.len()
        );
        let name = UnixAddr::from_abstract_name("assemble-proxy/10000-14095").unwrap();
        let (began, before) = (Instant::now(), cpu(relay.pid()));
        let _silent: Vec<_> = (0..100).map(|_| UnixStream::connect_addr(&name).unwrap()).collect();
        // They cost the relay some work first.
        eventually("an answer", PATIENCE, || run("status", "10000-14095", &[]).status.success());
        let (took, used) = (began.elapsed(), cpu(relay.pid()) - before);
        assert!(used < took / 2, "{used:?} of {took:?} are kept from connections");
        let said = status(&relay, &[]);
        assert_eq!(
            (said["ports"].as_array().unwrap().len(), &said["opened"]),
            (limits::PORTS, &json!(limits::PORTS))
        );
        assert_eq!(read_all(&connect(at(14095))).1, End::Finished);
    });
}

/// A port that cannot be had is named, and none of the others is taken.
#[test]
fn a_range_is_served_as_a_whole_or_not_at_all() {
    Namespace::new().run(|| {
        for host in ["127.0.0.1", "::1"] {
            let held = TcpListener::bind((host, 8002)).unwrap();
            let (status, log) = Launch::to("192.0.2.1").range("8000-8003").fail();
            assert_eq!(status.code(), Some(1), "{log}");
            let addr = held.local_addr().unwrap();
            let want = format!("assemble-proxy: cannot listen on \"{addr}\": the port is already in use");
            assert_eq!(log.lines().last().unwrap(), want);
        }
        Launch::to("192.0.2.1").range("8000-8003").start();
    });
}

#[test]
fn a_range_that_leads_to_itself_is_named() {
    let refused = |range: &str, to: &str| Launch::to(to).range(range).fail().1;
    Namespace::new().run(|| {
        for (range, to, port) in [
            ("8000-8003", "127.0.0.1", 8000),
            ("8000-8003:8003-8006", "[::1]", 8003),
            ("8000-8003:7999-8002", "localhost", 8000),
        ] {
            let said = refused(range, to);
            assert!(said.contains("port 8000-8003 would be forwarded to itself: "), "{said}");
            assert!(said.contains(&format!(":{port}\" is where this relay listens")), "{said}");
        }
    });
}

/// One that is told to end serves who has connected, at whichever port, and another one takes its place.
#[test]
fn a_range_ends_in_good_order_and_begins_anew() {
    Namespace::new().run(|| {
        let targets = [9000, 9001].map(target);
        let metrics = ["--threads", "2", "--metrics", "127.0.0.1:9100"];
        let launch = Launch::to("127.0.0.1").range("8000-8001:9000-9001").args(metrics);
        let mut relay = launch.start();
        let mut pairs: Vec<_> = [8000, 8001]
            .into_iter()
            .zip(&targets)
            .map(|(port, target)| peers(connect(at(port)), accept(target), port.into()))
            .collect();
        relay.signal(Signal::SIGTERM);
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        eventually("the ports are given up", PATIENCE, || [8000, 8001].iter().all(is_free));
        let next = launch.start();
        // It answers for them although the other one is not done yet.
        assert!(run("health", "8000-8001", &[]).status.success(), "{}", next.log());
        assert_eq!(status(&next, &[])["opened"], 0);
        for (near, far) in &mut pairs {
            near.exchange(far, KIB);
            near.finish();
            far.expect_end();
            far.finish();
            near.expect_end();
        }
        assert!(relay.wait(PATIENCE).success(), "{}", relay.log());
        assert!(relay.log().contains("all connections have finished"), "{}", relay.log());
        let (mut near, mut far) = peers(connect(at(8001)), accept(&targets[1]), 1);
        near.exchange(&mut far, KIB);
        drop(next);
    });
}

/// The log has a line for all ports where it begins, and names the one that fails; what fails again at
/// one is summed up for that one.
#[test]
fn failures_name_their_port() {
    Namespace::new().run(|| {
        let mut relay = Launch::to("127.0.0.1").range("8000-8001:9000-9001").start();
        for port in [8000, 8000, 8000, 8001, 8001] {
            assert_eq!(answer(at(port)), (Vec::new(), End::Reset));
        }
        relay.signal(Signal::SIGTERM);
        assert!(relay.wait(PATIENCE).success());
        let log = relay.log();
        let lines =
            |words: &[&str]| log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        assert_eq!(lines(&["listening on 127.0.0.1:8000-8001 to=127.0.0.1:9000-9001 "]), 1, "{log}");
        for (port, repeated) in [("port=8000", "repeated=2"), ("port=8001", "repeated=1")] {
            assert_eq!(lines(&["cannot reach the target", port]), 2, "{log}");
            assert_eq!(lines(&["cannot reach the target", port, repeated]), 1, "{log}");
        }
    });
}

/// Not that a port is taken, which the kernel would seem to say.
#[test]
fn a_limit_on_descriptors_that_is_too_low_is_named() {
    let limit = ["sh", "-c", "ulimit -n 100 && exec \"$0\" \"$@\""];
    let (status, said) = Launch::to("192.0.2.1").range("8000-8099").wrapped(limit).fail();
    assert_eq!(status.code(), Some(1));
    let needed = "the limit on open descriptors is 100, and to serve ports 8000-8099 takes 248 at least";
    assert!(said.contains(needed), "{said}");
}
