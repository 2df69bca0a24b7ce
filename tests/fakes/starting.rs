//! A start against an engine in memory, and what it printed.

use bytes::Bytes;
use docker_assemble::commands::{Session, start};
use docker_assemble::desired::Desired;
use docker_plugin::cancel::Cancel;
use docker_plugin::output::Progress;

use crate::fake_engine::FakeEngine;
use crate::screen::Screen;
use crate::world::{IMAGE, PROXY, user};

/// An engine that has BuildKit's image and nothing else.
pub(crate) fn fresh() -> FakeEngine {
    FakeEngine::with_images(&[IMAGE])
}

/// Runs a start and returns what it printed.
pub(crate) async fn run_start(
    engine: &FakeEngine,
    wish: &Desired,
    cancel: &Cancel,
) -> (anyhow::Result<()>, Screen) {
    let screen = Screen::default();
    let (user, console) = (user(), screen.console());
    let session = Session { engine, user: &user, console: &console, cancel, limit: None };
    let result = start::run(session, wish, Progress::Auto, &|| Bytes::from_static(PROXY.as_bytes())).await;
    (result, screen)
}

pub(crate) async fn must_start(engine: &FakeEngine, wish: &Desired) -> Screen {
    let (result, screen) = run_start(engine, wish, &Cancel::never()).await;
    result.unwrap();
    screen
}
