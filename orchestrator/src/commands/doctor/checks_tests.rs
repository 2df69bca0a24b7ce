use assemble_contract::Outcome;
use assemble_contract::status::{Kernel, Probe, Speaks};

use super::*;
use crate::buildkit::Worker;
use crate::commands::builder::Registered;
use crate::commands::doctor::facts::{Daemon, NoDialer, Unanswered};
use crate::commands::doctor::measure::{Confinement, Disk};
use crate::commands::leftovers::Leftovers;
use crate::desired::{ContainerName, REGISTRY_PORT, Security, Settings};
use crate::dialer::NotHere;
use crate::engine::{EngineFacts, EngineHint};
use crate::forward::Target;
use crate::health::Answer;
use crate::observed::{Container, Sidecar, State};
use daemon::NETWORK;

pub(super) fn container(name: &str, state: State) -> Container {
    Container { state, ..Container::running(name) }
}

/// Nothing but root's own limits.
pub(super) const FREE: Confinement =
    Confinement { capabilities: 0x1ff_ffff_ffff, filtered: false, no_new_privileges: false, apparmor: None };

pub(super) fn debian() -> EngineFacts {
    EngineFacts {
        version: "20.10.24".to_owned(),
        api_version: "1.41".to_owned(),
        os: "linux".to_owned(),
        kernel: "6.1".to_owned(),
        operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        ..EngineFacts::default()
    }
}

pub(super) fn failure(why: &str) -> Unanswered {
    Unanswered::Error { error: why.to_owned() }
}

pub(super) fn worker(network: Option<&str>) -> Worker {
    let labels = network.map(|network| (NETWORK.to_owned(), network.to_owned()));
    Worker { labels: labels.into_iter().collect(), ..Worker::default() }
}

pub(super) fn report(outcome: Outcome, speaks: Option<Speaks>) -> Status {
    let probe = Probe { result: outcome, latency_us: 90, speaks, ..Probe::default() };
    let kernel = Kernel { pipe_user_pages_soft: Some(16_384), ports: Some(55_001), time_wait: Some(3) };
    Status {
        version: "0.1.0".to_owned(),
        target: "gateway:5000".to_owned(),
        addrs: vec!["172.17.0.1:5000".to_owned()],
        probe: Some(probe),
        kernel: Some(kernel),
        ..Status::default()
    }
}

pub(super) fn forward(answer: Option<Answer>) -> Examined {
    let sidecar = Sidecar {
        ports: REGISTRY_PORT.into(),
        target: Some(Target::Gateway { port: REGISTRY_PORT }),
        beside_backend: Some(true),
        container: container("s", State::Running),
    };
    Examined { sidecar, stale: false, answer, findings: Vec::new() }
}

pub(super) fn told(report: Status) -> Examined {
    forward(Some(Answer::Told(Box::new(report))))
}

pub(super) fn good() -> Facts {
    let speaks = Some(Speaks::Http { status: 200, registry: true });
    Facts {
        endpoint: "unix:///d.sock".to_owned(),
        engine: Ok(debian()),
        backend: Some(Ok(Some(container("b", State::Running)))),
        lost_files: false,
        damage: None,
        daemon: Some(Ok(Daemon { version: Some("v0.13.2".to_owned()), workers: vec![worker(Some("host"))] })),
        forwards: vec![told(report(Outcome::Accepted, speaks))],
        missing: Vec::new(),
        dialer: None,
        host_dialer: None,
        no_dialer: None,
        left_behind: None,
        proxies_in_vain: None,
        builder: None,
        network: None,
        isolated: false,
        start: "START".to_owned(),
        anew: "ANEW".to_owned(),
        named: false,
        unforwarded: Vec::new(),
        elsewhere: Vec::new(),
        more: String::new(),
        confinement: Some(FREE),
        disk: Some(Disk { size: 100_000_000_000, free: 50_000_000_000 }),
        conntrack: Some((10, 1000)),
    }
}

/// A check's verdict, and words that its two lines have.
#[track_caller]
pub(super) fn is(check: &Check, verdict: Verdict, why: &str, help: &str) {
    assert_eq!(check.verdict, verdict, "{check:?}");
    assert!(check.why.contains(why), "{why} in {check:?}");
    assert!(check.help.as_deref().unwrap_or_default().contains(help), "{help} in {check:?}");
    assert_eq!(check.help.is_none(), verdict == Verdict::Ok, "{check:?}");
}

use Verdict::{Fail, Ok as Fine, Warn};

#[test]
fn a_good_backend_passes_every_check_in_the_order_of_the_way() {
    let checks = all(&good());
    let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "engine",
            "version",
            "host",
            "backend",
            "security",
            "buildkit",
            "RUN steps",
            "gateway",
            "sidecar 5000",
            "target 5000",
            "registry 5000",
            "pipes",
            "ports",
            "conntrack",
            "disk"
        ]
    );
    for check in &checks {
        is(check, Fine, "", "");
    }
}

#[test]
fn without_an_engine_that_is_what_is_told() {
    let facts = Facts {
        engine: Err(failure("cannot reach it")),
        backend: None,
        daemon: None,
        forwards: Vec::new(),
        disk: None,
        conntrack: None,
        ..good()
    };
    let checks = all(&facts);
    assert_eq!(checks.len(), 1);
    is(&checks[0], Fail, "cannot reach it", "docker context ls");
    let hinted = Unanswered::Hinted { error: "x".to_owned(), hint: EngineHint::Running };
    is(&engine("e", &Err(hinted)), Fail, "x", "is the docker engine running?");
}

#[test]
fn without_a_backend_nothing_has_failed() {
    let facts = Facts { backend: Some(Ok(None)), daemon: None, forwards: Vec::new(), disk: None, ..good() };
    let checks = all(&facts);
    assert!(checks.iter().all(|check| check.verdict != Fail), "{checks:?}");
    is(checks.iter().find(|check| check.name == "backend").unwrap(), Warn, "none", "'START' makes one");
    // What was asked for by name is missed only where there is a backend.
    let name = ContainerName("b".to_owned());
    let left_behind = |stray| Some(Leftovers::Helpers { names: "\"b-dialer\"".to_owned(), stray });
    let builder_in_use = Some((name.clone(), Registered::InUse));
    let gone = Facts { builder: builder_in_use, left_behind: left_behind(false), ..facts.clone() };
    let checks = all(&gone);
    let found = |name: &str| checks.iter().find(|check| check.name == name).unwrap();
    is(found("builder"), Fail, "in use", "'docker buildx rm b'");
    // The start that makes a backend replaces it.
    assert_eq!((found("left behind").verdict, &found("left behind").help), (Warn, &None));
    let checks = all(&Facts { left_behind: left_behind(true), ..facts.clone() });
    let found = |name: &str| checks.iter().find(|check| check.name == name).unwrap();
    is(found("left behind"), Warn, "\"b-dialer\"", "backend stop");
    is(&builder(&name, Registered::Aside, "START"), Warn, "registered", "'START' makes it again");
    let lonely = all(&Facts { isolated: true, ..good() });
    let found = lonely.iter().find(|check| check.name == "network").unwrap();
    is(found, Fail, "\"bridge\": \"none\"", "ANEW");
    let asked = Facts { named: true, ..facts };
    assert!(all(&asked).iter().all(|check| check.verdict != Fail));
}

#[test]
fn versions_are_judged_by_what_was_tried() {
    let spoken = |api: &str| version(&EngineFacts { api_version: api.to_owned(), ..debian() });
    is(&spoken("1.41"), Fine, ", engine 20.10.24, API 1.41, Linux 6.1", "");
    is(&spoken("1.51"), Fine, "", "");
    is(&spoken("2.0"), Fine, "", "");
    for old in ["1.40", "1.9", "", "x"] {
        is(&spoken(old), Warn, "", "DOCKER_API_VERSION");
    }
    is(&version(&EngineFacts { os: "windows".to_owned(), ..debian() }), Fail, "windows", "Linux containers");
}

#[test]
fn engines_whose_gateway_is_not_the_host_are_warned_of() {
    is(&place(&debian(), None), Fine, "Debian", "");
    let rootless = EngineFacts { security_options: vec!["name=rootless".to_owned()], ..debian() };
    is(&place(&rootless, None), Warn, "rootless", "PORT@loopback");
    let why = NotHere::Elsewhere;
    let away = NoDialer { why, help: why.hint("ssh://h", "START") };
    is(
        &place(&rootless, Some(&away)),
        Warn,
        "can be there: it runs on another machine",
        "'ssh ssh://h START'",
    );
    let podman = EngineFacts { podman: true, ..rootless };
    is(&place(&podman, None), Warn, "rootless Podman", "PORT@loopback");
    let desktop = EngineFacts { operating_system: "Docker Desktop".to_owned(), ..debian() };
    is(&place(&desktop, None), Warn, "virtual machine", "host.docker.internal");
}

#[test]
fn a_backend_that_does_not_run_is_a_failure_with_its_own_remedy() {
    let found = |state| backend(&Ok(Some(container("b", state))), "START");
    is(&found(State::Running), Fine, "b runs", "");
    is(&found(State::Paused), Fail, "paused", "docker unpause b");
    is(&found(State::Exited), Fail, "exited", "'START' starts it");
    let ill = Container { unhealthy: true, ..container("b", State::Running) };
    is(&backend(&Ok(Some(ill)), "START"), Warn, "health", "logs");
    assert_eq!(backend(&Err(failure("lost")), "START").verdict, Fail);
}

#[test]
fn containers_that_have_ended_unasked_are_told_of() {
    let again = |name| Container {
        restarts: 3,
        started_at: "2024-05-01T10:30:00Z".to_owned(),
        ..container(name, State::Running)
    };
    let often = "has ended 3 times";
    is(&backend(&Ok(Some(again("b"))), "START"), Warn, often, "'docker assemble backend logs'");
    is(&dialer(&again("d"), "START"), Warn, often, "'docker logs d' may tell why, 'docker restart d'");

    let place = Sidecar { container: again("s"), ..forward(None).sidecar };
    let helper = Examined { sidecar: place, ..told(report(Outcome::Accepted, None)) };
    let cut = "0.1.0 answers, but has ended 3 times";
    is(&sidecar(&helper, None, "START"), Warn, cut, "'docker assemble backend logs --proxy 5000'");
    let backend =
        Container { started_at: "2024-05-01T10:29:58Z".to_owned(), ..container("b", State::Running) };
    is(&sidecar(&helper, Some(&backend), "START"), Fine, "answers", "");
}

#[test]
fn connections_without_a_descriptor_are_told_of() {
    let of = |refused, capacity| {
        let failed = [("descriptors".to_owned(), refused), ("reset".to_owned(), 9)].into();
        descriptors(&[&Status { failed, capacity, ..Status::default() }, &Status::default()], "ANEW")
    };
    // A relay from before it told how many it has.
    assert_eq!(of(0, None), None);
    assert_eq!(of(0, Some(9976)), None);
    is(&of(7, Some(9976)).unwrap(), Warn, "7 connection(s) were reset", "default-ulimits");
    is(&of(0, Some(488)).unwrap(), Warn, "descriptors for 488 connections", "ANEW have it in force");
}

#[test]
fn the_profile_in_force_is_named() {
    let privileged = container("b", State::Running);
    let settings = Settings { security: Security::Restricted, ..Settings::default() };
    let restricted = Container { settings, ..privileged.clone() };
    let of = |backend, confinement: &Confinement| security(backend, Some(confinement), "ANEW");
    is(&of(&privileged, &FREE), Fine, "privileged, as buildx runs it; neither", "");
    is(&of(&restricted, &FREE), Fine, "restricted: SYS_ADMIN", "");
    is(&security(&restricted, None, "ANEW"), Fine, "not privileged", "");
    // Docker's usual set.
    let usual = Confinement { capabilities: 0xa804_25fb, ..FREE };
    let lacking = "but BuildKit lacks NET_ADMIN, SYS_PTRACE, SYS_ADMIN";
    is(&of(&restricted, &usual), Fail, lacking, "ANEW");
    let bound = Confinement { filtered: true, apparmor: Some("docker-default".to_owned()), ..FREE };
    let by = "bound by a seccomp filter and the AppArmor profile \"docker-default\"";
    is(&of(&privileged, &bound), Warn, by, "ANEW");
    let bound = Confinement { no_new_privileges: true, ..FREE };
    is(&of(&privileged, &bound), Warn, "no-new-privileges, so that sudo fails", "ANEW");
}

#[test]
fn a_daemon_must_answer_and_have_a_worker() {
    let daemon = |workers| Ok(Daemon { version: None, workers });
    is(&buildkit(&daemon(vec![worker(None)])), Fine, "of an unknown version answers with 1 worker(s)", "");
    is(&buildkit(&daemon(Vec::new())), Fail, "no worker", "logs");
    is(&buildkit(&Err(failure("no answer within 10 s"))), Fail, "no answer", "logs");
}

#[test]
fn run_steps_must_share_the_network() {
    is(&namespace(&[worker(Some("host"))], "ANEW"), Fine, "share", "");
    is(&namespace(&[worker(None)], "ANEW"), Warn, "does not tell", "RUN step");
    is(&namespace(&[worker(Some("host")), worker(Some("cni"))], "ANEW"), Fail, "(cni)", "ANEW");
}

#[test]
fn a_table_of_connections_that_fills_up_is_warned_of() {
    is(&conntrack((800, 1000)), Fine, "800 of at most 1000", "");
    is(&conntrack((801, 1000)), Warn, "801", "nf_conntrack_max=2000");
    is(&conntrack((1000, 1000)), Fail, "dropped", "nf_conntrack_max");
}

#[test]
fn a_disk_without_room_fails_builds() {
    let free = |free| disk(Disk { size: 100_000_000_000, free });
    is(&free(2_000_000_000), Fine, "2GB of 100GB free", "");
    is(&free(1_999_999_999), Warn, "free", "cache purge");
    is(&free(99_999_999), Fail, "100MB of 100GB", "cache purge");
}
