//! `backend stop`: everything of the user's is removed, volumes that a person named excepted.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::limit;
use explained::Explained;

use super::start::{Around, How, restore};
use super::{Cancelled, Session, WhenInUse, builder, observe};
use crate::apply::{Event, Failure, Ledger, ROUNDS, apply, pause};
use crate::dialer;
use crate::engine::Engine;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::{STOP_GRACE, teardown};

/// Stop and remove the backend; a cache in a named volume is kept
#[derive(Args)]
pub(super) struct Options {
    /// Only list what would be done
    #[arg(long)]
    dry_run: bool,

    /// Take the backend from builds in flight
    #[arg(long, short)]
    force: bool,

    /// Time the backend has to end before it is killed (default 10s), and with --wait builds to end
    #[arg(long, short, value_name = "duration", value_parser = limit)]
    pub(super) timeout: Option<Duration>,

    /// Wait until builds in flight have ended
    #[arg(long)]
    wait: bool,
}

impl Options {
    /// What they come to together.
    pub(super) fn check(self) -> Result<How, Refusal> {
        let in_use = WhenInUse::of(self.force, self.wait)?;
        Ok(How { dry_run: self.dry_run, in_use, ..How::default() })
    }
}

/// Runs the whole command: what others know of the backend is forgotten too. A wish to end is heard
/// wherever it waits.
///
/// # Errors
/// Those of [`run`].
pub async fn command<E: Engine>(session: Session<'_, E>, how: How, around: &Around) -> Result<()> {
    if how.dry_run {
        let previewing = preview(session, how.in_use, around.runtime.as_deref());
        return session.unless_cancelled(previewing).await;
    }
    spare(session, how.in_use).await?;
    let forgetting = async {
        builder::forget(session, &around.buildx).await;
        Ok(())
    };
    session.unless_cancelled(forgetting).await?;
    run(session, around.runtime.as_deref()).await?;
    // What was stopped is forgotten, whatever comes now.
    tokio::select! {
        () = restore::forget(session, around.configuration.as_deref()) => {}
        () = session.cancel.insisted() => {}
    }
    Ok(())
}

/// Says what [`run`] would do, one line for each action, and changes nothing.
///
/// # Errors
/// Those of the engine.
pub async fn preview<E: Engine>(
    session: Session<'_, E>,
    in_use: WhenInUse,
    runtime: Option<&Path>,
) -> Result<()> {
    let observed = look(session, runtime).await?;
    let plan = teardown(&observed, session.limit.unwrap_or(STOP_GRACE));
    if let Err(why) = in_use.check(session, &plan, &observed).await {
        session.console.note(format_args!("Not now: {why}"));
    }
    if plan.is_empty() {
        session.console.note(nothing(session));
    }
    plan.actions().try_for_each(|action| session.console.line(format_args!("Would {action}")))?;
    Ok(())
}

/// Waits or fails where builds are in flight, unless they are to be cut off.
///
/// # Errors
/// That there are, and those of the engine.
pub async fn spare<E: Engine>(session: Session<'_, E>, in_use: WhenInUse) -> Result<()> {
    let looking = async || {
        let look = async {
            let observed = observe::ours(session.engine, session.user).await?;
            Ok(in_use.check(session, &teardown(&observed, STOP_GRACE), &observed).await?)
        };
        session.unless_cancelled(look).await
    };
    in_use.obey(session, looking).await
}

/// It says that it did, and has it still.
#[derive(Debug, thiserror::Error, Explained)]
#[error("the engine removes nothing: it was asked {rounds} times to {left}", rounds = ROUNDS)]
#[advice = "see whether a proxy is in between; the engine's log"]
pub struct NothingRemoved {
    left: String,
}

/// What is said where there is nothing to stop: no failure, as for `docker compose down`.
fn nothing<E>(Session { user, .. }: Session<'_, E>) -> String {
    format!("There is no backend \"{}\" to stop", user.backend())
}

/// Stops the backend. Where there is nothing to stop, it says so and succeeds.
///
/// It looks again after it has removed something, since the engine may have been asked for more
/// by a start that was killed. A wish to end is heard wherever it waits, and what may be left then is
/// named.
///
/// # Errors
/// Those of the engine, and what is there still after some tries. What was removed by then stays
/// removed.
pub async fn run<E: Engine>(session: Session<'_, E>, runtime: Option<&Path>) -> Result<()> {
    let left = Mutex::default();
    let done = session.unless_cancelled(work(session, runtime, &left)).await;
    session.console.settle();
    if done.as_ref().is_err_and(|error| error.is::<Cancelled>()) {
        let left = lock(&left);
        let names: Vec<_> = left.iter().map(|name| format!("\"{name}\"")).collect();
        let names = if names.is_empty() { "some of it".to_owned() } else { names.join(", ") };
        session.console.note(format_args!("Cancelled; {names} may be left, and another stop removes it"));
    }
    done
}

/// `left` has the names of what is not known to be removed.
async fn work<E: Engine>(
    session: Session<'_, E>,
    runtime: Option<&Path>,
    left: &Mutex<Vec<String>>,
) -> Result<()> {
    let Session { engine, user, console, cancel, limit: grace } = session;
    for round in 0.. {
        let plan = teardown(&look(session, runtime).await?, grace.unwrap_or(STOP_GRACE));
        *lock(left) = plan.actions().filter_map(removed).collect();
        let Some(next) = plan.actions().next() else {
            if round == 0 {
                console.note(nothing(session));
            }
            break;
        };
        if round == ROUNDS {
            return Err(NothingRemoved { left: next.to_string() }.into());
        }
        console.status(format_args!("Stopping \"{}\"...", user.backend()));
        let report = |event: Event<'_>| {
            let gone = match event {
                Event::Removed(gone, _) => &gone.0,
                Event::DialerEnded(directory) => directory,
                _ => return,
            };
            let mut left = lock(left);
            // Containers come first: a volume may have the same name.
            if let Some(at) = left.iter().position(|name| name == gone) {
                left.remove(at);
            }
        };
        match apply(engine, &plan.stages, &Bytes::new, cancel, &report, &Ledger::default()).await {
            Err(Failure::Cancelled(cancelled)) => return Err(cancelled.into()),
            Err(error) if round + 1 < ROUNDS && error.is_overtaken() => {
                tokio::time::sleep(pause(round + 1)).await;
            }
            done => done?,
        }
    }
    Ok(())
}

/// All that is to go.
async fn look<E: Engine>(session: Session<'_, E>, runtime: Option<&Path>) -> Result<Observed> {
    let Session { engine, user, .. } = session;
    let mut observed = observe::ours(engine, user).await?;
    // A start that was killed may have left one before there was a sidecar to name it.
    let directory = dialer::directory(user, engine.endpoint(), runtime);
    if let Some(directory) = directory.filter(|directory| observed.host_dialer(directory).is_none()) {
        observed.host_dialers.extend(dialer::look(user, engine.endpoint(), &directory).await);
    }
    Ok(observed)
}

/// What an action removes.
fn removed(action: &Action) -> Option<String> {
    match action {
        Action::Remove { name, .. } => Some(name.to_string()),
        Action::RemoveVolume { name } => Some(name.to_string()),
        Action::EndDialer { directory } => Some(directory.clone()),
        _ => None,
    }
}

fn lock(left: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}
