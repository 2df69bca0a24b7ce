use assemble_contract::status::Probe;

use super::*;
use crate::desired::REGISTRY_PORT;
use crate::forward::PortSet;
use crate::health::{Cause, Finding, Ss, There};
use crate::observed::{Container, Sidecar};

fn forward(answer: Option<Answer>, findings: Vec<Found>) -> Examined {
    let container = Container::running("s");
    Examined {
        sidecar: Sidecar { ports: REGISTRY_PORT.into(), target: None, beside_backend: None, container },
        stale: false,
        answer,
        findings,
    }
}

fn idle(ports: impl Into<PortSet>, there: Ports) -> Found {
    let finding = Finding { cause: Cause::MetItself { to: There(there), ss: Ss(there) }, blocked: false };
    Found { ports: ports.into(), finding }
}

fn report(result: Outcome) -> Status {
    Status {
        version: "0.1.0".to_owned(),
        target: "gateway:5000".to_owned(),
        active: 1,
        opened: 12,
        bytes_up: 3_400_000,
        bytes_down: 12_000,
        probe: Some(Probe { result, latency_us: 90, ..Probe::default() }),
        ..Status::default()
    }
}

#[test]
fn a_target_that_accepts_takes_two_lines() {
    let good = forward(Some(Answer::Told(Box::new(report(Outcome::Accepted)))), Vec::new());
    assert_eq!(
        lines(&good, "start", true),
        ["Target gateway:5000 accepts", "Connections: 1 open, 12 in all; 3.4MB up, 12kB down"]
    );
    let object = object(&good);
    assert_eq!((&object["Health"], &object["LatencyMicros"]), (&json!("accepted"), &json!(90)));
    assert_eq!((&object["Why"], &object["LastError"]), (&Value::Null, &Value::Null));
}

#[test]
fn one_that_does_not_brings_cause_help_and_the_last_error() {
    let last =
        LastError { reason: "refused".to_owned(), text: "Connection refused".to_owned(), age_ms: 180_000 };
    let told = Status {
        failed: [("refused".to_owned(), 2)].into(),
        last_error: Some(last),
        ..report(Outcome::Refused)
    };
    let ports = Ports::from(REGISTRY_PORT);
    let found = idle(ports, ports);
    let help = found.finding.help();
    let bad = forward(Some(Answer::Told(Box::new(told))), vec![found]);
    assert_eq!(
        lines(&bad, "start", true),
        [
            "Target gateway:5000: the connection met itself: nothing listens on port 5000 there",
            &format!("What helps: {help}"),
            "Connections: 1 open, 12 in all, 2 failed; 3.4MB up, 12kB down",
            "Last error 3 minutes ago: Connection refused",
        ]
    );
    let object = object(&bad);
    assert_eq!((&object["Health"], &object["Help"]), (&json!("refused"), &json!(help)));
    assert_eq!(
        (&object["Failed"]["refused"], &object["LastError"]["AgeMillis"]),
        (&json!(2), &json!(180_000))
    );
}

/// A range of three ports: one is used, one has failed, and nothing was ever on the third.
fn range() -> Examined {
    let probe = |result| Some(Probe { result, latency_us: 90, ..Probe::default() });
    let port = |port, result| PortStatus { port, probe: probe(result), ..PortStatus::default() };
    let last = LastError { reason: "refused".to_owned(), text: "No".to_owned(), age_ms: 180_000 };
    let used = PortStatus { active: 1, opened: 12, bytes_up: 3_400_000, ..port(8000, Outcome::Accepted) };
    let failed = [("refused".to_owned(), 2)].into();
    let failed = PortStatus { opened: 2, failed, last_error: Some(last), ..port(8001, Outcome::Loop) };
    let told = Status {
        target: "gateway:9000".to_owned(),
        ports: vec![used, failed, port(8002, Outcome::Loop)],
        probe: None,
        ..report(Outcome::Unknown)
    };
    let there: Ports = "9001-9002".parse().unwrap();
    let rest: Ports = "8001-8002".parse().unwrap();
    let mut range = forward(Some(Answer::Told(Box::new(told))), vec![idle(rest, there)]);
    range.sidecar.ports = "8000-8002".parse().unwrap();
    range
}

#[test]
fn a_range_is_summed_up_unless_more_is_asked_for() {
    let range = range();
    let first = "Target gateway:9000-9002 accepts on 1 of 3 ports";
    let sum = "Connections: 1 open, 12 in all; 3.4MB up, 12kB down";
    assert_eq!(lines(&range, "start", false), [first, sum]);
    let help = range.findings[0].finding.help();
    assert_eq!(
        lines(&range, "start", true),
        [
            first,
            "Target gateway:9001-9002: the connection met itself: nothing listens on these ports there",
            &format!("What helps: {help}"),
            sum,
            "Port 8000: 1 open, 12 in all; 3.4MB up, 0B down",
            "Port 8001: 0 open, 2 in all, 2 failed; 0B up, 0B down; last error 3 minutes ago: No",
            "Without a connection so far: 1 port",
        ]
    );
}

#[test]
fn the_object_of_a_range_has_those_of_its_ports() {
    let object = object(&range());
    assert_eq!(
        (&object["Health"], &object["Accepting"], &object["Why"]),
        (&json!("accepted"), &json!(1), &Value::Null)
    );
    assert_eq!((&object["Opened"], &object["Target"]), (&json!(12), &json!("gateway:9000-9002")));
    let ports = object["Ports"].as_array().unwrap();
    let health: Vec<_> = ports.iter().map(|port| (&port["Port"], &port["Health"])).collect();
    let (accepted, met) = (json!("accepted"), json!("loop"));
    assert_eq!(health, [(&json!(8000), &accepted), (&json!(8001), &met), (&json!(8002), &met)]);
    assert_eq!((&ports[1]["Failed"]["refused"], &ports[1]["LastError"]["Text"]), (&json!(2), &json!("No")));
    let [found] = &object["Findings"].as_array().unwrap()[..] else { panic!("{object:#}") };
    assert_eq!(
        (&found["Ports"], &found["Help"]),
        (&json!("8001-8002"), &range().findings[0].finding.help().into())
    );
}

#[test]
fn ports_of_a_range_that_were_not_tried_are_not_said_to_accept() {
    let mut range = range();
    range.findings.clear();
    let Some(Answer::Told(report)) = &mut range.answer else { panic!() };
    for port in &mut report.ports[1..] {
        port.probe = Some(Probe { result: Outcome::NotTried, ..Probe::default() });
    }
    assert_eq!(
        lines(&range, "start", false)[0],
        "Target gateway:9000-9002 accepts on 1 of 3 ports, 2 not tried"
    );
    assert_eq!(object(&range)["Ports"][2]["Health"], "not_tried");
}

/// Where none of it accepts, it is told as a single port is.
#[test]
fn a_range_that_nobody_serves_has_a_cause() {
    let mut range = range();
    let Some(Answer::Told(report)) = &mut range.answer else { panic!() };
    report.ports.remove(0);
    let lines = lines(&range, "start", false);
    assert!(lines[0].starts_with("Target gateway:9001-9002: the connection met itself"), "{lines:?}");
    assert_eq!(object(&range)["Health"], "loop");
}

#[test]
fn what_is_not_known_is_told_and_is_no_error() {
    let table = [
        (Answer::Old, "old", "This sidecar is of an older version"),
        (Answer::Foreign, "unknown", "The program of this sidecar's image"),
        (Answer::Silent(Duration::from_secs(8)), "silent", "Does not answer within 8 s"),
        (Answer::Failed("no".to_owned()), "silent", "Does not answer: no"),
    ];
    for (answer, health, line) in table {
        let forward = forward(Some(answer), Vec::new());
        assert_eq!(object(&forward)["Health"], health);
        assert!(lines(&forward, "start", true)[0].starts_with(line), "{line}");
    }
    assert_eq!(lines(&forward(None, Vec::new()), "start", true), [] as [String; 0]);
}
