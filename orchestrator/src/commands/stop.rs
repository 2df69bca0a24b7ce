//! `backend stop`: everything of the user's is removed, named volumes excepted.

use anyhow::Result;
use bytes::Bytes;

use super::{Cancelled, Session, observe};
use crate::apply::{Failure, apply};
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::plan::{STOP_GRACE, teardown};

/// Runs the command. Where there is nothing to stop, it succeeds and says nothing.
///
/// # Errors
/// Those of the engine. What was removed by then stays removed.
pub async fn run<E: Engine>(session: Session<'_, E>) -> Result<()> {
    let observed = session.unless_cancelled(async { Ok(observe::ours(session.engine, session.user).await?) });
    let plan = teardown(&observed.await?, session.limit.unwrap_or(STOP_GRACE));
    let no_archive = || Bytes::new();
    let console = session.console;
    if !plan.is_empty() {
        console.status(format_args!("Stopping \"{}\"...", session.user.backend()));
    }
    // A stop that has begun is best finished: half a backend serves nobody.
    let done = apply(session.engine, &plan, &no_archive, &Cancel::never(), &|_| ()).await;
    console.settle();
    done.map_err(|error| match error.cause {
        Failure::Cancelled(cause) => Cancelled(cause).into(),
        Failure::Engine(error) => error.into(),
    })
    .map(drop)
}
