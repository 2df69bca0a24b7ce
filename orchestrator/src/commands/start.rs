//! `backend start`: makes the backend what the user wants, with the least that it takes.

mod bar;
mod blocked;
mod daemon;
mod names;
mod report;
mod setback;

pub use blocked::{warn_of_blocked, warn_of_proxies};
pub use daemon::Daemon;
pub use names::resolve;

use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use tokio::time::Instant;

use super::{Cancelled, Session, damage, logs, observe};
use crate::apply::{ApplyError, Failure, Made, PAUSE, ROUNDS, apply, undo};
use crate::cancel::Cause;
use crate::desired::{Desired, Security};
use crate::engine::{Engine, EngineError};
use crate::health::NO_NETWORK;
use crate::observed::{ContainerId, Observed};
use crate::output::Progress;
use crate::plan::action::Action;
use crate::plan::diff::Field;
use crate::plan::{Plan, plan};
use crate::ready::{Helpers, ReadyError, ready};
use report::Reporter;
use setback::Setback;

/// How long a backend and its sidecars may take to serve. One that finds a cache of hundreds of
/// gigabytes needs tens of seconds.
pub const READY_LIMIT: Duration = Duration::from_secs(60);

/// How long a container may stand between its creation and its start, or its removal and its end,
/// before it counts as left behind. Seconds lie between only on an engine with much to do.
const SETTLING: Duration = Duration::from_secs(3);

/// How often it is looked at meanwhile.
const SETTLING_PAUSE: Duration = Duration::from_millis(200);

/// Says what [`run`] would do, one line for each action, and changes nothing.
///
/// # Errors
/// Those of the engine, and a wish that cannot be had.
pub async fn preview<E: Engine>(session: Session<'_, E>, desired: &Desired) -> Result<()> {
    let Session { engine, console, .. } = session;
    let observed = session.unless_cancelled(async { Ok(observe::all(engine, desired).await?) }).await?;
    let plan = plan(desired, &observed)?;
    mention(session, &plan, desired, &observed);
    for action in plan.actions() {
        console.line(format_args!("Would {action}"))?;
    }
    if plan.is_empty() {
        console.line(format_args!("Backend \"{}\" is already running", desired.user.backend()))?;
    }
    Ok(())
}

/// Runs the command. `archive` gives the built-in sidecar image.
///
/// # Errors
/// Whatever keeps the backend from serving. What this run made is removed again then; what it
/// could not remove is named in the error.
pub async fn run<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    progress: Progress,
    archive: &(dyn Fn() -> Bytes + Sync),
) -> Result<()> {
    let console = session.console;
    let report = Reporter::new(console, progress);
    let mut made = Vec::new();
    let mut round = 1;
    loop {
        let planned = session.unless_cancelled(settled(session, desired)).await.and_then(|observed| {
            let plan = plan(desired, &observed)?;
            Ok((observed, plan))
        });
        let (observed, plan) = match planned {
            Ok(planned) => planned,
            Err(error) => return Err(take_back(session, &made, error).await),
        };
        if round == 1 {
            mention(session, &plan, desired, &observed);
        }
        let done = carry_out(session, &plan, archive, &report, &mut made).await;
        console.settle();
        let setback = match done {
            Ok(()) => {
                if plan.is_empty() && made.is_empty() {
                    console
                        .line(format_args!("Backend \"{}\" is already running", desired.user.backend()))?;
                }
                return Ok(());
            }
            Err(setback) => setback.traced(session, &observed, &made).await,
        };
        if round < ROUNDS && setback.is_overtaken(&made) {
            round += 1;
            // Whoever gives up meanwhile is heard at the next look.
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = session.cancel.cancelled() => {}
            }
            continue;
        }
        let error = match setback {
            Setback::Step(cause) => explain(session, desired, cause),
            Setback::Wait(error) => quote(session, desired, &made, error).await,
        };
        return Err(take_back(session, &made, error).await);
    }
}

/// The engine's state. What is half-made may be another start's work, on another machine or in a
/// session with other directories, where no lock tells: it is left alone for a while. One that was
/// killed leaves the same behind.
async fn settled<E: Engine>(session: Session<'_, E>, desired: &Desired) -> Result<Observed> {
    let until = Instant::now() + SETTLING;
    loop {
        let observed = observe::all(session.engine, desired).await?;
        if !observed.is_unsettled() || Instant::now() >= until {
            return Ok(observed);
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
    }
}

/// Runs the plan and waits until everything serves; what it makes is added to `made`.
async fn carry_out<E: Engine>(
    session: Session<'_, E>,
    plan: &Plan,
    archive: &(dyn Fn() -> Bytes + Sync),
    report: &Reporter<'_>,
    made: &mut Vec<Made>,
) -> Result<(), Setback> {
    match apply(session.engine, plan, archive, session.cancel, &|event| report.show(&event)).await {
        Ok(new) => made.extend(new),
        Err(ApplyError { cause, made: new }) => {
            made.extend(new);
            return Err(Setback::Step(cause));
        }
    }
    wait(session).await.map_err(Setback::Wait)
}

/// Names what differs from the wish and stays as it is, and a cache that will be lost.
fn mention<E>(session: Session<'_, E>, plan: &Plan, desired: &Desired, observed: &Observed) {
    let removed = |id: &ContainerId| {
        plan.actions().any(|action| matches!(action, Action::Remove { id: gone, .. } if gone == id))
    };
    let old = observed.backend.as_ref().filter(|old| old.cache_volume.is_none() && removed(&old.id));
    if let Some(old) = old {
        let volume = desired.user.cache_volume();
        session.console.warning(format_args!(
            "the build cache of \"{}\" goes with it; one in volume \"{volume}\" would outlive it",
            old.name
        ));
    }
    if observed.has_lost_files() && desired.files.is_empty() {
        session.console.warning(format_args!(
            "backend \"{}\" has lost its configuration, since something else made its container anew; a \
             start with the same options and '--recreate' brings it back",
            desired.user.backend()
        ));
    }
    for difference in &plan.left_alone {
        let what = match difference.field {
            Field::ImageContent => format!("image \"{}\" is newer than the running backend", desired.image),
            Field::Proxies => {
                "docker's configuration names other proxies than when the backend was made".to_owned()
            }
            _ => format!("the running backend was made by docker assemble v{}", difference.has),
        };
        session.console.note(format_args!("{what}; '--recreate' brings it up to date"));
    }
}

/// Waits for everything that is there, made by this run or not.
async fn wait<E: Engine>(session: Session<'_, E>) -> Result<(), ReadyError> {
    let Session { engine, user, console, cancel, limit } = session;
    let observed = observe::ours(engine, user).await?;
    let backend = observed.backend.as_ref().ok_or_else(|| ReadyError::Gone(user.backend()))?;
    console.status(format_args!("Waiting for \"{}\" to answer...", backend.name));
    ready(engine, backend, Helpers::from(&observed), limit.unwrap_or(READY_LIMIT), cancel).await
}

/// Shows what the failed container said, and says why it is given up.
async fn quote<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    made: &[Made],
    error: ReadyError,
) -> anyhow::Error {
    if let Some(container) = error.container() {
        logs::show_end(session, container).await;
    }
    if let ReadyError::Ended(container) = &error
        && container.name == session.user.backend()
        && let Some(damage) = damage::find(session.engine, container).await
    {
        return anyhow!("{error}: {damage}; then start again");
    }
    let was_there = error.container().is_some_and(|failed| !made.iter().any(|made| made.is(&failed.id)));
    if error.container().is_some()
        && let Some(start) = blocked::start_without_network(session, desired).await
    {
        return anyhow!("{error}; {NO_NETWORK}; '{start}' does without one");
    }
    match error {
        ReadyError::Cancelled(cause) => cancelled(session, cause),
        // As it is, so that its hint is found.
        ReadyError::Engine(error) => error.into(),
        error if was_there => {
            anyhow!("{error}; 'docker assemble backend stop' and another start make a new one")
        }
        error => error.into(),
    }
}

/// Takes back what this run made; what cannot be is told beside the error.
async fn take_back<E: Engine>(session: Session<'_, E>, made: &[Made], error: anyhow::Error) -> anyhow::Error {
    let left = undo(session.engine, made).await;
    if left.is_empty() {
        return error;
    }
    let left = left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    // The first failure stays what the exit status is taken from.
    error.context(format!("cleaning up failed too: {left}"))
}

fn cancelled<E>(session: Session<'_, E>, cause: Cause) -> anyhow::Error {
    session.console.note("Cancelled; what this start made is removed again");
    Cancelled(cause).into()
}

fn explain<E>(session: Session<'_, E>, desired: &Desired, cause: Failure) -> anyhow::Error {
    match cause {
        Failure::Cancelled(cause) => cancelled(session, cause),
        Failure::Engine(error @ EngineError::PrivilegesRefused { .. })
            if desired.security == Security::Privileged =>
        {
            anyhow!("{error}; '--security restricted' does without privileges that the engine refuses")
        }
        Failure::Engine(error) if error.is_taken_name() => {
            anyhow!("{error}; is another start at work? try again when it is done")
        }
        Failure::Engine(error) => error.into(),
    }
}
