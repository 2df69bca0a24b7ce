//! `backend cache usage`.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::{Suggest, limit};
use docker_plugin::output::{Console, FormatError, ListTemplate, Table, size};
use explained::Explained;

use super::filters::{Filter, FilterError, OF_USAGE, filter, split};
use super::{Format, policy, record, together};
use crate::buildkit::{Client, Record};
use crate::commands::{Session, log_end};
use crate::engine::Engine;
use crate::observed::ContainerId;
use crate::spec::STATE_DIRECTORY;

/// Show what the build cache holds and how much it takes
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend cache usage --filter type=exec.cachemount
  $ docker assemble backend cache usage --format 'table {{.ID}}\\t{{.Size}}\\t{{.Description}}'")]
pub(in crate::commands) struct Options {
    /// Provide filter values (e.g. "type=regular"; keys: id, parents, description, type, inuse, mutable,
    /// immutable, shared, private)
    #[arg(long, value_name = "filter", value_parser = filter, add = OF_USAGE)]
    filter: Vec<Filter>,

    /// Format output: "table", "pretty", "json" (one object per line), a Go template, or "table
    /// TEMPLATE"; fields: .ID .Parents .CreatedAt .Mutable .Reclaimable .Shared .Size .Description
    /// .UsageCount .LastUsedAt .Type
    #[arg(long, value_name = "string", value_parser = Suggest(&["table", "pretty", "json"]))]
    format: Option<String>,

    /// Only display ids
    #[arg(long, short)]
    quiet: bool,

    /// Time BuildKit has to add up its cache (default 2m)
    #[arg(long, value_name = "duration", value_parser = limit)]
    pub(in crate::commands) timeout: Option<Duration>,

    /// Shorthand for --format=pretty; adds the size on disk and the daemon's own limits
    #[arg(long)]
    verbose: bool,
}

/// What to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// A record has to match all of these, given in BuildKit's words.
    pub filters: Vec<String>,
    /// How to print it.
    pub format: Format,
}

/// `--verbose` is a format too.
#[derive(Debug, thiserror::Error, Explained)]
#[error("conflicting options: cannot specify both --format and --verbose")]
#[advice = "give one of them"]
#[status = "125"]
pub struct TwoFormats;

impl Options {
    /// What they come to together.
    pub(in crate::commands) fn check(self) -> Result<Usage, Refusal> {
        let (filters, until) = split(self.filter);
        if until.is_some() {
            let why = FilterError::UntilOfUsage.to_string();
            return Err(Refusal::Value { option: "filter", value: "until".to_owned(), why });
        }
        let format = self.format.as_deref().filter(|format| !format.is_empty());
        if format.is_some() && self.verbose {
            return Err(Refusal::Options(TwoFormats.to_string()));
        }
        let format = match format {
            _ if self.quiet => Format::Ids,
            None if self.verbose => Format::Pretty,
            None | Some("table") => Format::Table,
            Some("pretty") => Format::Pretty,
            Some("json") => Format::Json,
            Some(template) => Format::Template(ListTemplate::new(template).map_err(FormatError::List)?),
        };
        Ok(Usage { filters, format })
    }
}

/// Runs the command.
///
/// # Errors
/// A backend that is missing or does not run, and those of the engine and BuildKit.
pub async fn run<E: Engine>(session: Session<'_, E>, usage: &Usage) -> Result<()> {
    let Usage { filters, format } = usage;
    let backend = session.running_backend().await?;
    // Every file is looked at for the sum, so only those who want to know much wait.
    let wanted = *format == Format::Pretty && filters.is_empty();
    let asking = async {
        let client = Client::connect(session.engine, &backend.id).await?.within(session.limit);
        let records = client.disk_usage(&together(filters)).await?;
        Ok((records, if wanted { client.workers().await? } else { Vec::new() }))
    };
    let (mut records, workers) = log_end::quoting(session, &backend, asking).await?;
    let on_disk = if wanted { on_disk(session.engine, &backend.id).await } else { None };
    // The largest is what people look for.
    records.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.id.cmp(&b.id)));
    let now = SystemTime::now();
    match format {
        Format::Json => records.iter().try_for_each(|one| session.console.line(record::object(one)))?,
        Format::Pretty => {
            records.iter().try_for_each(|one| session.console.line(record::paragraph(one, now)))?;
        }
        Format::Ids => records.iter().try_for_each(|one| session.console.line(&one.id))?,
        Format::Table => {
            let table = ListTemplate::new(record::TABLE)?;
            session.console.raw(rendered(&table, &records, now)?.as_bytes())?;
        }
        Format::Template(template) => {
            session.console.raw(rendered(template, &records, now)?.as_bytes())?;
        }
    }
    // What is filtered sums up to nothing that means anything.
    if filters.is_empty() && matches!(format, Format::Table | Format::Pretty) {
        summary(session.console, &records, on_disk)?;
    }
    for worker in workers.iter().filter(|worker| !worker.gc_policies.is_empty()) {
        session.console.line("")?;
        policy::lines(&worker.gc_policies).iter().try_for_each(|line| session.console.line(line))?;
    }
    Ok(())
}

/// What the daemon's state takes on the disk, where the image has `du`: more than its records
/// add up to. Mounts of running builds are left out (`-x`).
async fn on_disk<E: Engine>(engine: &E, backend: &ContainerId) -> Option<u64> {
    let answer = engine.exec(backend, &["du", "-skx", STATE_DIRECTORY]).await.ok()?;
    let text = String::from_utf8_lossy(&answer.output);
    // A file that vanishes meanwhile is told before the sum and fails the command.
    let kibibytes = text.lines().last()?.split_whitespace().next()?.parse::<u64>().ok()?;
    kibibytes.checked_mul(1024)
}

fn rendered(template: &ListTemplate, records: &[Record], now: SystemTime) -> Result<String> {
    let rows: Vec<_> = records
        .iter()
        .map(|one| (record::shown(one, now, template.is_table()), record::object(one)))
        .collect();
    template.render(&record::COLUMNS, &rows).map_err(|error| FormatError::Rows(error).into())
}

fn summary(console: &Console, records: &[Record], on_disk: Option<u64>) -> Result<()> {
    let sum = |keep: fn(&Record) -> bool| -> u64 {
        records.iter().filter(|record| keep(record)).map(|record| record.size_bytes).sum()
    };
    let mut lines = Vec::new();
    let shared = sum(|record| record.shared);
    if shared > 0 {
        lines.push(["Shared:".to_owned(), size(shared)]);
        lines.push(["Private:".to_owned(), size(sum(|record| !record.shared))]);
    }
    lines.push(["Reclaimable:".to_owned(), size(sum(|record| !record.in_use))]);
    lines.push(["Total:".to_owned(), size(sum(|_| true))]);
    lines.extend(on_disk.map(|bytes| ["On disk:".to_owned(), size(bytes)]));
    let table = Table::fitting(&lines);
    lines.iter().try_for_each(|line| console.line(table.row(line)))?;
    Ok(())
}
