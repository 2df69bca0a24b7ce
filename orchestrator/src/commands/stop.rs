//! `backend stop`: everything of the user's is removed, volumes that a person named excepted.

use anyhow::{Result, bail};
use bytes::Bytes;

use super::{Session, observe};
use crate::apply::{Ledger, PAUSE, ROUNDS, apply};
use crate::engine::Engine;
use crate::plan::{STOP_GRACE, teardown};

/// Runs the command. Where there is nothing to stop, it succeeds and says nothing.
///
/// It looks again after it has removed something, since the engine may have been asked for more
/// by a start that was killed.
///
/// # Errors
/// Those of the engine, and what is there still after some tries. What was removed by then stays
/// removed.
pub async fn run<E: Engine>(session: Session<'_, E>) -> Result<()> {
    let done = work(session).await;
    session.console.settle();
    done
}

async fn work<E: Engine>(session: Session<'_, E>) -> Result<()> {
    let Session { engine, user, console, cancel, limit } = session;
    for round in 0.. {
        let observed = observe::ours(engine, user).await?;
        let plan = teardown(&observed, limit.unwrap_or(STOP_GRACE));
        let Some(left) = plan.actions().next() else { break };
        if round == ROUNDS {
            bail!("the engine removes nothing: it was asked {ROUNDS} times to {left}");
        }
        console.status(format_args!("Stopping \"{}\"...", user.backend()));
        match apply(engine, &plan.stages, &Bytes::new, cancel, &|_| (), &Ledger::default()).await {
            Err(error) if round + 1 < ROUNDS && error.is_overtaken() => tokio::time::sleep(PAUSE).await,
            done => done?,
        }
    }
    Ok(())
}
