//! `backend start`: makes the backend what the user wants, with the least that it takes.

mod daemon;
mod names;
mod report;

pub use daemon::Daemon;
pub use names::resolve;

use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Cancelled, ROUNDS, Session, observe};
use crate::apply::{ApplyError, Failure, Made, apply, undo};
use crate::cancel::Cause;
use crate::desired::{Desired, Security};
use crate::engine::{Engine, EngineError, LogChunk, LogOptions};
use crate::observed::{Container, ContainerId, Observed, State};
use crate::output::Progress;
use crate::plan::action::Action;
use crate::plan::diff::Field;
use crate::plan::{Plan, plan};
use crate::ready::{Helpers, ReadyError, ready};
use report::Reporter;

/// How long a backend and its sidecars may take to serve. One that finds a cache of hundreds of
/// gigabytes needs tens of seconds.
pub const READY_LIMIT: Duration = Duration::from_secs(60);

/// How long to look at a backend after a step failed, to tell whether that is its fault. One
/// that serves answers at the first question.
const POST_MORTEM_LIMIT: Duration = Duration::from_secs(10);

/// How many last lines of a log are shown when its container fails.
const LOG_LINES: u64 = 20;

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
    let Session { engine, console, cancel, .. } = session;
    let report = Reporter::new(console, progress);
    let mut rounds = ROUNDS;
    let (observed, plan, made) = loop {
        let observed = session.unless_cancelled(async { Ok(observe::all(engine, desired).await?) }).await?;
        let plan = plan(desired, &observed)?;
        mention(session, &plan, desired, &observed);
        let made = apply(engine, &plan, archive, cancel, &|event| report.show(&event)).await;
        console.settle();
        rounds -= 1;
        // A volume goes before anything is made.
        match &made {
            Err(ApplyError { cause: Failure::Engine(error), made })
                if error.is_volume_in_use() && made.is_empty() && rounds > 0 => {}
            _ => break (observed, plan, made),
        }
    };
    let made = match made {
        Ok(made) => made,
        Err(ApplyError { cause, made }) => {
            let error = match dead_backend(session, &observed, &made, &cause).await {
                Some(dead) => quote(session, &made, dead).await,
                None => explain(session, desired, cause),
            };
            return Err(take_back(session, &made, error).await);
        }
    };
    if let Err(error) = wait(session).await {
        console.settle();
        let error = quote(session, &made, error).await;
        return Err(take_back(session, &made, error).await);
    }
    console.settle();
    if plan.is_empty() {
        console.line(format_args!("Backend \"{}\" is already running", desired.user.backend()))?;
    }
    Ok(())
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

/// Why the backend does not serve, if that is what a failed step comes from: sidecars cannot
/// join the network of a backend that ended.
async fn dead_backend<E: Engine>(
    session: Session<'_, E>,
    before: &Observed,
    made: &[Made],
    cause: &Failure,
) -> Option<ReadyError> {
    let Failure::Engine(error) = cause else { return None };
    if error.is_taken_name() || matches!(error, EngineError::Unreachable { .. }) {
        return None;
    }
    let backend = observe::ours(session.engine, session.user).await.ok()?.backend?;
    let ran =
        |old: &Container| old.id == backend.id && matches!(old.state, State::Running | State::Restarting);
    if !(made.iter().any(|made| made.is(&backend.id)) || before.backend.as_ref().is_some_and(ran)) {
        return None;
    }
    let dead =
        ready(session.engine, &backend, Helpers::default(), POST_MORTEM_LIMIT, session.cancel).await.err()?;
    matches!(dead, ReadyError::Ended(_)).then_some(dead)
}

/// Shows what the failed container said, and says why it is given up.
async fn quote<E: Engine>(session: Session<'_, E>, made: &[Made], error: ReadyError) -> anyhow::Error {
    if let Some(container) = error.container() {
        show_log(session, container).await;
    }
    let was_there = error.container().is_some_and(|failed| !made.iter().any(|made| made.is(&failed.id)));
    match error {
        ReadyError::Cancelled(cause) => cancelled(session, cause),
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

async fn show_log<E: Engine>(session: Session<'_, E>, container: &Container) {
    let options = LogOptions { tail: Some(LOG_LINES), ..LogOptions::default() };
    let chunks: Vec<_> = session.engine.logs(&container.id, options).collect().await;
    let mut text = Vec::new();
    for chunk in chunks.into_iter().flatten() {
        let (LogChunk::Stdout(bytes) | LogChunk::Stderr(bytes)) = chunk;
        text.extend_from_slice(&bytes);
    }
    let text = String::from_utf8_lossy(&text);
    if text.trim().is_empty() {
        session.console.note(format_args!("The log of \"{}\" is empty.", container.name));
    } else {
        session.console.note(format_args!("The end of the log of \"{}\":", container.name));
        for line in text.lines() {
            session.console.note(format_args!("  {line}"));
        }
    }
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
