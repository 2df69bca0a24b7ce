//! `backend start`: makes the backend what the user wants, with the least that it takes.

mod report;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Cancelled, Session, observe};
use crate::apply::{ApplyError, Failure, Made, UndoFailure, apply, undo};
use crate::cancel::Cause;
use crate::desired::{Desired, Security};
use crate::engine::{Engine, EngineError, LogChunk, LogOptions};
use crate::observed::{Container, Observed};
use crate::plan::diff::Field;
use crate::plan::{Plan, plan};
use crate::ready::{ReadyError, ready};

/// How long a backend and its sidecars may take to serve. One that finds a cache of hundreds of
/// gigabytes needs tens of seconds.
pub const READY_LIMIT: Duration = Duration::from_secs(60);

/// How many last lines of a log are shown when its container fails.
const LOG_LINES: u64 = 20;

/// Runs the command. `archive` gives the built-in sidecar image.
///
/// # Errors
/// Whatever keeps the backend from serving. What this run made is removed again then; what it
/// could not remove is named in the error.
pub async fn run<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    archive: &(dyn Fn() -> Bytes + Sync),
) -> Result<()> {
    let Session { engine, console, cancel, .. } = session;
    let observed = session.unless_cancelled(async { Ok(observe::all(engine, desired).await?) }).await?;
    let plan = plan(desired, &observed)?;
    mention(session, &plan, desired);

    let made = apply(engine, &plan, archive, cancel, &|event| report::show(console, &event)).await;
    console.settle();
    let made = made.map_err(|error| explain_apply(session, desired, error))?;
    if let Err(error) = wait(session).await {
        console.settle();
        return Err(give_up(session, &made, error).await);
    }
    console.settle();
    if plan.is_empty() {
        console.line(format_args!("Backend \"{}\" is already running", desired.user.backend()))?;
    }
    Ok(())
}

/// Names what differs from the wish and stays as it is.
fn mention<E>(session: Session<'_, E>, plan: &Plan, desired: &Desired) {
    for difference in &plan.left_alone {
        let what = match difference.field {
            Field::ImageContent => format!("image \"{}\" is newer than the running backend", desired.image),
            _ => format!("the running backend was made by docker assemble v{}", difference.has),
        };
        session.console.note(format_args!(
            "{what}; 'docker assemble backend stop' and another start bring it up to date"
        ));
    }
}

/// Waits for everything that is there, made by this run or not.
async fn wait<E: Engine>(session: Session<'_, E>) -> Result<(), ReadyError> {
    let Session { engine, user, console, cancel } = session;
    let Observed { backend, sidecars, .. } = observe::ours(engine, user).await?;
    let backend = backend.ok_or_else(|| ReadyError::Gone(user.backend()))?;
    console.status(format_args!("Waiting for \"{}\" to answer...", backend.name));
    ready(engine, &backend, &sidecars, READY_LIMIT, cancel).await
}

/// Shows what the failed container said, takes back what this run made, and says why.
async fn give_up<E: Engine>(session: Session<'_, E>, made: &[Made], error: ReadyError) -> anyhow::Error {
    if let Some(container) = error.container() {
        show_log(session, container).await;
    }
    let left = undo(session.engine, made).await;
    let was_there = error.container().is_some_and(|failed| made.iter().all(|made| made.id != failed.id));
    let error = match error {
        ReadyError::Cancelled(cause) => cancelled(session, cause),
        error if was_there => {
            anyhow!("{error}; 'docker assemble backend stop' and another start make a new one")
        }
        error => error.into(),
    };
    with_leftovers(error, &left)
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

fn explain_apply<E>(session: Session<'_, E>, desired: &Desired, error: ApplyError) -> anyhow::Error {
    let ApplyError { cause, undo } = error;
    let error = match cause {
        Failure::Cancelled(cause) => cancelled(session, cause),
        Failure::Engine(error @ EngineError::PrivilegesRefused { .. })
            if desired.security == Security::Privileged =>
        {
            anyhow!("{error}; '--security restricted' does without privileges that the engine refuses")
        }
        Failure::Engine(error @ EngineError::Conflict { .. }) => {
            anyhow!("{error}; is another start at work? try again when it is done")
        }
        Failure::Engine(error) => error.into(),
    };
    with_leftovers(error, &undo)
}

fn with_leftovers(error: anyhow::Error, left: &[UndoFailure]) -> anyhow::Error {
    if left.is_empty() {
        return error;
    }
    let left = left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    // The first failure stays what the exit status is taken from.
    Err::<(), _>(error).context(format!("cleaning up failed too: {left}")).unwrap_err()
}
