//! `backend cache purge`.

use std::time::SystemTime;

use anyhow::Result;
use futures_util::StreamExt;

use super::{record, together};
use crate::buildkit::{Client, PruneOptions};
use crate::commands::Session;
use crate::engine::Engine;
use crate::output::{Table, size};

/// What to purge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// A record has to match all of these, given in BuildKit's words.
    pub filters: Vec<String>,
    /// Keep what was used within this time.
    pub until: Option<std::time::Duration>,
    /// Internal and frontend records too.
    pub all: bool,
}

/// Runs the command. With `ask`, an answer on standard input that begins with `y` is needed;
/// any other is a success that purges nothing.
///
/// # Errors
/// A backend that is missing or does not run, and those of the engine and BuildKit. What was
/// purged by then is gone.
pub async fn run<E: Engine>(session: Session<'_, E>, purge: &Purge, ask: bool) -> Result<()> {
    session.unless_cancelled(work(session, purge, ask)).await
}

async fn work<E: Engine>(session: Session<'_, E>, purge: &Purge, ask: bool) -> Result<()> {
    let console = session.console;
    let backend = session.running_backend().await?;
    if ask && !confirmed(session, purge).await? {
        return Ok(());
    }
    let client = Client::connect(session.engine, &backend.id).await?;
    let mut gone = client.prune(&PruneOptions {
        filters: together(&purge.filters),
        all: purge.all,
        keep_duration: purge.until,
        ..PruneOptions::default()
    });
    let table = record::stream_table();
    let mut total = 0;
    let mut is_first = true;
    while let Some(next) = gone.next().await {
        let next = next?;
        if std::mem::take(&mut is_first) {
            console.line(table.row(&record::header()))?;
        }
        total += next.size_bytes;
        console.line(table.row(&record::row(&next, SystemTime::now())))?;
    }
    let line = ["Total:".to_owned(), size(total)];
    console.line(Table::fitting([&line]).row(&line))?;
    Ok(())
}

async fn confirmed<E: Engine>(session: Session<'_, E>, purge: &Purge) -> Result<bool> {
    let what = match (purge.filters.is_empty() && purge.until.is_none(), purge.all) {
        (false, _) => "the build cache that matches the filters",
        (true, true) => "all build cache, internal and frontend records included",
        (true, false) => "all build cache that is not in use",
    };
    session.console.note(format_args!("This removes {what} from \"{}\".", session.user.backend()));
    session.console.ask("Are you sure you want to continue? [y/N]");
    // A thread of its own: a wait for a terminal cannot be cancelled, and the process may end
    // before it does.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok();
        sender.send(answer).ok();
    });
    let answer = receiver.await.unwrap_or_default();
    Ok(answer.trim_start().to_lowercase().starts_with('y'))
}
