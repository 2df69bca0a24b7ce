//! What the log says of a connection that is over.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bytes::both_ways;
use crate::peers::{KIB, MIB, Peer, peers};
use crate::process::{Launch, Process};
use crate::sockets::{End, PATIENCE, accept, answer};
use crate::targets::Closed;

/// A relay that logs every connection, for programs.
fn logging(target: impl ToString, args: &[&str]) -> Process {
    let args = [&["--log-format", "json"], args].concat();
    Launch::to(target).args(args).wrapped(["env", "RUST_LOG=debug"]).start()
}

/// The fields of the only event with this message.
#[track_caller]
fn event(relay: &Process, message: &str) -> Value {
    relay.expect_log(&format!("\"{message}\""));
    let events: Vec<Value> = relay
        .log()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].take())
        .collect();
    let mut such = events.into_iter().filter(|fields| fields["message"] == *message);
    let event = such.next().unwrap();
    assert!(such.next().is_none(), "it is told twice");
    event
}

/// What is said about the end of a connection with these options that went so.
#[track_caller]
fn closing(args: &[&str], course: fn(Peer, Peer)) -> Value {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = logging(target.local_addr().unwrap(), args);
    let client = relay.connect();
    let from = client.local_addr().unwrap();
    let (client, server) = peers(client, accept(&target), 1);
    course(client, server);
    let event = event(&relay, "connection closed");
    assert_eq!(event["client.addr"], from.to_string());
    assert_eq!(event["server.addr"], target.local_addr().unwrap().to_string());
    let seconds = event["seconds"].as_f64().unwrap();
    assert!(seconds > 0.0 && seconds < PATIENCE.as_secs_f64(), "{event}");
    event
}

#[track_caller]
fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("no number \"{field}\" in {event}"))
}

/// Each in one event: why, how much each way, by which engine.
#[test]
fn a_connection_that_is_complete_says_how_it_went() {
    let messages: fn(Peer, Peer) = |mut client, mut server| {
        client.send(2 * KIB);
        server.expect(2 * KIB);
        server.send(KIB);
        client.expect(KIB);
        client.finish();
        server.finish();
    };
    let streams: fn(Peer, Peer) = |mut client, mut server| both_ways(&mut client, &mut server, 16 * MIB);
    for (engine, course, up, down, engines) in [
        ("auto", messages, 2 * KIB, KIB, &["copy"] as &[_]),
        ("copy", streams, 16 * MIB, 16 * MIB, &["copy"]),
        ("auto", streams, 16 * MIB, 16 * MIB, &["both", "splice"]),
        ("splice", streams, 16 * MIB, 16 * MIB, &["both", "splice"]),
    ] {
        let event = closing(&["--engine", engine], course);
        assert_eq!(event["reason"], "complete");
        assert_eq!((number(&event, "bytes.up"), number(&event, "bytes.down")), (up, down), "{event}");
        assert!(engines.contains(&event["engine"].as_str().unwrap()), "{event}");
        assert_eq!(number(&event, "bytes.spliced") > 0, event["engine"] != "copy", "{event}");
    }
}

#[test]
fn a_connection_that_broke_says_at_which_end() {
    let event = closing(&[], |mut client, mut server| {
        client.exchange(&mut server, KIB);
        client.reset();
        server.expect_reset();
    });
    assert!(event["reason"].as_str().unwrap().starts_with("client: "), "{event}");
    let event = closing(&[], |mut client, mut server| {
        client.exchange(&mut server, KIB);
        server.reset();
        client.expect_reset();
    });
    assert!(event["reason"].as_str().unwrap().starts_with("target: "), "{event}");
    let event = closing(&["--idle-timeout", "0.2"], |mut client, _server| client.expect_reset());
    assert_eq!(event["reason"], "idle");
    assert_eq!(number(&event, "bytes.up"), 0);
}

/// So does one that never came to its target.
#[test]
fn a_connection_that_was_not_made_says_why() {
    let target = Closed::new();
    let relay = logging(target.addr(), &[]);
    assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
    let event = event(&relay, "cannot reach the target");
    assert!(event["error"].as_str().unwrap().contains("refused"), "{event}");
    assert!(event["seconds"].is_f64(), "{event}");
    assert!(!relay.log().contains("connection closed"), "it is told twice");
}

/// Whoever polls a target that is down fills no log: the first failure is told, and how often it came
/// again, at the latest when the relay ends. None is lost, to programs neither.
#[test]
fn failures_that_repeat_themselves_are_told_once_and_summed_up() {
    const POLLS: u64 = 300;
    let repeated_in_json: fn(&str) -> Option<u64> = |line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["level"], "INFO");
        event["fields"]["repeated"].take().as_u64()
    };
    let repeated_in_text: fn(&str) -> Option<u64> = |line| {
        assert!(line.contains(" INFO "), "{line}");
        line.split_once("repeated=").map(|(_, times)| times.parse().unwrap())
    };
    for (format, repeated) in [("json", repeated_in_json), ("text", repeated_in_text)] {
        let target = Closed::new();
        let launch = Launch::to(target.addr()).args(["--log-format", format]).with_metrics();
        let mut relay = launch.start();
        for _ in 0..POLLS {
            assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
        }
        assert_eq!(relay.metric(r#"connections_failed_total{reason="refused"}"#), POLLS);
        relay.signal(Signal::SIGTERM);
        assert!(relay.wait(PATIENCE).success());
        let log = relay.log();
        let mut told = log.lines().filter(|line| line.contains("cannot reach the target")).map(repeated);
        assert_eq!(told.next(), Some(None), "the first is told as it is: {log}");
        let sums: Vec<u64> = told.map(|times| times.expect("the first is told once")).collect();
        assert_eq!(sums.iter().sum::<u64>() + 1, POLLS, "{log}");
        assert!(sums.len() < 10, "{log}");
    }
}

/// Another failure comes after the sum of those before it.
#[test]
fn another_reason_is_told_after_the_sum_of_the_one_before() {
    let path = crate::dialer::socket_path();
    let relay = Launch::to("loopback").args(["--dialer", path.to_str().unwrap()]).start();
    let poll = || assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
    (0..3).for_each(|_| poll());
    std::fs::write(&path, "").unwrap();
    poll();
    std::fs::remove_file(&path).unwrap();
    relay.expect_log("Connection refused");
    let log = relay.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("cannot reach the target")).collect();
    assert_eq!(errors.len(), 3, "{log}");
    assert!(errors[1].contains("No such file") && errors[1].ends_with("repeated=2"), "{log}");
}
