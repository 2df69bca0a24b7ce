//! `backend logs`: what the daemon said, each stream to its own.

use anyhow::Result;
use futures_util::StreamExt;

use super::Session;
use crate::engine::{Engine, LogChunk, LogOptions};

/// Runs the command.
///
/// # Errors
/// A missing backend, those of the engine, and an output that is closed.
pub async fn run<E: Engine>(session: Session<'_, E>, options: LogOptions) -> Result<()> {
    session
        .unless_cancelled(async {
            let backend = session.backend().await?;
            let mut log = session.engine.logs(&backend.id, options);
            while let Some(chunk) = log.next().await {
                match chunk? {
                    LogChunk::Stdout(bytes) => session.console.raw(&bytes)?,
                    LogChunk::Stderr(bytes) => session.console.raw_error(&bytes)?,
                }
            }
            Ok(())
        })
        .await
}
