//! Starts and stops with a dialer, against an engine in memory.

use bytes::Bytes;
use docker_assemble::commands::builder::Registered;
use docker_assemble::commands::{Session, info, start, stop};
use docker_assemble::desired::Desired;
use docker_assemble::forward::{Target, asked, merge};
use docker_assemble::observed::{Container, State};
use docker_plugin::cancel::Cancel;
use docker_plugin::output::{Form, Progress};

use crate::fake_engine::{FakeEngine, World};
use crate::screen::Screen;
use crate::world::{self, IMAGE, PROXY, forwards, port, user, wish};

fn dialling() -> Desired {
    Desired { forwards: forwards("5000@loopback"), ..wish() }
}

/// Runs something with a session and returns what it printed.
macro_rules! run {
    ($engine:expr, $session:ident => $command:expr) => {{
        let screen = Screen::default();
        let (user, console, cancel) = (user(), screen.console(), Cancel::never());
        let $session =
            Session { engine: $engine, user: &user, console: &console, cancel: &cancel, limit: None };
        (($command).await, screen)
    }};
}

async fn run_start(engine: &FakeEngine, wish: &Desired) -> anyhow::Result<()> {
    let archive = || Bytes::from_static(PROXY.as_bytes());
    run!(engine, session => start::run(session, wish, Progress::Auto, &archive)).0
}

async fn run_stop(engine: &FakeEngine) -> anyhow::Result<()> {
    run!(engine, session => stop::run(session, None)).0
}

fn is_empty(engine: &FakeEngine) -> bool {
    engine.containers_now().is_empty() && engine.world().volumes.is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_dialer_is_made_before_its_sidecars_and_removed_with_its_volume() {
    let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
    run_start(&engine, &dialling()).await.unwrap();
    let made = [
        "create B",
        "upload B",
        "start B",
        "create volume B-dialer",
        "create B-dialer",
        "start B-dialer",
        "create B-proxy-port-5000",
        "start B-proxy-port-5000",
    ];
    assert_eq!(engine.world().log, made);

    run_start(&engine, &dialling()).await.unwrap();
    assert_eq!(engine.world().log.len(), made.len(), "there was nothing to do");

    run_stop(&engine).await.unwrap();
    assert_eq!(
        engine.world().log[made.len()..],
        ["remove B-proxy-port-5000", "remove B-dialer", "stop B", "remove B", "remove volume B-dialer"]
    );
    assert!(is_empty(&engine));
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_call_leaves_neither_dialer_nor_volume() {
    for n in 1..=8 {
        let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
        engine.world().fail = Some(n);
        let error = format!("{:#}", run_start(&engine, &dialling()).await.unwrap_err());
        assert!(is_empty(&engine), "call {n}: {:?}", engine.world().log);
        assert!(!error.contains("cleaning up"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dialer_that_ends_at_once_fails_the_start() {
    let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
    engine.world().ending.insert(user().dialer());
    let error = format!("{:#}", run_start(&engine, &dialling()).await.unwrap_err());
    assert_eq!(error, "container \"docker-assemble-backend-ann-dialer\" ended right after its start");
    assert!(is_empty(&engine));
}

/// A sidecar that an earlier start had asked for and the engine makes only now.
fn late() -> Container {
    let spec = docker_assemble::spec::sidecar(&dialling(), dialling().forwards.first().unwrap());
    Container { name: spec.name.clone(), state: State::Created, ..world::container("late", spec.labels) }
}

/// Has the engine make the container, with the dialer's volume, right before the call of this number.
fn appears(engine: &FakeEngine, number: usize, container: Container) {
    let appear = move |world: &mut World| {
        world.mounts.insert((container.id.clone(), user().dialer_volume()));
        world.containers.push(container);
    };
    engine.world().events.push((number, Box::new(appear)));
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_and_has_the_volume_is_found_by_another_look() {
    // Of a start that is followed by a stop.
    let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
    run_start(&engine, &dialling()).await.unwrap();
    let calls = engine.world().log.len();
    appears(&engine, calls + 5, late());
    run_stop(&engine).await.unwrap();
    assert!(is_empty(&engine), "{:?}", engine.world().log);

    // And of one that is followed by a start that needs no volume.
    let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
    run_start(&engine, &dialling()).await.unwrap();
    let calls = engine.world().log.len();
    appears(&engine, calls + 4, late());
    run_start(&engine, &wish()).await.unwrap();
    assert_eq!(engine.containers_now().len(), 2);
    assert!(engine.world().volumes.is_empty(), "{:?}", engine.world().log);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_stays_in_use_is_an_error_after_the_last_look() {
    let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
    run_start(&engine, &dialling()).await.unwrap();
    let stranger = Container { labels: Default::default(), ..late() };
    let calls = engine.world().log.len();
    appears(&engine, calls + 1, stranger);
    let error = format!("{:#}", run_stop(&engine).await.unwrap_err());
    assert_eq!(error, "remove volume \"docker-assemble-backend-ann-dialer\": volume is in use");
    let looks = engine.world().log.iter().filter(|call| *call == "remove volume B-dialer").count();
    assert_eq!(looks, docker_assemble::apply::ROUNDS as usize);
}

#[tokio::test(start_paused = true)]
async fn hints_keep_what_is_forwarded() {
    let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
    let wish = Desired { forwards: forwards("5000:5001@loopback,80=192.0.2.7:8080"), ..wish() };
    run_start(&engine, &wish).await.unwrap();
    let backend = engine.world().containers.iter().position(|container| container.name == user().backend());
    engine.world().containers[backend.unwrap()].state = State::Exited;
    let (result, screen) = run!(&engine, session => info::run(session, info::Info::All { form: Form::Text, verbose: false }, Registered::No));
    result.unwrap();
    assert_eq!(screen.err(), "");
    let out = screen.out();
    for line in [
        "docker-assemble-backend-ann-proxy-port-80-to-8080 (stale), to port 8080 of 192.0.2.7\n",
        "docker-assemble-backend-ann-proxy-port-5000-to-5001 (stale), to port 5001 on the host's loopback\n",
        "docker-assemble-backend-ann-dialer (running), leads to the host's loopback\n",
        "'docker assemble backend start --allow-host-port 5000:5001@loopback --forward 80=192.0.2.7:8080' replaces it",
        "'docker assemble backend start --allow-host-port 5000:5001@loopback --forward 80=192.0.2.7:8080' starts it.",
    ] {
        assert!(out.contains(line), "{line} is not in:\n{out}");
    }
}

/// As a name of the engine's side before any backend runs that could be asked.
#[tokio::test]
async fn a_name_that_nobody_here_knows_is_left_to_the_relay() {
    let engine = FakeEngine::with_images(&[IMAGE, PROXY]);
    let resolved = |word: &str| {
        let (engine, asked) = (&engine, merge(None, &asked::hosts(word).unwrap(), false).unwrap());
        async move { run!(engine, session => start::resolve(session, &asked)).0 }
    };
    let forwards = resolved("5000=nobody-knows-it.invalid:80").await.unwrap();
    let targets: Vec<_> = forwards.into_iter().map(|forward| forward.target).collect();
    let name = "nobody-knows-it.invalid".parse().unwrap();
    assert_eq!(targets, [Target::Name { name, fallback: None, port: port(80) }]);
    // It takes nothing for a name whose last part is a number.
    let error = resolved("5000=nobody-knows-it.999").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot look up host \"nobody-knows-it.999\" of --forward");
}
