//! What `assemble-proxy status` prints, and what it means that it printed something else.
//!
//! The relay's answer comes from a socket that a build may have taken first: all of it is a claim.

use std::time::Duration;

use assemble_contract::status::{LastError, PortStatus, Probe};
use assemble_contract::{Port, Ports, Status, Target, TargetHost, compatibility};

use super::plain;
use crate::forward::PortSet;

/// What came of asking a sidecar.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It told.
    Told(Box<Status>),
    /// Its program is from before it could tell.
    Old,
    /// Its image has another program.
    Foreign,
    /// Nothing came within this time.
    Silent(Duration),
    /// Its program, or the engine, says why not.
    Failed(String),
    /// The engine, or what is in front of it, does not have it asked.
    Refused {
        /// Its words.
        why: String,
        /// What may help.
        help: String,
    },
}

/// Each port that was tried, and what came of it; `ports` are those of the sidecar.
pub fn tried(status: &Status, ports: Ports) -> impl Iterator<Item = (Port, &Probe)> {
    let one = status.probe.as_ref().map(|probe| (ports.first(), probe));
    let many = status.ports.iter().filter_map(move |told| {
        let port = Port::new(told.port).filter(|port| ports.contains(*port))?;
        Some((port, told.probe.as_ref()?))
    });
    one.into_iter().filter(move |_| ports.is_one()).chain(many)
}

/// What is told of one port of a range, as if there were no other; `ports` are all of it.
#[must_use]
pub fn alone(status: &Status, ports: Ports, told: &PortStatus) -> Status {
    let port = Port::new(told.port).unwrap_or_else(|| ports.first());
    let first = status.target().map(|target| target.port);
    let outside = first.map(|first| PortSet::from(Ports::from(port)).outside(ports, first));
    Status {
        target: outside.map_or_else(String::new, |outside| target_with(status, &outside)),
        version: status.version.clone(),
        addrs: status.addrs.clone(),
        resolved: status.resolved,
        dialer: status.dialer.clone(),
        fallback: status.fallback,
        capacity: status.capacity,
        kernel: status.kernel,
        ..Status::from(told)
    }
}

/// The target of a relay of these ports in words.
#[must_use]
pub fn target_of(status: &Status, ports: Ports) -> String {
    let all = status.target().and_then(|target| ports.moved_to(target.port));
    all.map_or_else(|| status.target.clone(), |all| target_with(status, &all.into()))
}

/// The target in words, with these ports of it.
fn target_with(status: &Status, outside: &PortSet) -> String {
    let Some(Target { port, .. }) = status.target() else { return status.target.clone() };
    format!("{}{outside}", status.target.strip_suffix(&port.to_string()).unwrap_or(&status.target))
}

/// The target in words, with these ports of it, and a name with the addresses that it has now.
#[must_use]
pub fn target_now(status: &Status, outside: &PortSet) -> String {
    let words = target_with(status, outside);
    let Some(Target { host: TargetHost::Name(_), .. }) = status.target() else { return words };
    let addrs: Vec<String> = status.addrs_now().map(|ip| ip.to_string()).collect();
    let here = status.probe.as_ref().is_some_and(|probe| !probe.addrs.is_empty());
    let source = match status.resolved {
        Some(false) if !here => ", as the last start found it, unknown to the backend's network",
        _ => "",
    };
    match addrs.is_empty() {
        true => words,
        false => format!("{words} ({}{source})", addrs.join(", ")),
    }
}

/// The same with texts that can be shown.
fn cleaned(mut status: Status) -> Status {
    for text in [&mut status.version, &mut status.target] {
        *text = plain(text);
    }
    let errors = status.ports.iter_mut().filter_map(|port| port.last_error.as_mut());
    for last in status.last_error.iter_mut().chain(errors) {
        *last = LastError { reason: plain(&last.reason), text: words(&last.text), ..*last };
    }
    let probes = status.ports.iter_mut().filter_map(|port| port.probe.as_mut());
    for text in status.probe.iter_mut().chain(probes).filter_map(|probe| probe.text.as_mut()) {
        *text = words(text);
    }
    status
}

/// The text of an error, without the number that Rust puts behind the kernel's words.
fn words(text: &str) -> String {
    let text = plain(text);
    match text.split_once(" (os error ").and_then(|(words, rest)| Some((words, rest.split_once(')')?))) {
        Some((words, (number, rest))) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{words}{rest}")
        }
        _ => text,
    }
}

/// What a command in a sidecar said, by its exit status and its output.
#[must_use]
pub fn read(status: i64, output: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(output);
    let told = || {
        let line = text.lines().find(|line| line.starts_with('{'))?;
        serde_json::from_str::<Status>(line).ok()
    };
    match status {
        0 => told().map_or_else(
            || Answer::Failed("its status cannot be understood".to_owned()),
            |status| Answer::Told(Box::new(cleaned(status))),
        ),
        _ if compatibility::is_older(status, &text) => Answer::Old,
        // As shells and engines have it: found but not executable, not found.
        126 | 127 => Answer::Foreign,
        _ => {
            let words = plain(&text);
            let words = words.strip_prefix("assemble-proxy: ").unwrap_or(&words);
            Answer::Failed(if words.is_empty() { format!("status {status}") } else { words.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use assemble_contract::Outcome;
    use assemble_contract::status::{Kernel, Speaks};

    use super::*;

    const FULL: &str = r#"{"version":"0.1.0","target":"gateway:5000","addrs":["172.17.0.1:5000"],"dialer":null,
        "capacity":9976,"active":1,"opened":7,"failed":{"refused":2,"reset":1},"bytes_up":10,"bytes_down":20,
        "splice_fallbacks":3,"accept_pauses":0,"last_error":{"reason":"refused","text":"no\u001b[2J","age_ms":4},
        "probe":{"result":"accepted","latency_us":90,"text":null,"speaks":{"protocol":"http","status":200,"registry":true}},
        "kernel":{"pipe_user_pages_soft":16384,"ports":55001,"time_wait":null}}"#;

    fn told(json: &str) -> Status {
        match read(0, json.replace('\n', " ").as_bytes()) {
            Answer::Told(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_status_is_read() {
        let report = told(FULL);
        assert_eq!(report.target(), "gateway:5000".parse().ok());
        assert_eq!(report.addr(), Some([172, 17, 0, 1].into()));
        assert_eq!((report.active, report.opened, report.failures()), (1, 7, 3));
        assert_eq!(report.capacity, Some(9976));
        assert_eq!((report.bytes_up, report.bytes_down, report.splice_fallbacks), (10, 20, 3));
        let last = LastError { reason: "refused".to_owned(), text: "no[2J".to_owned(), age_ms: 4 };
        assert_eq!(report.last_error, Some(last));
        let probe = report.probe.unwrap();
        assert_eq!((probe.result, probe.latency_us), (Outcome::Accepted, 90));
        assert_eq!(probe.speaks, Some(Speaks::Http { status: 200, registry: true }));
        let kernel = Kernel { pipe_user_pages_soft: Some(16384), ports: Some(55001), time_wait: None };
        assert_eq!(report.kernel, Some(kernel));
    }

    #[test]
    fn a_name_is_told_with_the_addresses_of_now() {
        let report = |addrs: &[&str], resolved, probed: Option<&[&str]>| Status {
            target: "db:5432".to_owned(),
            addrs: addrs.iter().map(|addr| format!("{addr}:5432")).collect(),
            resolved,
            probe: probed.map(|addrs| Probe {
                addrs: addrs.iter().map(|addr| format!("{addr}:5432")).collect(),
                ..Probe::default()
            }),
            ..Status::default()
        };
        let now = |status: &Status| {
            let port = status.target().unwrap().port;
            target_now(status, &Ports::from(port).into())
        };
        let known = report(&["192.0.2.7"], Some(true), None);
        assert_eq!(now(&known), "db:5432 (192.0.2.7)");
        let moved = report(&["192.0.2.7"], Some(true), Some(&["192.0.2.8", "192.0.2.9"]));
        assert_eq!(now(&moved), "db:5432 (192.0.2.8, 192.0.2.9)");
        assert_eq!(moved.addr(), Some([192, 0, 2, 8].into()));
        let fallback = report(&["192.0.2.7"], Some(false), Some(&[]));
        let words = "db:5432 (192.0.2.7, as the last start found it, unknown to the backend's network)";
        assert_eq!(now(&fallback), words);
        assert_eq!(now(&report(&[], Some(false), Some(&[]))), "db:5432");
        let plain = Status { target: "gateway:5000".to_owned(), ..known.clone() };
        assert_eq!(now(&plain), "gateway:5000");
        let some: PortSet = [5433, 5435, 5436].into_iter().filter_map(Port::new).collect();
        assert_eq!(target_now(&known, &some), "db:5433, 5435-5436 (192.0.2.7)");
        let unknown = Status { target: "away".to_owned(), ..plain };
        assert_eq!(target_now(&unknown, &some), "away");
    }

    #[test]
    fn numbers_of_errors_are_nothing_for_people() {
        for (text, want) in [
            ("Connection refused (os error 111)", "Connection refused"),
            (
                "no dialer at \"/d\": Connection refused (os error 111), twice",
                "no dialer at \"/d\": Connection refused, twice",
            ),
            ("an (os error of no number)", "an (os error of no number)"),
            ("cut (os error 11", "cut (os error 11"),
            ("", ""),
        ] {
            assert_eq!(words(text), want);
        }
    }

    #[test]
    fn what_is_no_status_is_told_apart() {
        let failed = |text: &str| Answer::Failed(text.to_owned());
        let table = [
            (2, "error: unrecognized subcommand 'status'\n\nUsage: assemble-proxy", Answer::Old),
            (2, "error: unexpected argument '--speak' found", Answer::Old),
            (
                1,
                "assemble-proxy: the relay is older than this program and tells nothing about itself",
                Answer::Old,
            ),
            (126, "OCI runtime exec failed: no such file or directory", Answer::Foreign),
            (127, "", Answer::Foreign),
            (
                1,
                "assemble-proxy: no relay of port 5000 answers here: timed out\n",
                failed("no relay of port 5000 answers here: timed out"),
            ),
            (137, "", failed("status 137")),
            (0, "", failed("its status cannot be understood")),
            (0, "{\"active\":-1}", failed("its status cannot be understood")),
            (0, "{", failed("its status cannot be understood")),
        ];
        for (status, output, want) in table {
            assert_eq!(read(status, output.as_bytes()), want, "{output}");
        }
    }
}
