//! Commands that are killed at every single call, on both sides of it, or fail there: whatever they leave
//! behind, the same command gets there the next time, the next start makes a whole backend of it, and the
//! next stop leaves nothing.

use bytes::Bytes;
use docker_assemble::commands::port::{self, Change, ChangeError};
use docker_assemble::commands::{Session, observe, start, stop};
use docker_assemble::desired::{Desired, Security};
use docker_assemble::forward::asked::{self, Asked};
use docker_assemble::forward::merge;
use docker_assemble::observed::State;
use docker_assemble::plan::plan;
use docker_plugin::cancel::Cancel;
use docker_plugin::output::Progress;

use crate::fake_engine::{FakeEngine, Kill};
use crate::screen::Screen;
use crate::world::{IMAGE, PROXY, forwards, secured, user, wish};

fn asked(words: &str) -> Vec<Asked> {
    merge(Some(&asked::some(words).unwrap()), &[], false).unwrap()
}

/// What a person does.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
enum Command {
    Start(Desired),
    Change(Change),
    Stop,
}

fn add(words: &str) -> Command {
    Command::Change(Change::Add(asked(words)))
}

fn remove(words: &str) -> Command {
    Command::Change(Change::Remove(asked(words)))
}

async fn run(engine: &FakeEngine, command: &Command) -> anyhow::Result<()> {
    let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
    let console = screen.console();
    let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
    let archive = || Bytes::from_static(PROXY.as_bytes());
    match command {
        Command::Start(wish) => start::run(session, wish, Progress::Auto, &archive).await,
        Command::Change(change) => {
            let wish = port::wish(session, change, wish(), None).await?;
            start::run(session, &wish, Progress::Auto, &archive).await
        }
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

/// Runs the command and has the engine refuse this call, counted from 1; false when it does not make that
/// many.
async fn is_refused(engine: &FakeEngine, command: &Command, call: usize) -> bool {
    let call = engine.world().log.len() + call;
    engine.world().fail = Some(call);
    // What can be done without is warned of alone.
    let _ = run(engine, command).await;
    let mut world = engine.world();
    world.fail = None;
    world.log.len() >= call
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

/// All that a command can be told by afterwards, without the ids that differ from run to run.
fn left(engine: &FakeEngine) -> impl PartialEq + std::fmt::Debug {
    let world = engine.world();
    let mut containers: Vec<_> = world
        .containers
        .iter()
        .map(|container| {
            let of_it = world.files.iter().filter(|((id, _), _)| *id == container.id);
            let files: Vec<_> = of_it.map(|((_, path), content)| (path.clone(), content.clone())).collect();
            (container.name.clone(), container.state.clone(), container.labels.clone(), files)
        })
        .collect();
    containers.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    (containers, world.volumes.clone())
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

/// What there is before, and what is disturbed.
fn disturbed() -> Vec<(Vec<Command>, Command)> {
    use Command::{Start, Stop};
    let ranges = || vec![Start(wishing("5000,8000-8009"))];
    let dialling = || vec![Start(wishing("80:8080@loopback,5000,6000"))];
    vec![
        (vec![], Start(wishing("80:8080@loopback,5000"))),
        (dialling(), Start(recreating())),
        (dialling(), Stop),
        (ranges(), add("6000,7000-7009")),
        (ranges(), add("80:8080@loopback")),
        (ranges(), remove("5000")),
        (ranges(), remove("5000,8000-8009")),
        // Out of the middle, and from both ends.
        (ranges(), remove("8005,5000")),
        (ranges(), remove("8000,8009")),
        // The dialer goes with it.
        (dialling(), remove("80")),
        (dialling(), remove("5000,80:8080@loopback,6000")),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Killed(Kill),
    Refused,
}

#[tokio::test(start_paused = true)]
async fn whatever_disturbs_a_command_the_same_again_gets_there() {
    let (killed, mut times) = ([Kill::Before, Kill::After].map(Disturbance::Killed), 0);
    for (earlier, command) in disturbed() {
        let undisturbed = prepared(&earlier, false).await;
        run(&undisturbed, &command).await.unwrap();
        for disturbance in killed.into_iter().chain([Disturbance::Refused]) {
            for call in 1.. {
                let story = format!("{disturbance:?} at call {call} of {command:?}");
                let engine = prepared(&earlier, false).await;
                let is_disturbed = match disturbance {
                    Disturbance::Killed(kill) => is_killed(&engine, &command, call, kill).await,
                    Disturbance::Refused => is_refused(&engine, &command, call).await,
                };
                if !is_disturbed {
                    break;
                }
                times += 1;
                match run(&engine, &command).await {
                    // It was about to say that all was done.
                    Err(error) if error.is::<ChangeError>() => {}
                    done => done.unwrap_or_else(|error| panic!("{story}: {error:#}")),
                }
                assert_eq!(left(&engine), left(&undisturbed), "{story}");
            }
        }
    }
    assert!(times > 200, "only {times} times");
}
