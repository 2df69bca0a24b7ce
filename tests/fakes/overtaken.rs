//! Starts and stops while the engine still carries out what somebody else has asked it for.

use docker_assemble::commands::{Session, stop};
use docker_assemble::desired::{Desired, Named, Security};
use docker_assemble::observed::{Container, State};
use docker_assemble::spec;
use docker_plugin::cancel::Cancel;

use crate::fake_engine::{FakeEngine, Refusal, World};
use crate::screen::Screen;
use crate::starting::run_start;
use crate::world::{IMAGE, secured, user, wish};

async fn run_stop(engine: &FakeEngine) -> anyhow::Result<()> {
    let (user, screen, cancel) = (user(), Screen::default(), Cancel::never());
    let console = screen.console();
    stop::run(Session { engine, user: &user, console: &console, cancel: &cancel, limit: None }, None).await
}

/// An engine with a backend and a sidecar that run, and both containers.
async fn started() -> (FakeEngine, [Container; 2]) {
    let engine = FakeEngine::with_images(&[IMAGE]);
    run_start(&engine, &wish(), &Cancel::never()).await.0.unwrap();
    let both = engine.world().containers.clone().try_into().unwrap();
    (engine, both)
}

/// A container as a start leaves it that was killed between its creation and its start.
fn half_made(whole: &Container) -> Container {
    let id = docker_assemble::observed::ContainerId(format!("late-{}", whole.id.0));
    Container { id, state: State::Created, started_at: String::new(), ..whole.clone() }
}

fn all_runs(engine: &FakeEngine) {
    let now = engine.containers_now();
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(now.iter().all(|(_, state)| *state == State::Running), "{now:?}");
}

/// Has something happen right before the call of this number from now on is carried out.
fn before_call(engine: &FakeEngine, number: usize, event: impl FnOnce(&mut World) + Send + 'static) {
    let mut world = engine.world();
    let number = world.log.len() + number;
    world.events.push((number, Box::new(event)));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_takes_its_name_late_is_replaced() {
    let (_, both) = started().await;
    // The backend's creation is the second call, after the image's; the sidecar's the fifth.
    for (container, call) in both.iter().zip([2, 5]) {
        let engine = FakeEngine::with_images(&[IMAGE]);
        let late = half_made(container);
        before_call(&engine, call, |world| world.containers.push(late));
        let (result, screen) = run_start(&engine, &wish(), &Cancel::never()).await;
        result.unwrap();
        all_runs(&engine);
        assert!(engine.world().containers.iter().all(|now| !now.id.0.starts_with("late-")));
        // Each is told once.
        assert_eq!(screen.out().lines().count(), 2, "{}", screen.out());
        let removed = format!("Removed container \"{}\", which is not running\n", container.name);
        assert_eq!(screen.err(), removed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_start_has_just_made_is_left_to_it() {
    let (engine, whole) = started().await;
    let calls = engine.world().log.len();
    for container in &mut engine.world().containers {
        (container.state, container.started_at) = (State::Created, String::new());
    }
    let other = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        engine.world().containers = whole.to_vec();
    };
    let (wish, cancel) = (wish(), Cancel::never());
    let ((result, _), ()) = tokio::join!(run_start(&engine, &wish, &cancel), other);
    result.unwrap();
    let world = engine.world();
    assert_eq!((world.log.len(), &world.containers[..]), (calls, &whole[..]));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_comes_while_others_are_looked_at_is_nobody_elses() {
    let (engine, _) = started().await;
    engine.world().early_listings = 1;
    run_start(&engine, &wish(), &Cancel::never()).await.0.unwrap();
    all_runs(&engine);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_a_killed_stop_still_ends_is_started_again() {
    for is_removed in [false, true] {
        let (engine, [backend, sidecar]) = started().await;
        engine.world().containers.retain(|container| container.id != sidecar.id);
        // It ends before the sidecar is created.
        before_call(&engine, 1, move |world| {
            if is_removed {
                world.containers.retain(|container| container.id != backend.id);
            } else {
                world.containers[0].state = State::Exited;
            }
        });
        run_start(&engine, &wish(), &Cancel::never()).await.0.unwrap();
        all_runs(&engine);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_stays_taken_is_told_after_some_looks() {
    let engine = FakeEngine::with_images(&[IMAGE]);
    engine.world().taken = Some(user().backend());
    let (result, _) = run_start(&engine, &wish(), &Cancel::never()).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("is another start at work?"), "{error}");
    let tries = engine.world().log.iter().filter(|call| *call == "create B").count();
    assert_eq!(tries, docker_assemble::apply::ROUNDS as usize);
    assert_eq!(engine.containers_now(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stop_finds_what_a_killed_start_still_makes() {
    let (engine, [_, sidecar]) = started().await;
    let late = half_made(&sidecar);
    // Sidecar removed, backend stopped, backend removed: the third call.
    before_call(&engine, 3, |world| world.containers.push(late));
    run_stop(&engine).await.unwrap();
    assert_eq!(engine.containers_now(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stop_removes_a_volume_that_a_killed_start_still_gives_away() {
    let (engine, [_, sidecar]) = started().await;
    let (late, volume) = (half_made(&sidecar), spec::socket_volume(&user()));
    engine.world().volumes.insert(volume.name.clone(), volume.labels);
    // Sidecar removed, backend stopped, backend removed, volume removed: the fourth call.
    before_call(&engine, 4, |world| {
        world.mounts.insert((late.id.clone(), volume.name));
        world.containers.push(late);
    });
    run_stop(&engine).await.unwrap();
    assert_eq!(engine.containers_now(), []);
    assert!(engine.world().volumes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_just_removed_does_not_fail_a_stop() {
    for call in 1..=3 {
        let (engine, _) = started().await;
        {
            let mut world = engine.world();
            let number = world.log.len() + call;
            world.conflict = Some(number);
        }
        run_stop(&engine).await.unwrap();
        assert_eq!(engine.containers_now(), [], "call {call}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_failures_of_a_stop_are_told_at_once() {
    let (engine, _) = started().await;
    let calls = engine.world().log.len();
    engine.world().fail = Some(calls + 1);
    run_stop(&engine).await.unwrap_err();
    assert_eq!(engine.world().log.len(), calls + 1);
}

/// What `auto` has come to in this start is not tried once more in its next round.
#[tokio::test(start_paused = true)]
async fn privileges_are_tried_once_by_a_start_that_is_overtaken() {
    let restricted = || Desired { settings: secured(Security::Restricted), ..wish() };
    let anew = || Desired { recreate: true, named: Named { security: true, ..Named::default() }, ..wish() };
    let prepared = async || {
        let engine = FakeEngine::with_images(&[IMAGE]);
        run_start(&engine, &restricted(), &Cancel::never()).await.0.unwrap();
        let mut world = engine.world();
        world.refusal = Refusal::Start;
        world.log.clear();
        drop(world);
        engine
    };
    let engine = prepared().await;
    run_start(&engine, &anew(), &Cancel::never()).await.0.unwrap();
    let calls = engine.world().log.len();
    let mut overtaken_late = 0;
    for call in 1..=calls {
        let engine = prepared().await;
        engine.world().conflict = Some(call);
        run_start(&engine, &anew(), &Cancel::never()).await.0.unwrap();
        let log = engine.world().log.clone();
        let serves = log.iter().position(|call| call == "create B-proxy-port-5000").unwrap();
        assert!(!log[serves..].contains(&"create B".to_owned()), "call {call}: {log:?}");
        overtaken_late += usize::from(call > serves);
    }
    assert_ne!(overtaken_late, 0);
}
