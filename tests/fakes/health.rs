//! How forwards do, against an engine in memory: what `info`, `doctor` and `stats` make of what
//! sidecars say, of those that say nothing, and of an engine that is not there.

use bytes::Bytes;
use docker_assemble::commands::builder::Registered;
use docker_assemble::commands::doctor::{self, Doctor, Examination};
use docker_assemble::commands::info::Info;
use docker_assemble::commands::{self, Session, info, start, stats};
use docker_assemble::desired::{ContainerName, Desired, Port, Ports};
use docker_assemble::forward::Forward;
use docker_assemble::forward::asked::Asked;
use docker_assemble::observed::State;
use docker_plugin::cancel::{self, Cancel, Cause};
use docker_plugin::exit::Exit;
use docker_plugin::output::{Form, ObjectForm, Progress};
use serde_json::{Value, json};

use crate::fake_engine::FakeEngine;
use crate::screen::Screen;
use crate::world::{IMAGE, PROXY, ports, user, wish};

/// What a sidecar says whose target does so.
fn status(result: &str) -> String {
    json!({
        "version": "0.1.0", "target": "gateway:5000", "addrs": ["192.0.2.1:5000"],
        "active": 1, "opened": 12, "failed": {"refused": 2}, "bytes_up": 3_400_000, "bytes_down": 12_000,
        "last_error": {"reason": "refused", "text": "Connection \u{1b}[2Jrefused", "age_ms": 180_000},
        "probe": {"result": result, "latency_us": 90},
        "kernel": {"pipe_user_pages_soft": 16_384, "ports": 55_001, "time_wait": 0},
    })
    .to_string()
}

fn sidecar(port: u16) -> ContainerName {
    user().sidecar(&Forward::plain(Port::new(port).unwrap()))
}

async fn start(engine: &FakeEngine, desired: Desired) {
    let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
    let console = screen.console();
    let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
    let image = || Bytes::from_static(PROXY.as_bytes());
    start::run(session, &desired, Progress::Auto, &image).await.unwrap();
}

/// A backend with these ports whose sidecars say that their targets do so.
async fn started(forwards: &[u16], result: &str) -> FakeEngine {
    let engine = FakeEngine::with_images(&[IMAGE]);
    start(&engine, Desired { forwards: ports(forwards), ..wish() }).await;
    for port in forwards {
        engine.world().said.insert(sidecar(*port), (0, status(result)));
    }
    engine
}

/// What `info` prints as far as it gets without a BuildKit.
async fn described(engine: &FakeEngine) -> String {
    let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
    let console = screen.console();
    let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
    info::run(session, Info::All { form: Form::Text, verbose: false }, Registered::No).await.unwrap_err();
    screen.out()
}

async fn diagnosed(engine: &FakeEngine, port: Option<u16>) -> Value {
    let screen = Screen::default();
    let user = user();
    let asked = port.map(|port| Asked::from(&Forward::plain(Port::new(port).unwrap())));
    let patient = Doctor {
        engine: Ok(engine),
        user: Some(&user),
        builder: Registered::No,
        proxies: Vec::new(),
        runtime: None,
    };
    let ended = doctor::run(
        patient,
        &screen.console(),
        Examination { asked: asked.into_iter().collect(), limit: None, form: Form::Object(ObjectForm::Json) },
    )
    .await;
    let object: Value = serde_json::from_str(&screen.out()).unwrap();
    assert_eq!(ended.is_err(), object["Verdict"] == "fail", "{object}");
    object
}

#[track_caller]
fn check<'a>(object: &'a Value, name: &str) -> &'a Value {
    let checks = object["Checks"].as_array().unwrap();
    checks.iter().find(|check| check["Name"] == name).unwrap_or_else(|| panic!("no {name} in {object:#}"))
}

#[tokio::test(start_paused = true)]
async fn info_tells_below_a_sidecar_how_its_forward_does() {
    let text = described(&started(&[5000], "accepted").await).await;
    let name = sidecar(5000);
    let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("Sidecar")).collect();
    assert_eq!(
        lines[..5],
        [
            "Sidecar containers:".to_owned(),
            format!(" - 000000000005 {name} (running)"),
            "   Target gateway:5000 accepts".to_owned(),
            "   Connections: 1 open, 12 in all, 2 failed; 3.4MB up, 12kB down".to_owned(),
            "   Last error 3 minutes ago: Connection [2Jrefused".to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn info_names_the_cause_and_keeps_the_other_forwards_in_what_helps() {
    let engine = started(&[5000, 6000], "refused").await;
    let text = described(&engine).await;
    // The gateway is no address of this machine, so its tables tell nothing.
    assert!(
        text.contains("   Target gateway:5000: refused: nothing listens on port 5000 of the engine's host")
    );
    assert_eq!(text.matches("   What helps: ").count(), 2, "{text}");
}

/// Whoever runs one printed command after the other must not take the first change back.
#[tokio::test(start_paused = true)]
async fn one_command_helps_all_forwards_with_a_cause_in_common() {
    let engine = started(&[5000, 6000], "refused").await;
    engine.world().operating_system = "Docker Desktop".to_owned();
    let text = described(&engine).await;
    let help = "   What helps: 'docker assemble backend start --allow-host-port 0 \
                --forward 5000=host.docker.internal:5000,6000=host.docker.internal:5000'\n";
    assert_eq!(text.matches(help).count(), 2, "{text}");
    assert_eq!(text.matches("and not this computer\n").count(), 2, "{text}");
}

/// Of ten ports, no way leads to two.
#[tokio::test(start_paused = true)]
async fn a_container_is_not_to_blame_for_a_port_between_those_that_are_not_reached() {
    let engine = FakeEngine::with_images(&[IMAGE]);
    let range = Forward::plain("8000-8009".parse::<Ports>().unwrap());
    start(&engine, Desired { forwards: [range.clone()].into(), ..wish() }).await;
    let result = |port| if port == 8000 || port == 8004 { "timed_out" } else { "accepted" };
    let ports = (8000..8010)
        .map(|port| json!({ "port": port, "probe": { "result": result(port), "latency_us": 9 } }));
    let said = json!({ "version": "0.1.0", "target": "gateway:8000", "addrs": ["192.0.2.1:8000"], "ports": ports.collect::<Vec<_>>() });
    engine.world().said.insert(user().sidecar(&range), (0, said.to_string()));
    let told = async |ports: &[u16]| {
        let ports = ports.iter().filter_map(|port| Port::new(*port)).collect();
        engine.world().published = Some((ports, ContainerName("web".to_owned())));
        described(&engine).await
    };
    let text = told(&[8002]).await;
    assert!(text.contains("Target gateway:8000, 8004: timed out: a firewall"), "{text}");
    let text = told(&[8000, 8004]).await;
    assert!(text.contains("Target gateway:8000, 8004: timed out: container \"web\" publishes"), "{text}");
    // What helps leaves the ports that accept alone.
    assert!(text.contains("--allow-host-port 8000@loopback,8001-8003,8004@loopback,8005-8009'"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_does_not_answer_holds_up_nobody() {
    let engine = started(&[5000, 6000], "accepted").await;
    engine.world().hung.insert(sidecar(5000));
    let text = described(&engine).await;
    assert!(text.contains("   Does not answer within 8 s\n"), "{text}");
    assert!(text.contains("   Target gateway:5000 accepts\n"), "{text}");
    let object = diagnosed(&engine, None).await;
    assert_eq!(check(&object, "sidecar 5000")["Verdict"], "fail");
    assert_eq!(check(&object, "sidecar 6000")["Verdict"], "ok");
}

#[tokio::test(start_paused = true)]
async fn an_older_sidecar_is_told_as_such() {
    let engine = started(&[5000], "accepted").await;
    let words = "error: unrecognized subcommand 'status'\n\nUsage: assemble-proxy [OPTIONS]\n";
    engine.world().said.insert(sidecar(5000), (2, words.to_owned()));
    assert!(described(&engine).await.contains("   This sidecar is of an older version"));
    let object = diagnosed(&engine, None).await;
    assert_eq!(check(&object, "sidecar 5000")["Verdict"], "warn");
}

#[tokio::test(start_paused = true)]
async fn a_doctor_tells_what_is_wrong_and_fails() {
    let engine = started(&[5000], "refused").await;
    let object = diagnosed(&engine, None).await;
    assert_eq!(check(&object, "engine")["Verdict"], "ok");
    assert_eq!(check(&object, "backend")["Verdict"], "ok");
    assert_eq!(check(&object, "buildkit")["Verdict"], "fail");
    let target = check(&object, "target 5000");
    assert_eq!(target["Verdict"], "fail");
    assert!(target["Help"].as_str().unwrap().contains("ss -ltn"), "{target}");
    assert_eq!(check(&object, "pipes")["Verdict"], "ok");
    assert_eq!(check(&diagnosed(&engine, Some(7000)).await, "sidecar 7000")["Verdict"], "fail");
}

#[tokio::test(start_paused = true)]
async fn a_doctor_needs_no_backend_and_no_engine() {
    let object = diagnosed(&FakeEngine::default(), None).await;
    assert_eq!(check(&object, "backend")["Verdict"], "warn");

    let screen = Screen::default();
    let patient: Doctor<'_, FakeEngine> = Doctor {
        engine: Err("no such context".to_owned()),
        user: None,
        builder: Registered::No,
        proxies: Vec::new(),
        runtime: None,
    };
    let ended = doctor::run(patient, &screen.console(), Examination::default()).await;
    // The machine's own tables may be a check more.
    assert!(ended.unwrap_err().to_string().starts_with("1 of "));
    assert!(screen.out().starts_with("fail  engine          no such context\n"), "{}", screen.out());
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_is_gone_is_missing() {
    let engine = started(&[5000, 6000], "accepted").await;
    engine.world().containers.retain(|container| container.name != sidecar(5000));
    let text = described(&engine).await;
    let (name, start) = (sidecar(5000), "docker assemble backend start --allow-host-port 5000,6000");
    let lines = format!(" - <missing> {name} (missing)\n   What helps: '{start}' makes it again\n - 0");
    assert!(text.contains(&lines), "{text}");
    let check = check(&diagnosed(&engine, None).await, "sidecar 5000").clone();
    assert_eq!((&check["Verdict"], &check["Why"]), (&json!("fail"), &json!("is missing")));
}

#[tokio::test(start_paused = true)]
async fn a_paused_sidecar_is_not_asked() {
    let engine = started(&[5000], "accepted").await;
    {
        let mut world = engine.world();
        world.hung.insert(sidecar(5000));
        let container = world.containers.iter_mut().find(|container| container.name == sidecar(5000));
        container.unwrap().state = State::Paused;
    }
    let text = described(&engine).await;
    assert!(
        text.contains(
            "(paused)\n   What helps: 'docker unpause docker-assemble-backend-ann-proxy-port-5000'"
        ),
        "{text}"
    );
    assert_eq!(check(&diagnosed(&engine, None).await, "sidecar 5000")["Verdict"], "fail");
}

async fn measured(
    engine: &FakeEngine,
    stats: stats::Stats,
    screen_moves: bool,
    cancel: &Cancel,
) -> (anyhow::Result<()>, String) {
    let (screen, user) = (Screen::default(), user());
    let console = screen.console();
    let session = Session { engine, user: &user, console: &console, cancel, limit: None };
    // As every command is run.
    (session.unless_cancelled(stats::run(session, &stats, screen_moves)).await, screen.out())
}

#[tokio::test]
async fn stats_are_one_sample_unless_watched() {
    let engine = started(&[5000, 6000], "accepted").await;
    engine.world().said.remove(&sidecar(6000));
    let (ended, text) = measured(&engine, stats::Stats::default(), false, &Cancel::never()).await;
    ended.unwrap();
    let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[1], ["5000", "gateway:5000", "1", "12", "2", "0B", "0B", "3.4MB", "12kB"]);
    assert_eq!(lines[2][..3], ["6000", "(no", "answer)"]);

    let stats = stats::Stats { form: Form::Object(ObjectForm::Json), ..stats::Stats::default() };
    let (ended, text) = measured(&engine, stats, false, &Cancel::never()).await;
    ended.unwrap();
    assert_eq!(text.lines().count(), 1);
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["Forwards"][0]["BytesUp"], 3_400_000);
    assert_eq!(object["Forwards"][1]["Error"], "no answer");
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_the_user_wants_it() {
    let engine = started(&[5000], "accepted").await;
    let (canceller, cancel) = cancel::pair();
    let stats = stats::Stats { watch: true, form: Form::Object(ObjectForm::Json), ..stats::Stats::default() };
    let ending = async {
        // Two samples at least.
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        canceller.cancel(Cause::Interrupt);
    };
    let ((ended, text), ()) = tokio::join!(measured(&engine, stats, true, &cancel), ending);
    assert_eq!(commands::exit(&ended.unwrap_err()), Exit::Cancelled(Cause::Interrupt));
    assert!(text.lines().count() >= 2, "{text}");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
}

#[tokio::test]
async fn stats_need_a_backend_that_runs() {
    let (ended, text) =
        measured(&FakeEngine::default(), stats::Stats::default(), false, &Cancel::never()).await;
    assert!(ended.unwrap_err().to_string().contains("backend start"));
    assert_eq!(text, "");
}
