//! Starts and stops that are killed at every single call, on both sides of it: whatever they leave
//! behind, the next start makes a whole backend of it, and the next stop leaves nothing.

use bytes::Bytes;
use docker_assemble::commands::{Session, observe, start, stop};
use docker_assemble::desired::{Desired, Security};
use docker_assemble::observed::State;
use docker_assemble::plan::plan;
use docker_plugin::cancel::Cancel;
use docker_plugin::output::Progress;

use crate::fake_engine::{FakeEngine, Kill};
use crate::screen::Screen;
use crate::world::{IMAGE, PROXY, forwards, secured, user, wish};

/// What a person does.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
enum Command {
    Start(Desired),
    Stop,
}

async fn run(engine: &FakeEngine, command: &Command) -> anyhow::Result<()> {
    let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
    let console = screen.console();
    let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
    let archive = || Bytes::from_static(PROXY.as_bytes());
    match command {
        Command::Start(wish) => start::run(session, wish, Progress::Auto, &archive).await,
        Command::Stop => stop::run(session, None).await,
    }
}

/// Runs the command until it is killed at this call, counted from 1; false when it does not make that
/// many.
async fn is_killed(engine: &FakeEngine, command: &Command, call: usize, kill: Kill) -> bool {
    {
        let mut world = engine.world();
        world.kill = Some((world.log.len() + call, kill));
    }
    let killed = tokio::select! {
        result = run(engine, command) => { result.unwrap(); false }
        () = engine.killed.notified() => true,
    };
    engine.world().kill = None;
    killed
}

fn wishing(list: &str) -> Desired {
    Desired { forwards: forwards(list), ..wish() }
}

/// A start that is told to replace what differs.
fn recreating() -> Desired {
    Desired { settings: secured(Security::Restricted), recreate: true, ..wishing("80:8080@loopback,5000") }
}

/// What there is before, what is killed, and what is asked for after.
fn stories() -> Vec<(Vec<Command>, Command, Desired)> {
    use Command::{Start, Stop};
    let (plain, dialling) = (wishing("5000,6000"), wishing("80:8080@loopback,5000"));
    vec![
        (vec![], Start(dialling.clone()), dialling.clone()),
        (vec![Start(plain.clone())], Start(dialling.clone()), dialling.clone()),
        (vec![Start(dialling.clone())], Start(plain.clone()), plain.clone()),
        // Asked for what there was before.
        (vec![Start(dialling.clone())], Start(plain), dialling.clone()),
        (vec![Start(dialling.clone())], Start(recreating()), recreating()),
        (vec![Start(dialling.clone())], Stop, dialling),
    ]
}

/// An engine on which the earlier commands were run, and whose backend then ended if `has_ended`.
async fn prepared(earlier: &[Command], has_ended: bool) -> FakeEngine {
    let engine = FakeEngine::with_images(&[IMAGE]);
    for command in earlier {
        run(&engine, command).await.unwrap();
    }
    if has_ended {
        engine.world().containers.iter_mut().for_each(|container| container.state = State::Exited);
    }
    engine
}

/// Demands that all of the wish and nothing else is there.
async fn is_whole(engine: &FakeEngine, wish: &Desired, story: &str) {
    let mut expected = wish.container_names();
    expected.sort();
    let mut now: Vec<_> = engine.containers_now();
    now.sort_by(|(a, _), (b, _)| a.cmp(b));
    let expected: Vec<_> = expected.into_iter().map(|name| (name.0, State::Running)).collect();
    assert_eq!(now, expected, "{story}");
    let observed = observe::all(engine, wish).await.unwrap();
    assert!(plan(wish, &observed).unwrap().is_empty(), "{story}");
    assert_eq!((observed.wanted(), observed.missing()), (observed.forwards(), vec![]), "{story}");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_kill_leaves_behind_the_next_start_or_stop_makes_good() {
    let mut kills = 0;
    for (earlier, command, wish) in stories() {
        for has_ended in [false, true] {
            for kill in [Kill::Before, Kill::After] {
                for call in 1.. {
                    let story = format!("{kill:?} call {call} of {command:?}, ended: {has_ended}");
                    let engine = prepared(&earlier, has_ended).await;
                    if !is_killed(&engine, &command, call, kill).await {
                        break;
                    }
                    kills += 1;
                    run(&engine, &Command::Start(wish.clone()))
                        .await
                        .unwrap_or_else(|error| panic!("{story}: {error:#}"));
                    is_whole(&engine, &wish, &story).await;

                    let engine = prepared(&earlier, has_ended).await;
                    assert!(is_killed(&engine, &command, call, kill).await);
                    run(&engine, &Command::Stop).await.unwrap_or_else(|error| panic!("{story}: {error:#}"));
                    assert_eq!(engine.containers_now(), [], "{story}");
                    assert!(engine.world().volumes.is_empty(), "{story}");
                }
            }
        }
    }
    assert!(kills > 100, "only {kills} kills");
}

/// Killed again and again, each time one call later, until nothing is left to be done.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_killed_time_and_again_gets_there() {
    for kill in [Kill::Before, Kill::After] {
        for (earlier, command, wish) in stories() {
            let engine = prepared(&earlier, false).await;
            let mut call = 1;
            while is_killed(&engine, &command, call, kill).await {
                call += 1;
            }
            run(&engine, &Command::Start(wish.clone())).await.unwrap();
            is_whole(&engine, &wish, &format!("{kill:?} {command:?}")).await;
        }
    }
}
