//! `backend logs`: what the daemon or a sidecar said, each stream to its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use futures_util::StreamExt;

use super::{Session, observe};
use crate::desired::HostPort;
use crate::engine::{Engine, LogChunk, LogOptions};
use crate::observed::Container;

/// Which lines to show, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// Go on as new lines come.
    pub follow: bool,
    /// Only this many last lines.
    pub tail: Option<u64>,
    /// Only lines from this time on.
    pub since: Option<Since>,
    /// Put its time before every line.
    pub timestamps: bool,
    /// Of the sidecar of this port in place of the backend.
    pub proxy: Option<HostPort>,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// In seconds since 1970.
    At(i64),
}

impl Since {
    fn seconds(self, now: SystemTime) -> i64 {
        match self {
            Self::At(seconds) => seconds,
            Self::Ago(ago) => {
                let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since_1970.saturating_sub(ago).as_secs()).unwrap_or(i64::MAX)
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A missing backend or sidecar, those of the engine, and an output that is closed.
pub async fn run<E: Engine>(session: Session<'_, E>, logs: &Logs) -> Result<()> {
    session.unless_cancelled(copy(session, logs)).await
}

async fn copy<E: Engine>(session: Session<'_, E>, logs: &Logs) -> Result<()> {
    let container = match logs.proxy {
        Some(port) => sidecar(session, port).await?,
        None => session.backend().await?,
    };
    let options = LogOptions {
        follow: logs.follow,
        tail: logs.tail,
        since: logs.since.map(|since| since.seconds(SystemTime::now())),
        until: None,
        timestamps: logs.timestamps,
    };
    let mut log = session.engine.logs(&container.id, options);
    while let Some(chunk) = log.next().await {
        match chunk.map_err(|error| error.about(&container.name))? {
            LogChunk::Stdout(bytes) => session.console.raw(&bytes)?,
            LogChunk::Stderr(bytes) => session.console.raw_error(&bytes)?,
        }
    }
    Ok(())
}

async fn sidecar<E: Engine>(session: Session<'_, E>, port: HostPort) -> Result<Container> {
    let sidecars = observe::ours(session.engine, session.user).await?.sidecars;
    let known = sidecars.iter().map(|sidecar| sidecar.port.to_string()).collect::<Vec<_>>().join(", ");
    sidecars.into_iter().find(|sidecar| sidecar.port == port).map(|sidecar| sidecar.container).ok_or_else(
        || {
            let known =
                if known.is_empty() { "no port is".to_owned() } else { format!("these are: {known}") };
            anyhow!("port \"{port}\" is not forwarded; {known}")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(Since::Ago(Duration::from_secs(400)).seconds(now), 600);
        assert_eq!(Since::Ago(Duration::from_secs(4_000)).seconds(now), 0);
        assert_eq!(Since::At(7).seconds(now), 7);
    }
}
