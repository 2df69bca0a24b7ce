//! `backend cache purge`.

use std::io::{BufRead, IsTerminal, Read};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::{bytes, limit};
use docker_plugin::output::{Console, OutputError, Table, size};
use explained::Explained;
use futures_util::StreamExt;

use super::filters::{Filter, OF_PURGE, filter, split};
use super::forecast::forecast;
use super::{Limits, record, together};
use crate::buildkit::{BuildkitError, Client, PruneOptions, Record};
use crate::commands::{Session, log_end};
use crate::engine::Engine;

/// More bytes than any answer to a question has.
const ANSWER_BYTES: u64 = 64;

/// Remove build cache that no build uses
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend cache purge --filter until=72h
  $ docker assemble backend cache purge --filter type=exec.cachemount --dry-run
  $ docker assemble backend cache purge --all --reserved-space 10gb --force")]
pub(in crate::commands) struct Options {
    /// Include internal and frontend records, and those shared with images
    #[arg(long, short)]
    all: bool,

    /// Only list what would be removed, and its size
    #[arg(long)]
    dry_run: bool,

    /// Provide filter values (e.g. "until=24h"; keys: until, id, parents, description, type, inuse,
    /// mutable, immutable, shared, private)
    #[arg(long, value_name = "filter", value_parser = filter, add = OF_PURGE)]
    filter: Vec<Filter>,

    /// Do not prompt for confirmation
    #[arg(long, short)]
    force: bool,

    /// Remove until the cache takes at most this (BuildKit 0.17)
    #[arg(long, value_name = "bytes", value_parser = bytes)]
    max_used_space: Option<u64>,

    /// Remove until this much of the disk is free (BuildKit 0.17)
    #[arg(long, value_name = "bytes", value_parser = bytes)]
    min_free_space: Option<u64>,

    /// Keep this much cache, the most useful records first
    #[arg(long, alias = "keep-storage", value_name = "bytes", value_parser = bytes)]
    reserved_space: Option<u64>,

    /// Time BuildKit has for each record (default 5m), or to list them all (default 2m)
    #[arg(long, value_name = "duration", value_parser = limit)]
    pub(in crate::commands) timeout: Option<Duration>,

    /// Provide a more verbose output
    #[arg(long)]
    verbose: bool,
}

/// Only BuildKit decides that.
#[derive(Debug, thiserror::Error, Explained)]
#[error("conflicting options: --dry-run cannot tell what a limit of space leaves")]
#[advice = "leave one of them out"]
#[status = "125"]
pub struct LimitUntold;

impl Options {
    /// What they come to together.
    pub(in crate::commands) fn check(self) -> Result<(Purge, Manner), Refusal> {
        let (filters, until) = split(self.filter);
        let limits = Limits {
            reserved_bytes: self.reserved_space,
            max_used_bytes: self.max_used_space,
            min_free_bytes: self.min_free_space,
        };
        if self.dry_run && limits != Limits::default() {
            return Err(Refusal::Options(LimitUntold.to_string()));
        }
        let manner = Manner { ask: !self.force, dry_run: self.dry_run, verbose: self.verbose };
        Ok((Purge { filters, until, all: self.all, limits }, manner))
    }
}

/// What to purge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// A record has to match all of these, given in BuildKit's words.
    pub filters: Vec<String>,
    /// Keep what was used within this time.
    pub until: Option<Duration>,
    /// Internal and frontend records too.
    pub all: bool,
    /// How much to leave.
    pub limits: Limits,
}

/// How to go about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Ask first: a yes on standard input is needed, whatever that is connected to. Any other
    /// answer, and none, is a success that purges nothing.
    pub ask: bool,
    /// Only tell what would go.
    pub dry_run: bool,
    /// A paragraph for each record in place of a row.
    pub verbose: bool,
}

/// Runs the command.
///
/// # Errors
/// A backend that is missing or does not run, limits that its daemon does not know, and those of
/// the engine and BuildKit. What was purged by then is gone.
pub async fn run<E: Engine>(session: Session<'_, E>, purge: &Purge, manner: Manner) -> Result<()> {
    let backend = session.running_backend().await?;
    let client = Client::connect(session.engine, &backend.id).await?.within(session.limit);
    purge.limits.check(&client).await?;
    let mut list = List::new(session.console, manner.verbose);
    if manner.dry_run {
        let all = client.disk_usage(&[]).await?;
        let matching = client.disk_usage(&together(&purge.filters)).await?;
        let matching = matching.iter().map(|record| record.id.as_str()).collect();
        for record in forecast(&all, &matching, purge, SystemTime::now()) {
            list.add(record);
        }
        list.end()?;
        session.console.note("Nothing was removed: this was a dry run.");
        return Ok(());
    }
    if manner.ask && !confirmed(session, purge).await? {
        return Ok(());
    }
    let mut gone = client.prune(&PruneOptions {
        filters: together(&purge.filters),
        all: purge.all,
        keep_duration: purge.until,
        reserved_space_bytes: purge.limits.reserved_bytes,
        max_used_space_bytes: purge.limits.max_used_bytes,
        min_free_space_bytes: purge.limits.min_free_bytes,
    });
    while let Some(next) = gone.next().await {
        match next {
            Ok(record) => list.add(&record),
            Err(error) => {
                // What went is gone, however it ended.
                if list.count > 0 {
                    list.sum();
                }
                if matches!(error, BuildkitError::Timeout { .. }) {
                    log_end::show_end(session, &backend).await;
                }
                return Err(error.into());
            }
        }
    }
    session.console.forgive(list.end());
    Ok(())
}

/// Records as they go, and their sum. A reader who leaves does not end what was asked for: the
/// work goes on without words.
struct List<'a> {
    console: &'a Console,
    verbose: bool,
    count: u64,
    total: u64,
    said: Result<(), OutputError>,
}

impl<'a> List<'a> {
    const fn new(console: &'a Console, verbose: bool) -> Self {
        Self { console, verbose, count: 0, total: 0, said: Ok(()) }
    }

    fn add(&mut self, record: &Record) {
        let table = record::stream_table();
        if self.count == 0 && !self.verbose {
            self.say(table.row(&record::header()));
        }
        self.count += 1;
        self.total += record.size_bytes;
        let now = SystemTime::now();
        if self.verbose {
            self.say(record::paragraph(record, now));
        } else {
            self.say(table.row(&record::row(record, now)));
        }
    }

    fn sum(&mut self) {
        let line = ["Total:".to_owned(), size(self.total)];
        self.say(Table::fitting([&line]).row(&line));
    }

    fn end(mut self) -> Result<(), OutputError> {
        self.sum();
        self.said
    }

    fn say(&mut self, line: String) {
        if self.said.is_ok() {
            self.said = self.console.line(line);
        }
    }
}

/// What a purge removes, in words.
fn what(purge: &Purge) -> String {
    let filtered = !purge.filters.is_empty() || purge.until.is_some();
    let kind = match (filtered, purge.all) {
        (true, _) => "the build cache that matches the filters and is not in use",
        (false, true) => "all build cache that is not in use, internal and frontend records too",
        (false, false) => "all build cache that is not in use, but for internal and frontend records",
    };
    let until = if purge.limits == Limits::default() { "" } else { ", as far as the limits ask for it," };
    format!("{kind}{until}")
}

async fn confirmed<E: Engine>(session: Session<'_, E>, purge: &Purge) -> Result<bool> {
    session.console.note(format_args!("This removes {} from \"{}\".", what(purge), session.user.backend()));
    session.console.ask("Are you sure you want to continue? [y/N]");
    // A thread of its own: a wait for a terminal cannot be cancelled, and the process may end
    // before it does.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        std::io::stdin().lock().take(ANSWER_BYTES).read_line(&mut answer).ok();
        sender.send(answer).ok();
    });
    let answer = receiver.await.unwrap_or_default();
    if !std::io::stdin().is_terminal() || answer.is_empty() {
        // Nobody pressed Enter behind the question.
        session.console.note("");
    }
    let yes = is_yes(&answer);
    if !yes {
        let ending = if answer.is_empty() { " without an answer; '--force' does not ask" } else { "" };
        session.console.note(format_args!("Nothing was removed{ending}."));
    }
    Ok(yes)
}

/// Whether an answer agrees. As for docker all else is a no, and so is the end of the input.
fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_yes_agrees() {
        for yes in ["y", "Y\n", " yes \r\n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no", "yikes", "yy", "n\ny\n", "1", "true"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }

    #[test]
    fn a_question_says_what_is_at_stake() {
        let old = Purge { until: Some(Duration::from_secs(1)), ..Purge::default() };
        assert_eq!(what(&old), "the build cache that matches the filters and is not in use");
        let all = Purge { all: true, ..Purge::default() };
        assert_eq!(what(&all), "all build cache that is not in use, internal and frontend records too");
        let limits = Limits { reserved_bytes: Some(1), ..Limits::default() };
        let some = Purge { limits, ..Purge::default() };
        assert_eq!(
            what(&some),
            "all build cache that is not in use, but for internal and frontend records, as far as the limits ask for it,"
        );
    }
}
