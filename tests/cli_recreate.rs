//! Starts that are only shown, and starts that replace a backend, against an engine in memory.

#[path = "support/fake_engine.rs"]
#[expect(dead_code, reason = "other tests kill commands")]
mod fake_engine;
#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod world;

use bytes::Bytes;
use docker_assemble::cancel::Cancel;
use docker_assemble::commands::{Session, start};
use docker_assemble::desired::{Desired, Security};
use docker_assemble::observed::State;
use docker_assemble::output::Progress;
use fake_engine::FakeEngine;
use screen::Screen;
use world::{IMAGE, PROXY, user, wish};

/// Runs a start and returns what it printed.
async fn run_start(engine: &FakeEngine, wish: &Desired, cancel: &Cancel) -> (anyhow::Result<()>, Screen) {
    let screen = Screen::default();
    let (user, console) = (user(), screen.console());
    let session = Session { engine, user: &user, console: &console, cancel, limit: None };
    let result = start::run(session, wish, Progress::Auto, &|| Bytes::from_static(PROXY.as_bytes())).await;
    (result, screen)
}

async fn must_start(engine: &FakeEngine, wish: &Desired) -> Screen {
    let (result, screen) = run_start(engine, wish, &Cancel::never()).await;
    result.unwrap();
    screen
}

fn fresh() -> FakeEngine {
    FakeEngine::with_images(&[IMAGE])
}

fn names(engine: &FakeEngine) -> Vec<(String, State)> {
    engine.containers_now()
}

#[tokio::test(start_paused = true)]
async fn a_preview_names_every_step_and_takes_none() {
    let engine = FakeEngine::with_images(&[]);
    let preview = async |engine: &FakeEngine, wish: &Desired| {
        let screen = Screen::default();
        let (user, console, cancel) = (user(), screen.console(), Cancel::never());
        let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
        start::preview(session, wish).await.unwrap();
        screen
    };
    let b = wish().user.backend();
    assert_eq!(
        preview(&engine, &wish()).await.out(),
        format!(
            "Would pull image \"{IMAGE}\"\n\
             Would load the built-in image \"{PROXY}\"\n\
             Would create and start container \"{b}\" from image \"{IMAGE}\", privileged where the engine allows it\n\
             Would create and start container \"{b}-proxy-port-5000\" from image \"{PROXY}\", without privileges\n"
        )
    );
    assert_eq!(engine.world().log, Vec::<String>::new());

    let engine = fresh();
    must_start(&engine, &wish()).await;
    let (before, calls) = (names(&engine), engine.world().log.len());
    assert_eq!(preview(&engine, &wish()).await.out(), format!("Backend \"{b}\" is already running\n"));
    let other = Desired { security: Security::Restricted, recreate: true, ..wish() };
    let screen = preview(&engine, &other).await;
    assert!(screen.err().starts_with("WARNING: the build cache of"), "{}", screen.err());
    assert!(screen.out().contains("which was made from other settings\n"), "{}", screen.out());
    assert_eq!((names(&engine), engine.world().log.len()), (before, calls));
}

#[tokio::test(start_paused = true)]
async fn a_backend_is_replaced_when_that_is_asked_for() {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let other = Desired { security: Security::Restricted, ..wish() };
    let (refused, _) = run_start(&engine, &other, &Cancel::never()).await;
    assert!(refused.unwrap_err().to_string().contains("'--recreate'"));

    let calls = engine.world().log.len();
    must_start(&engine, &Desired { recreate: true, ..other }).await;
    assert_eq!(
        engine.world().log[calls..],
        [
            "remove B-proxy-port-5000",
            "stop B",
            "remove B",
            "create B",
            "upload B",
            "start B",
            "create B-proxy-port-5000",
            "start B-proxy-port-5000",
        ]
    );
    let b = wish().user.backend();
    assert_eq!(
        names(&engine),
        [(b.0.clone(), State::Running), (format!("{b}-proxy-port-5000"), State::Running)]
    );
}
