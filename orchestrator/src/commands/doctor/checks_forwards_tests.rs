use std::time::Duration;

use assemble_contract::status::{Kernel, PortStatus, Probe, Speaks};
use assemble_contract::{Outcome, Ports};

use super::tests::{FREE, container, forward, good, is, report, told, worker};
use super::*;
use crate::commands::doctor::facts::Daemon;
use crate::commands::doctor::measure::Confinement;
use crate::commands::health::Found;
use crate::commands::leftovers::Leftovers;
use crate::commands::start::START;
use crate::desired::{Port, REGISTRY_PORT};
use crate::forward::asked::{Asked, Destination};
use crate::forward::{Forward, Target};
use crate::health::{Answer, Cause, Finding, Ss, There};
use crate::observed::{Sidecar, State};
use Verdict::{Fail, Ok as Fine, Warn};

#[test]
fn the_way_out_is_told_before_the_targets() {
    let report = report(Outcome::Accepted, None);
    is(&gateway(&[&report], "ANEW").unwrap(), Fine, "172.17.0.1 is the way out", "");
    let v6 = Status { addrs: vec!["[fd00::1]:5000".to_owned()], ..report.clone() };
    is(&gateway(&[&v6], "ANEW").unwrap(), Fine, "fd00::1 is", "");
    let lost = Status { addrs: Vec::new(), ..report.clone() };
    is(&gateway(&[&lost], "ANEW").unwrap(), Fail, "no default route", "ANEW");
    let elsewhere = Status { target: "loopback:5000".to_owned(), ..lost };
    assert_eq!(gateway(&[&elsewhere], "ANEW"), None);
    is(&gateway(&[&elsewhere, &report], "ANEW").unwrap(), Fine, "172.17.0.1", "");
}

#[test]
fn what_repairs_is_told_apart_from_what_makes_anew() {
    let helps = |facts: &Facts, word: &str, names: &[&str]| {
        let checks = all(facts);
        for name in names {
            let found = checks.iter().find(|check| check.name == *name).unwrap();
            assert!(found.help.as_ref().is_some_and(|help| help.contains(word)), "{word}: {found:?}");
        }
    };
    let status = Status {
        addrs: Vec::new(),
        capacity: Some(488),
        kernel: Some(Kernel { ports: Some(1000), time_wait: Some(0), ..Kernel::default() }),
        ..report(Outcome::Accepted, None)
    };
    let anew = Facts {
        confinement: Some(Confinement { capabilities: 0, ..FREE }),
        daemon: Some(Ok(Daemon { version: None, workers: vec![worker(Some("cni"))] })),
        forwards: vec![told(status)],
        ..good()
    };
    helps(&anew, "ANEW", &["security", "RUN steps", "gateway", "descriptors", "ports"]);
    helps(&Facts { isolated: true, ..good() }, "ANEW", &["network"]);
    let repaired = Facts {
        backend: Some(Ok(Some(container("b", State::Exited)))),
        lost_files: true,
        left_behind: Some(Leftovers::SetAside(container("a", State::Exited).name)),
        dialer: Some(container("d", State::Exited)),
        missing: vec![Forward::plain(Port::new(6000).unwrap())],
        forwards: vec![Examined { stale: true, ..forward(None) }],
        ..good()
    };
    let names = ["backend", "configuration", "set aside", "dialer", "sidecar 5000", "sidecar 6000"];
    helps(&repaired, "'START", &names);
    let tls = told(report(Outcome::Accepted, Some(Speaks::Tls)));
    helps(&Facts { forwards: vec![tls], ..good() }, "'START", &["registry 5000"]);
}

#[test]
fn ports_that_are_not_forwarded_are_missed_when_asked_for() {
    let facts = |named, forwards| Facts { named, forwards, ..good() };
    let one = || vec![forward(None)];
    let unforwarded = ["6000", "8005-8009"].map(|ports| ports.parse().unwrap()).to_vec();
    let asked = Facts { unforwarded, more: "MORE".to_owned(), ..facts(true, one()) };
    let [port, range] = &forwarded(&asked)[..] else { panic!() };
    is(port, Fail, "port 6000 is not forwarded", "'MORE'");
    is(range, Fail, "ports 8005-8009 are not forwarded", "'MORE'");
    assert_eq!((port.name.as_str(), range.name.as_str()), ("sidecar 6000", "sidecar 8005-8009"));
    let has = Forward::plain("8000-8001".parse::<Ports>().unwrap());
    let asked = Asked { destination: Destination::Host("192.0.2.7".to_owned()), ..Asked::from(&has) };
    let elsewhere = vec![(has, asked)];
    let [check] = &forwarded(&Facts { elsewhere, ..facts(true, one()) })[..] else { panic!() };
    is(
        check,
        Fail,
        "ports 8000-8001 are forwarded to ports 8000-8001 of the host",
        "'docker assemble backend port rm 8000-8001', and then \
         'docker assemble backend port add 8000-8001=192.0.2.7:8000-8001'",
    );
    assert_eq!(forwarded(&facts(true, one())), []);
    assert_eq!(forwarded(&facts(false, one())), []);
    is(&forwarded(&facts(false, Vec::new()))[0], Warn, "no port", "port add 5000");
}

#[test]
fn a_sidecar_that_is_gone_is_missing_and_not_unknown() {
    let gone = Forward::plain(Port::new(6000).unwrap());
    let facts = Facts { named: true, forwards: Vec::new(), missing: vec![gone], ..good() };
    assert_eq!(forwarded(&facts), []);
    let checks = all(&facts);
    let found = checks.iter().find(|check| check.name == "sidecar 6000").unwrap();
    is(found, Fail, "is missing", "'START' makes it again");
}

#[test]
fn a_sidecar_is_judged_by_its_state_and_its_answer() {
    let answers = |answer| sidecar(&forward(Some(answer)), None, "START");
    is(&answers(Answer::Told(Box::default())), Fine, "answers", "");
    is(&answers(Answer::Old), Warn, "older version", "'START' replaces it");
    is(&answers(Answer::Foreign), Warn, "another image", "logs --proxy 5000");
    is(&answers(Answer::Silent(Duration::from_secs(8))), Fail, "within 8 s", "docker restart s");
    is(&answers(Answer::Failed("no relay".to_owned())), Fail, "no relay", "docker restart s");
    let refused = Answer::Refused { why: "forbidden".to_owned(), help: "ask the filter".to_owned() };
    is(&answers(refused), Fail, "cannot be asked: forbidden", "ask the filter");
    is(
        &sidecar(&Examined { stale: true, ..forward(None) }, None, "START"),
        Fail,
        "has left",
        "'START' repairs it",
    );
    let state = |state| {
        let place = Sidecar {
            ports: REGISTRY_PORT.into(),
            target: Some(Target::Gateway { port: REGISTRY_PORT }),
            beside_backend: None,
            container: container("s", state),
        };
        sidecar(&Examined { sidecar: place, ..forward(None) }, None, "START")
    };
    is(&state(State::Paused), Fail, "paused", "docker unpause s");
    is(&state(State::Exited), Fail, "(exited)", "repairs");
    is(&state(State::Restarting), Fail, "(restarting)", "repairs");
}

#[test]
fn a_dialer_must_run() {
    let state = |state| dialer(&container("d", state), "START");
    is(&state(State::Running), Fine, "runs", "");
    is(&state(State::Paused), Fail, "paused", "docker unpause d");
    is(&state(State::Exited), Fail, "(exited)", "'START' repairs it");
    let checks = all(&Facts { dialer: Some(container("d", State::Running)), ..good() });
    assert!(checks.iter().any(|check| check.name == "dialer"));
}

#[test]
fn a_target_brings_its_cause_and_what_helps() {
    let check = |outcome, finding: Option<Finding>| {
        let report = report(outcome, None);
        let found = |finding| Found { ports: Ports::from(REGISTRY_PORT).into(), finding };
        let findings = finding.into_iter().map(found).collect();
        let [check] = &targets(&Examined { findings, ..told(report.clone()) }, &report)[..] else { panic!() };
        check.clone()
    };
    is(&check(Outcome::Accepted, None), Fine, "gateway:5000 accepts (90 us)", "");
    let there = Ports::from(REGISTRY_PORT);
    let finding = Finding { cause: Cause::MetItself { to: There(there), ss: Ss(there) }, blocked: false };
    is(
        &check(Outcome::Loop, Some(finding)),
        Fail,
        "gateway:5000: the connection met itself",
        "start the service",
    );
    assert_eq!(check(Outcome::Unknown, None).verdict, Fail);
    assert_eq!(targets(&forward(None), &Status::default()), [], "it was not tried");
}

/// What was found of a range of ten ports.
fn range(found: &[(u16, Outcome)], findings: &[(&str, Cause)]) -> Vec<Check> {
    let ports: Ports = "8000-8009".parse().unwrap();
    let told = |(port, result): &(u16, Outcome)| PortStatus {
        port: *port,
        probe: Some(Probe { result: *result, latency_us: u64::from(*port), ..Probe::default() }),
        ..PortStatus::default()
    };
    let report = Status {
        target: "gateway:9000".to_owned(),
        ports: found.iter().map(told).collect(),
        ..Status::default()
    };
    let finding = |(ports, cause): &(&str, Cause)| Found {
        ports: ports.split(',').map(|port| Port::parse(port).unwrap()).collect(),
        finding: Finding { cause: cause.clone(), blocked: !matches!(cause, Cause::MetItself { .. }) },
    };
    let sidecar = Sidecar { ports, ..forward(None).sidecar };
    let findings = findings.iter().map(finding).collect();
    let answer = Some(Answer::Told(Box::new(report.clone())));
    targets(&Examined { sidecar, answer, findings, ..forward(None) }, &report)
}

fn idle(ports: &str) -> Cause {
    let there = ports.parse().unwrap();
    Cause::MetItself { to: There(there), ss: Ss(there) }
}

#[test]
fn a_range_that_accepts_takes_one_line() {
    let all: Vec<_> = (8000..8010).map(|port| (port, Outcome::Accepted)).collect();
    let [check] = &range(&all, &[])[..] else { panic!() };
    is(check, Fine, "gateway:9000-9009 accepts (8009 us at most)", "");
    assert_eq!(check.name, "target 8000-8009");
}

#[test]
fn idle_ports_of_a_range_are_no_failure_where_one_is_used() {
    let found =
        [(8000, Outcome::Loop), (8002, Outcome::Accepted), (8004, Outcome::Loop), (8005, Outcome::Loop)];
    let nothing = ("8000,8004,8005", idle("9000-9005"));
    let [check] = &range(&found, &[nothing])[..] else { panic!() };
    let why = "1 of 10 ports accept; gateway:9000, 9004-9005: the connection met itself: nothing listens on these ports there";
    is(
        check,
        Warn,
        why,
        "nothing where no service is meant to be yet; else start the service; \"ss -ltn 'sport >= :9000 and",
    );
    let unused = ("8000,8001", idle("9000-9001"));
    let [check] = &range(&[(8000, Outcome::Loop), (8001, Outcome::Loop)], &[unused])[..] else { panic!() };
    is(check, Fail, "gateway:9000-9001: the connection met itself", "start the service");
}

#[test]
fn each_reason_why_ports_of_a_range_are_idle_is_told() {
    let found = [(8000, Outcome::Loop), (8002, Outcome::Accepted), (8004, Outcome::Refused)];
    let there = "9004".parse().unwrap();
    let refused = Cause::NothingListens {
        said: "refused",
        to: There(there),
        host: "this host".to_owned(),
        ss: Ss(there),
        there: "this host",
    };
    let [met, nothing] = &range(&found, &[("8000", idle("9000")), ("8004", refused)])[..] else { panic!() };
    is(met, Warn, "1 of 10 ports accept; gateway:9000: the connection met itself", "nothing where");
    is(nothing, Warn, "1 of 10 ports accept; gateway:9004: refused: nothing listens", "nothing where");
}

#[test]
fn ports_of_a_range_that_were_not_tried_are_told() {
    let found = [(8000, Outcome::Accepted), (8001, Outcome::NotTried), (8002, Outcome::NotTried)];
    let [check] = &range(&found, &[])[..] else { panic!() };
    is(check, Warn, "gateway:9000-9009 accepts on 1 of 10 ports, 2 not tried", "see to those that");
    let [check] = &range(&found[1..], &[])[..] else { panic!() };
    is(check, Warn, "gateway:9000-9009 accepts on 0 of 10 ports, 2 not tried", "see to those that");
}

#[test]
fn what_is_in_the_way_of_a_used_range_is_a_failure_beside_what_is_idle() {
    let found = [(8000, Outcome::Loop), (8002, Outcome::Accepted), (8004, Outcome::Dialer)];
    let dialer = ("8004", Cause::Dialer { words: String::new(), start: "START".to_owned() });
    let [fail, warn] = &range(&found, &[("8000", idle("9000")), dialer])[..] else { panic!() };
    is(fail, Fail, "gateway:9004: the dialer on the host does not help", "'START' makes it anew");
    is(
        warn,
        Warn,
        "1 of 10 ports accept; gateway:9000: the connection met itself: nothing listens on port 9000",
        "nothing where",
    );
}

#[test]
fn what_a_registry_speaks_is_told() {
    let check = |speaks| {
        let report = report(Outcome::Accepted, Some(speaks));
        registries(&told(report.clone()), &report, START).pop().unwrap()
    };
    is(&check(Speaks::Http { status: 200, registry: true }), Fine, "speaks http", "");
    is(&check(Speaks::Http { status: 401, registry: false }), Fine, "/v2/", "");
    is(&check(Speaks::Http { status: 404, registry: false }), Warn, "status 404: not a registry", "nothing");
    is(&check(Speaks::Tls), Warn, "https", "--registry-ca localhost:5000=ca.pem");
    for speaks in [Speaks::Closed, Speaks::Silent, Speaks::Other] {
        is(&check(speaks), Warn, "neither", "nothing");
    }
    let report = report(Outcome::Accepted, None);
    assert_eq!(registries(&told(report.clone()), &report, START), [], "it was not asked");
}

#[test]
fn ports_run_out_when_most_of_them_wait() {
    let with = |ports, time_wait| {
        let mut report = report(Outcome::Accepted, None);
        report.kernel = Some(Kernel { ports, time_wait, ..Kernel::default() });
        super::ports(&[&report], "ANEW")
    };
    is(&with(Some(55_001), Some(100)).unwrap(), Fine, "55001", "");
    is(&with(Some(55_001), None).unwrap(), Fine, "55001", "");
    is(&with(Some(55_000), Some(44_001)).unwrap(), Warn, "44001 of 55000", "keep connections open");
    is(&with(Some(1000), Some(0)).unwrap(), Warn, "only 1000", "ANEW");
    assert_eq!(with(None, Some(1)), None);
}

#[test]
fn a_quota_of_pipes_is_compared_with_what_all_sidecars_may_want() {
    let with = |soft, fallbacks| {
        let mut report = report(Outcome::Accepted, None);
        report.kernel = Some(Kernel { pipe_user_pages_soft: soft, ..Kernel::default() });
        report.splice_fallbacks = fallbacks;
        report
    };
    let roomy = with(Some(16_384), 0);
    is(&pipes(&[&roomy]).unwrap(), Fine, "16384 pages, of which 1024", "");
    is(&pipes(&[&roomy; 17]).unwrap(), Warn, "less than the 17408", "pipe-user-pages-soft=65536'");
    // A remedy that leaves the warning in place would be none.
    is(&pipes(&[&roomy; 100]).unwrap(), Warn, "102400", "pipe-user-pages-soft=131072'");
    is(&pipes(&[&with(Some(16_384), 2)]).unwrap(), Warn, "refused a pipe 2 time(s)", "pipe-user-pages-soft");
    is(&pipes(&[&with(Some(0), 0)]).unwrap(), Fine, "no quota", "");
    assert_eq!(pipes(&[&with(None, 9)]), None);
    assert_eq!(pipes(&[]), None);
}
