use std::collections::BTreeMap;
use std::time::Duration;

use assemble_contract::status::{Kernel, Probe};

use super::super::gather::Disk;
use super::*;
use crate::commands::start::START;
use crate::desired::HostPort;
use crate::desired::{ContainerName, ImageRef, REGISTRY_PORT};
use crate::forward::Forward;
use crate::forward::Target;
use crate::health::{Answer, Finding};
use crate::observed::{ContainerId, Sidecar};

fn container(name: &str, state: State) -> Container {
    Container {
        id: ContainerId("id".to_owned()),
        name: ContainerName(name.to_owned()),
        image: ImageRef("img".to_owned()),
        image_id: String::new(),
        state,
        unhealthy: false,
        restarts: 0,
        out_of_memory: false,
        started_at: String::new(),
        labels: BTreeMap::new(),
        env: Vec::new(),
        cache_volume: None,
        privileged: true,
    }
}

/// Nothing but root's own limits.
const FREE: Confinement =
    Confinement { capabilities: 0x1ff_ffff_ffff, filtered: false, no_new_privileges: false, apparmor: None };

fn debian() -> EngineFacts {
    EngineFacts {
        version: "20.10.24".to_owned(),
        api_version: "1.41".to_owned(),
        os: "linux".to_owned(),
        kernel: "6.1".to_owned(),
        operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        ..EngineFacts::default()
    }
}

fn failure(why: &str) -> Failure {
    Failure { why: why.to_owned(), help: None }
}

fn worker(network: Option<&str>) -> Worker {
    let labels = network.map(|network| (NETWORK.to_owned(), network.to_owned()));
    Worker { labels: labels.into_iter().collect(), ..Worker::default() }
}

fn report(outcome: Outcome, speaks: Option<Speaks>) -> Status {
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

fn forward(answer: Option<Answer>) -> Examined {
    let sidecar = Sidecar {
        port: REGISTRY_PORT,
        target: Some(Target::Gateway { port: REGISTRY_PORT }),
        beside_backend: Some(true),
        container: container("s", State::Running),
    };
    Examined { sidecar, stale: false, answer, finding: None }
}

fn told(report: Status) -> Examined {
    forward(Some(Answer::Told(Box::new(report))))
}

fn good() -> Facts {
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
        left_behind: None,
        proxies_in_vain: None,
        builder: None,
        isolated: false,
        start: "START".to_owned(),
        port: None,
        more: None,
        confinement: Some(FREE),
        disk: Some(Disk { size: 100_000_000_000, free: 50_000_000_000 }),
        conntrack: Some((10, 1000)),
    }
}

/// A check's verdict, and words that its two lines have.
#[track_caller]
fn is(check: &Check, verdict: Verdict, why: &str, help: &str) {
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
    let hinted = Failure { help: Some("start it".to_owned()), ..failure("x") };
    is(&engine("e", &Err(hinted)), Fail, "x", "start it");
}

#[test]
fn without_a_backend_nothing_has_failed() {
    let facts = Facts { backend: Some(Ok(None)), daemon: None, forwards: Vec::new(), disk: None, ..good() };
    let checks = all(&facts);
    assert!(checks.iter().all(|check| check.verdict != Fail), "{checks:?}");
    is(checks.iter().find(|check| check.name == "backend").unwrap(), Warn, "none", "'START' makes one");
    // What was asked for by name is missed only where there is a backend.
    let name = ContainerName("b".to_owned());
    let left_behind = |stray| Some(Remains::Helpers { names: "\"b-dialer\"".to_owned(), stray });
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
    is(found, Fail, "\"bridge\": \"none\"", "backend stop' and then");
    let asked = Facts { port: Some(REGISTRY_PORT), ..facts };
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
    is(&place(&debian()), Fine, "Debian", "");
    let rootless = EngineFacts { security_options: vec!["name=rootless".to_owned()], ..debian() };
    is(&place(&rootless), Warn, "rootless", "PORT=ADDRESS:PORT");
    let desktop = EngineFacts { operating_system: "Docker Desktop".to_owned(), ..debian() };
    is(&place(&desktop), Warn, "virtual machine", "host.docker.internal");
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
        descriptors(&[&Status { failed, capacity, ..Status::default() }, &Status::default()], "START")
    };
    // A relay from before it told how many it has.
    assert_eq!(of(0, None), None);
    assert_eq!(of(0, Some(9976)), None);
    is(&of(7, Some(9976)).unwrap(), Warn, "7 connection(s) were reset", "default-ulimits");
    is(&of(0, Some(488)).unwrap(), Warn, "descriptors for 488 connections", "stop' and then 'START'");
}

#[test]
fn the_profile_in_force_is_named() {
    let privileged = container("b", State::Running);
    let restricted = Container { privileged: false, ..privileged.clone() };
    let of = |backend, confinement: &Confinement| security(backend, Some(confinement), "START");
    is(&of(&privileged, &FREE), Fine, "privileged, as buildx runs it; neither", "");
    is(&of(&restricted, &FREE), Fine, "restricted: SYS_ADMIN", "");
    is(&security(&restricted, None, "START"), Fine, "not privileged", "");
    // Docker's usual set.
    let usual = Confinement { capabilities: 0xa804_25fb, ..FREE };
    let lacking = "but BuildKit lacks NET_ADMIN, SYS_PTRACE, SYS_ADMIN";
    is(&of(&restricted, &usual), Fail, lacking, "'docker assemble backend stop' and then 'START'");
    let bound = Confinement { filtered: true, apparmor: Some("docker-default".to_owned()), ..FREE };
    let by = "bound by a seccomp filter and the AppArmor profile \"docker-default\"";
    is(&of(&privileged, &bound), Warn, by, "'docker assemble backend stop' and then 'START'");
    let bound = Confinement { no_new_privileges: true, ..FREE };
    is(
        &of(&privileged, &bound),
        Warn,
        "no-new-privileges, so that sudo fails",
        "'docker assemble backend stop' and then 'START'",
    );
}

#[test]
fn the_way_out_is_told_before_the_targets() {
    let report = report(Outcome::Accepted, None);
    is(&gateway(&[&report], "START").unwrap(), Fine, "172.17.0.1 is the way out", "");
    let v6 = Status { addrs: vec!["[fd00::1]:5000".to_owned()], ..report.clone() };
    is(&gateway(&[&v6], "START").unwrap(), Fine, "fd00::1 is", "");
    let lost = Status { addrs: Vec::new(), ..report.clone() };
    is(
        &gateway(&[&lost], "START").unwrap(),
        Fail,
        "no default route",
        "'docker assemble backend stop' and then 'START'",
    );
    let elsewhere = Status { target: "loopback:5000".to_owned(), ..lost };
    assert_eq!(gateway(&[&elsewhere], "START"), None);
    is(&gateway(&[&elsewhere, &report], "START").unwrap(), Fine, "172.17.0.1", "");
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
    is(&namespace(&[worker(Some("host"))], "START"), Fine, "share", "");
    is(&namespace(&[worker(None)], "START"), Warn, "does not tell", "RUN step");
    is(
        &namespace(&[worker(Some("host")), worker(Some("cni"))], "START"),
        Fail,
        "(cni)",
        "'docker assemble backend stop' and then 'START'",
    );
}

#[test]
fn a_port_that_is_not_forwarded_is_missed_when_asked_for() {
    let other = Some(HostPort::new(6000).unwrap());
    let facts = |port, forwards, missing| Facts { port, forwards, missing, ..good() };
    let one = || vec![forward(None)];
    let asked = Facts { more: Some("MORE".to_owned()), ..facts(other, one(), Vec::new()) };
    let missing = forwarded(&asked).unwrap();
    is(&missing, Fail, "6000 is not forwarded", "'MORE'");
    assert_eq!(missing.name, "sidecar 6000");
    assert_eq!(forwarded(&facts(Some(REGISTRY_PORT), one(), Vec::new())), None);
    assert_eq!(forwarded(&facts(None, one(), Vec::new())), None);
    is(&forwarded(&facts(None, Vec::new(), Vec::new())).unwrap(), Warn, "no port", "--allow-host-port 5000");
}

#[test]
fn a_sidecar_that_is_gone_is_missing_and_not_unknown() {
    let gone = Forward::plain(HostPort::new(6000).unwrap());
    let facts = |port: HostPort| Facts { port: Some(port), missing: vec![gone.clone()], ..good() };
    assert_eq!(forwarded(&facts(gone.port)), None);
    let checks = all(&facts(gone.port));
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
    is(
        &sidecar(&Examined { stale: true, ..forward(None) }, None, "START"),
        Fail,
        "has left",
        "'START' repairs it",
    );
    let state = |state| {
        let place = Sidecar {
            port: REGISTRY_PORT,
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
    let check = |outcome, finding| {
        let report = report(outcome, None);
        target(&Examined { finding, ..told(report.clone()) }, &report).unwrap()
    };
    is(&check(Outcome::Accepted, None), Fine, "gateway:5000 accepts (90 us)", "");
    let finding = Finding { why: "refused: nothing".to_owned(), help: "start it".to_owned(), blocked: false };
    is(&check(Outcome::Refused, Some(finding)), Fail, "gateway:5000: refused: nothing", "start it");
    assert_eq!(check(Outcome::Unknown, None).verdict, Fail);
    assert_eq!(target(&forward(None), &Status::default()), None, "it was not tried");
}

#[test]
fn what_a_registry_speaks_is_told() {
    let check = |speaks| {
        let report = report(Outcome::Accepted, Some(speaks));
        registry(&told(report.clone()), &report, START).unwrap()
    };
    is(&check(Speaks::Http { status: 200, registry: true }), Fine, "speaks http", "");
    is(&check(Speaks::Http { status: 401, registry: false }), Fine, "/v2/", "");
    is(&check(Speaks::Http { status: 404, registry: false }), Warn, "status 404: not a registry", "nothing");
    is(&check(Speaks::Tls), Warn, "https", "--registry-ca localhost:5000=ca.pem");
    for speaks in [Speaks::Closed, Speaks::Silent, Speaks::Other] {
        is(&check(speaks), Warn, "neither", "nothing");
    }
    let report = report(Outcome::Accepted, None);
    assert_eq!(registry(&told(report.clone()), &report, START), None, "it was not asked");
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

#[test]
fn ports_run_out_when_most_of_them_wait() {
    let with = |ports, time_wait| {
        let mut report = report(Outcome::Accepted, None);
        report.kernel = Some(Kernel { ports, time_wait, ..Kernel::default() });
        super::ports(&[&report], "START")
    };
    is(&with(Some(55_001), Some(100)).unwrap(), Fine, "55001", "");
    is(&with(Some(55_001), None).unwrap(), Fine, "55001", "");
    is(&with(Some(55_000), Some(44_001)).unwrap(), Warn, "44001 of 55000", "keep connections open");
    is(
        &with(Some(1000), Some(0)).unwrap(),
        Warn,
        "only 1000",
        "'docker assemble backend stop' and then 'START'",
    );
    assert_eq!(with(None, Some(1)), None);
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
