//! How forwards do: what `info`, `doctor` and `stats` find out about real ones.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Backend, Background, Outcome, PATIENCE, Registry, docker, eventually, free_port, run};

/// The forward of `port`, as `info` describes it.
#[track_caller]
fn forward(backend: &Backend, port: u16) -> Value {
    let info = backend.run(&["info", "--format", "json"]).ok();
    let object: Value = serde_json::from_str(&info.stdout).unwrap();
    let sidecars = object["Sidecars"].as_array().unwrap();
    let found = sidecars.iter().find(|sidecar| sidecar["Port"] == port);
    found.unwrap_or_else(|| panic!("{object:#}"))["Forward"].clone()
}

/// What the doctor says, by check.
#[track_caller]
fn diagnosis(outcome: &Outcome) -> Vec<(String, String, String)> {
    let object: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    let word = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let checks = object["Checks"].as_array().unwrap().iter();
    checks.map(|check| (word(check, "Name"), word(check, "Verdict"), word(check, "Why"))).collect()
}

#[track_caller]
fn verdict<'a>(checks: &'a [(String, String, String)], name: &str) -> &'a str {
    let found = checks.iter().find(|(of, ..)| of == name);
    &found.unwrap_or_else(|| panic!("no {name} in {checks:#?}")).1
}

#[test]
#[ignore = "needs a docker engine"]
fn info_tells_whether_each_target_accepts_and_why_not() {
    let backend = Backend::new();
    let [open, closed, local] = [free_port(), free_port(), free_port()];
    let _open = TcpListener::bind((Ipv4Addr::UNSPECIFIED, open)).unwrap();
    let _local = TcpListener::bind((Ipv4Addr::LOCALHOST, local)).unwrap();
    backend.start(&[open, closed, local]);

    let good = forward(&backend, open);
    assert_eq!((&good["Health"], &good["Why"]), (&"accepted".into(), &Value::Null), "{good:#}");
    assert_eq!(good["Target"], format!("gateway:{open}"));
    assert!(good["LatencyMicros"].is_u64(), "{good:#}");

    let bad = forward(&backend, closed);
    assert_eq!(bad["Health"], "refused");
    assert_eq!(bad["Why"], format!("refused: nothing listens on port {closed} of this host"));

    let bad = forward(&backend, local);
    assert_eq!(bad["Health"], "refused");
    assert!(bad["Why"].as_str().unwrap().contains("on 127.0.0.1 only"), "{bad:#}");
    let help = bad["Help"].as_str().unwrap();
    assert!(help.contains(&format!("{local}@loopback")), "{help}");
    for kept in [open, closed] {
        assert!(help.contains(&kept.to_string()), "{help}");
    }
}

/// A rule of this host's firewall, taken out when dropped.
struct Rule(Vec<String>);

impl Rule {
    #[track_caller]
    fn insert(words: &str) -> Self {
        let rule = Self(words.split_whitespace().map(str::to_owned).collect());
        rule.iptables("-I").ok();
        rule
    }

    fn iptables(&self, deed: &str) -> Outcome {
        run(Command::new("iptables").args(["-w", deed, "INPUT"]).args(&self.0))
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let _ = self.iptables("-D");
    }
}

#[test]
#[ignore = "needs a docker engine, and root for a rule of the firewall"]
fn a_firewall_is_named_as_the_cause_and_the_command_that_is_printed_helps() {
    let (backend, port) = (Backend::new(), free_port());
    let _service = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    backend.start(&[port]);
    let gateway = backend.inspect()["NetworkSettings"]["Networks"]["bridge"]["Gateway"].clone();
    let gateway = gateway.as_str().unwrap();
    for (deed, health, said) in
        [("DROP", "timed_out", "drops"), ("REJECT --reject-with icmp-port-unreachable", "refused", "rejects")]
    {
        let _closed = Rule::insert(&format!("-p tcp -d {gateway} --dport {port} -j {deed}"));
        let bad = forward(&backend, port);
        assert_eq!(bad["Health"], health, "{bad:#}");
        let why = bad["Why"].as_str().unwrap();
        assert!(why.contains(&format!("a firewall {said} traffic from the engine's bridge")), "{why}");

        let help = bad["Help"].as_str().unwrap();
        let command = help.split('\'').find_map(|part| part.strip_prefix("iptables -I INPUT "));
        let _open = Rule::insert(command.unwrap_or_else(|| panic!("{help}")));
        let good = forward(&backend, port);
        assert_eq!(good["Health"], "accepted", "{good:#}");
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_doctor_finds_nothing_wrong_with_a_good_backend_and_what_is_with_another() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    let port = registry.port.to_string();
    let checks = diagnosis(&backend.run(&["doctor", &port, "--format", "json"]).ok());
    assert!(checks.iter().all(|(_, verdict, _)| verdict != "fail"), "{checks:#?}");
    for name in
        ["engine", "version", "host", "backend", "security", "buildkit", "RUN steps", "gateway", "disk"]
    {
        assert_eq!(verdict(&checks, name), "ok", "{checks:#?}");
    }
    for name in ["sidecar", "target", "registry"] {
        assert_eq!(verdict(&checks, &format!("{name} {port}")), "ok", "{checks:#?}");
    }

    drop(registry);
    let ill = backend.run(&["doctor", "--format", "json"]).fails(1);
    let checks = diagnosis(&ill);
    assert_eq!(verdict(&checks, &format!("target {port}")), "fail", "{checks:#?}");
    assert_eq!(verdict(&checks, "buildkit"), "ok");
    let text = backend.run(&["doctor"]).fails(1).stdout;
    assert!(text.contains(&format!("\nfail  target {port}")), "{text}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_doctor_is_of_use_without_a_backend_and_without_an_engine() {
    let backend = Backend::new();
    let checks = diagnosis(&backend.run(&["doctor", "--format", "json"]).ok());
    assert_eq!((verdict(&checks, "engine"), verdict(&checks, "backend")), ("ok", "warn"));
    let mut command = backend.command(&["doctor", "--format", "json"]);
    let endpoint = format!("unix://{}/docker.sock", backend.home().display());
    let outcome = run(command.env("DOCKER_HOST", &endpoint)).fails(1);
    let checks = diagnosis(&outcome);
    assert_eq!(verdict(&checks, "engine"), "fail");
    assert!(checks[0].2.contains(&endpoint), "{checks:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn what_went_through_a_forward_is_counted() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    let before = forward(&backend, registry.port);
    assert_eq!((&before["Opened"], &before["BytesDown"]), (&0.into(), &0.into()), "{before:#}");
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");

    // A connection is counted as it ends, which the client does not wait for.
    let after = eventually("the connection has ended", PATIENCE, || {
        Some(forward(&backend, registry.port)).filter(|forward| forward["Active"] == 0)
    });
    assert_eq!(after["Opened"], 1, "{after:#}");
    let stats = backend.run(&["stats", "--format", "json"]).ok();
    assert_eq!(stats.stdout.lines().count(), 1, "{stats:?}");
    let tick: Value = serde_json::from_str(&stats.stdout).unwrap();
    let line = &tick["Forwards"][0];
    assert_eq!((&line["BytesUp"], &line["BytesDown"]), (&after["BytesUp"], &after["BytesDown"]));
    assert!(line["BytesUp"].as_u64().unwrap() > 50 && line["BytesDown"].as_u64().unwrap() > 50, "{line:#}");
    assert_eq!(line["UpPerSecond"], 0);
    let table = backend.run(&["stats"]).ok().stdout;
    assert!(table.starts_with("PORT ") && !table.contains('\x1b'), "{table}");
    assert!(table.contains(&format!("gateway:{}", registry.port)), "{table}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_watch_goes_on_until_it_is_interrupted() {
    let backend = Backend::new();
    backend.start(&[free_port()]);
    let mut command = backend.command(&["stats", "--watch", "--format", "json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let tick: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(tick["Forwards"].as_array().unwrap().len(), 1);
    }
    let kill = Background::start(Command::new("kill").args(["-s", "INT", &child.id().to_string()]));
    kill.outcome().ok();
    // Whatever was begun is finished; then the output ends.
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_sidecar_that_hangs_does_not_hold_up_info() {
    let backend = Backend::new();
    let [paused, stopped] = [free_port(), free_port()];
    backend.start(&[paused, stopped]);
    docker(&["pause", &backend.sidecar(paused)]).ok();
    // The engine passes the signal on to the relay itself.
    docker(&["kill", "--signal", "STOP", &backend.sidecar(stopped)]).ok();
    let info = backend.run(&["info"]).ok();
    assert!(info.stdout.contains(&format!("{} (paused)\n", backend.sidecar(paused))), "{info:?}");
    assert!(info.stdout.contains("   Does not answer"), "{info:?}");
    let checks = diagnosis(&backend.run(&["doctor", "--format", "json"]).fails(1));
    for port in [paused, stopped] {
        assert_eq!(verdict(&checks, &format!("sidecar {port}")), "fail", "{checks:#?}");
    }
    docker(&["kill", "--signal", "CONT", &backend.sidecar(stopped)]).ok();
    docker(&["unpause", &backend.sidecar(paused)]).ok();
}
