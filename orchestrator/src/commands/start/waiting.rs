//! Waiting: until what is half-made is done, and until everything serves.

use std::time::Duration;

use anyhow::Result;

use crate::commands::{Session, observe};
use crate::desired::{ContainerName, Desired};
use crate::engine::Engine;
use crate::observed::Observed;
use crate::ready::{Helpers, ReadyError, Told, ready};

/// How long a backend and its sidecars may take to serve. One that finds a cache of hundreds of
/// gigabytes needs tens of seconds.
pub const READY_LIMIT: Duration = Duration::from_secs(60);

/// How many looks may find a container between its creation and its start, or its removal and its end,
/// before it counts as left behind. An engine with much to do takes its time for both, and for the
/// answer to each look as well: hence no number of seconds.
const SETTLING_LOOKS: u32 = 15;

/// How long the pauses between them are.
const SETTLING_PAUSE: Duration = Duration::from_millis(200);

/// The engine's state. What is half-made may be another start's work, on another machine or in a
/// session with other directories, where no lock tells: it is left alone for a while. One that was
/// killed leaves the same behind.
pub(super) async fn settled<E: Engine>(session: Session<'_, E>, desired: &Desired) -> Result<Observed> {
    let mut observed = observe::all(session.engine, desired).await?;
    for _ in 0..SETTLING_LOOKS {
        if !observed.is_unsettled() {
            break;
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
        observed = observe::all(session.engine, desired).await?;
    }
    Ok(observed)
}

/// Waits for everything that was wished for, made by this run or not, and returns it, with what sidecars told
/// on the way.
pub(super) async fn wait<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    seen: Option<Observed>,
) -> Result<(Observed, Told), ReadyError> {
    let Session { engine, user, console, cancel, limit } = session;
    let mut observed = match seen {
        Some(seen) => seen,
        None => observe::ours(engine, user).await?,
    };
    let wanted = desired.container_names();
    let is_there = |name: &ContainerName| observed.containers().any(|container| container.name == *name);
    if let Some(name) = wanted.iter().find(|name| !is_there(name)) {
        return Err(ReadyError::Gone(name.clone()));
    }
    // What goes when these serve does not have to.
    observed.sidecars.retain(|sidecar| wanted.contains(&sidecar.container.name));
    observed.dialer.take_if(|dialer| !wanted.contains(&dialer.name));
    let backend = observed.backend.as_ref().ok_or_else(|| ReadyError::Gone(user.backend()))?;
    console.status(format_args!("Waiting for \"{}\" to answer...", backend.name));
    let limit = limit.unwrap_or(READY_LIMIT);
    let told = ready(engine, backend, Helpers::from(&observed), limit, cancel).await?;
    Ok((observed, told))
}
