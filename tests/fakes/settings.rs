//! Settings that change while a backend runs, against an engine in memory.

use docker_assemble::desired::{Choice, Desired, Settings};
use docker_plugin::cancel::{self, Cancel, Cause};

use crate::fake_engine::FakeEngine;
use crate::starting::{fresh, must_start, run_start};
use crate::world::{chosen, forwards, wish};

fn limited(memory: &str, ports: &str) -> Desired {
    let settings = Settings { chosen: chosen(&[(Choice::Memory, memory)]), ..Settings::default() };
    Desired { settings, forwards: forwards(ports), ..wish() }
}

fn memory(engine: &FakeEngine) -> Vec<String> {
    let world = engine.world();
    let backend = world.containers.iter().find(|container| container.name == wish().user.backend());
    backend.unwrap().settings.chosen.words(Choice::Memory)
}

async fn running() -> (FakeEngine, usize) {
    let engine = fresh();
    must_start(&engine, &limited("1g", "5000")).await;
    let calls = engine.world().log.len();
    (engine, calls)
}

#[tokio::test(start_paused = true)]
async fn a_change_comes_last_and_is_told() {
    let (engine, calls) = running().await;
    let (done, screen) = run_start(&engine, &limited("2g", "5000,6000"), &Cancel::never()).await;
    done.unwrap();
    let log = engine.world().log[calls..].to_vec();
    assert_eq!(log, ["upload B", "create B-proxy-port-6000", "start B-proxy-port-6000", "update B"]);
    assert!(screen.out().ends_with("\" to memory \"2g\"\n"), "{}", screen.out());
    assert_eq!(memory(&engine), ["2g"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_the_engine_refuses_takes_the_rest_back() {
    let (engine, calls) = running().await;
    let before = engine.containers_now();
    engine.world().fail = Some(calls + 4);
    let (done, screen) = run_start(&engine, &limited("2g", "5000,6000"), &Cancel::never()).await;
    assert!(done.unwrap_err().to_string().contains("update"), "{}", screen.err());
    assert_eq!((engine.containers_now(), memory(&engine)), (before, vec!["1g".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_start_that_is_cancelled_is_taken_back() {
    let (engine, calls) = running().await;
    let (canceller, cancel) = cancel::pair();
    engine.world().events.push((calls + 1, Box::new(move |_| canceller.cancel(Cause::Interrupt))));
    let (done, screen) = run_start(&engine, &limited("2g", "5000"), &cancel).await;
    assert!(done.is_err(), "{}", screen.err());
    assert_eq!(memory(&engine), ["1g"]);
}
