//! `backend stop`: everything of the user's is removed, volumes that a person named excepted.

use anyhow::Result;
use bytes::Bytes;

use super::{Cancelled, Session, observe};
use crate::apply::{Failure, PAUSE, ROUNDS, apply};
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::plan::{STOP_GRACE, teardown};

/// Runs the command. Where there is nothing to stop, it succeeds and says nothing.
///
/// It looks again after it has removed something, since the engine may have been asked for more
/// by a start that was killed.
///
/// # Errors
/// Those of the engine. What was removed by then stays removed.
pub async fn run<E: Engine>(session: Session<'_, E>) -> Result<()> {
    let done = work(session).await;
    session.console.settle();
    done
}

async fn work<E: Engine>(session: Session<'_, E>) -> Result<()> {
    let Session { engine, user, console, limit, .. } = session;
    for round in 1..=ROUNDS {
        let looking = async { Ok(observe::ours(engine, user).await?) };
        // A stop that has begun is best finished: half a backend serves nobody.
        let observed = if round == 1 { session.unless_cancelled(looking).await? } else { looking.await? };
        let plan = teardown(&observed, limit.unwrap_or(STOP_GRACE));
        if plan.is_empty() {
            break;
        }
        console.status(format_args!("Stopping \"{}\"...", user.backend()));
        match apply(engine, &plan, &Bytes::new, &Cancel::never(), &|_| ()).await {
            Ok(_) => {}
            Err(error) if round < ROUNDS && error.cause.is_overtaken() => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                return Err(match error.cause {
                    Failure::Cancelled(cause) => Cancelled(cause).into(),
                    Failure::Engine(error) => error.into(),
                });
            }
        }
    }
    Ok(())
}
