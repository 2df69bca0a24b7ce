//! `backend stop`: everything of the user's is removed, volumes that a person named excepted.

use anyhow::Result;
use bytes::Bytes;

use super::{Cancelled, ROUNDS, Session, observe};
use crate::apply::{Failure, apply};
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::plan::{STOP_GRACE, teardown};

/// Runs the command. Where there is nothing to stop, it succeeds and says nothing.
///
/// # Errors
/// Those of the engine. What was removed by then stays removed.
pub async fn run<E: Engine>(session: Session<'_, E>) -> Result<()> {
    let mut rounds = ROUNDS;
    loop {
        let done = once(session).await;
        rounds -= 1;
        match done {
            Err(Failure::Engine(error)) if error.is_volume_in_use() && rounds > 0 => {}
            Ok(()) => return Ok(()),
            Err(Failure::Cancelled(cause)) => return Err(Cancelled(cause).into()),
            Err(Failure::Engine(error)) => return Err(error.into()),
        }
    }
}

async fn once<E: Engine>(session: Session<'_, E>) -> Result<(), Failure> {
    let Session { engine, user, console, cancel, .. } = session;
    let observed = tokio::select! {
        observed = observe::ours(engine, user) => observed?,
        cause = cancel.cancelled() => return Err(Failure::Cancelled(cause)),
    };
    let plan = teardown(&observed, session.limit.unwrap_or(STOP_GRACE));
    let no_archive = || Bytes::new();
    if !plan.is_empty() {
        console.status(format_args!("Stopping \"{}\"...", session.user.backend()));
    }
    // A stop that has begun is best finished: half a backend serves nobody.
    let done = apply(engine, &plan, &no_archive, &Cancel::never(), &|_| ()).await;
    console.settle();
    done.map(drop).map_err(|error| error.cause)
}
