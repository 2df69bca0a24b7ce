//! The end of a container's log, beside an error that it may explain.

use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;

use super::Session;
use super::silence::Silence;
use crate::buildkit::BuildkitError;
use crate::engine::{Engine, LogChunk, LogOptions};
use crate::observed::Container;

/// How many last lines of a log are shown when its container fails.
const END_LINES: u64 = 20;

/// How many bytes are kept of the end of a log, however many lines of it are read: the last ones.
const MOST: usize = 1 << 20;

/// How long they may take to come.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Does the work, and shows the end of the daemon's log beside an error that is its silence, and not the engine's.
pub(super) async fn quoting<E: Engine, T>(
    session: Session<'_, E>,
    daemon: &Container,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let result = work.await;
    let is_silent = |error: &anyhow::Error| {
        matches!(error.downcast_ref::<BuildkitError>(), Some(BuildkitError::Timeout { .. }))
    };
    if result.as_ref().is_err_and(is_silent) {
        let limit = session.engine.patience().saturating_add(session.engine.slack());
        let silence = Silence::new(session.engine, session.user, limit);
        if silence.is_there().await {
            return Err(silence.error().into());
        }
        show_end(session, daemon).await;
    }
    result
}

/// Shows the last lines of a container that failed, beside what the command says.
pub(super) async fn show_end<E: Engine>(session: Session<'_, E>, container: &Container) {
    let text = end(session.engine, container, END_LINES).await;
    if text.trim().is_empty() {
        session.console.note(format_args!("The log of \"{}\" is empty.", container.name));
    } else {
        session.console.note(format_args!("The end of the log of \"{}\":", container.name));
        for line in text.lines() {
            session.console.note(format_args!("  {line}"));
        }
    }
}

/// The last lines of a container's log, or what came of them in time.
pub(super) async fn end<E: Engine>(engine: &E, container: &Container, lines: u64) -> String {
    let mut text = Vec::new();
    read_end(engine, container, lines, &mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// The last lines of a container's log, if all of them can be read in time.
pub(super) async fn whole_end<E: Engine>(engine: &E, container: &Container, lines: u64) -> Option<String> {
    let mut text = Vec::new();
    let is_whole = read_end(engine, container, lines, &mut text).await;
    is_whole.then(|| String::from_utf8_lossy(&text).into_owned())
}

/// Returns whether it came to the end of the log, and all of its lines are there.
async fn read_end<E: Engine>(engine: &E, container: &Container, lines: u64, text: &mut Vec<u8>) -> bool {
    let options = LogOptions { tail: Some(lines), ..LogOptions::default() };
    let mut log = engine.logs(&container.id, options);
    let mut is_whole = true;
    let read = async {
        loop {
            match log.next().await {
                Some(Ok(LogChunk::Stdout(bytes) | LogChunk::Stderr(bytes))) => text.extend_from_slice(&bytes),
                other => return other.is_none(),
            }
            // Not at each of the chunks, since what is kept moves.
            if text.len() > 2 * MOST {
                is_whole = false;
                keep_end(text);
            }
        }
    };
    let limit = END_LIMIT.min(engine.patience()).saturating_add(engine.slack());
    let has_ended = tokio::time::timeout(limit, read).await.unwrap_or(false);
    is_whole &= text.len() <= MOST;
    keep_end(text);
    has_ended && is_whole
}

fn keep_end(text: &mut Vec<u8>) {
    text.drain(..text.len().saturating_sub(MOST));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_of_a_long_log_are_kept() {
        let mut text = [vec![b'x'; MOST], b"the reason\n".to_vec()].concat();
        keep_end(&mut text);
        assert!(text.len() == MOST && text.ends_with(b"xthe reason\n"));
        keep_end(&mut text);
        assert_eq!(text.len(), MOST);
    }
}
