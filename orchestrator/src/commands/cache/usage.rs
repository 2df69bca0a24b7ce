//! `backend cache usage`.

use std::time::SystemTime;

use anyhow::{Context, Result};

use super::{Format, policy, record, together};
use crate::buildkit::{Client, Record};
use crate::commands::{Session, logs};
use crate::engine::Engine;
use crate::observed::ContainerId;
use crate::output::{Console, ListTemplate, Table, size};
use crate::spec::STATE_DIRECTORY;

/// Runs the command. A record has to match all `filters`, given in BuildKit's words.
///
/// # Errors
/// A backend that is missing or does not run, and those of the engine and BuildKit.
pub async fn run<E: Engine>(session: Session<'_, E>, filters: &[String], format: &Format) -> Result<()> {
    let backend = session.running_backend().await?;
    // Every file is looked at for the sum, so only those who want to know much wait.
    let wanted = *format == Format::Pretty && filters.is_empty();
    let asking = async {
        let client = Client::connect(session.engine, &backend.id).await?.within(session.limit);
        let records = client.disk_usage(&together(filters)).await?;
        Ok((records, if wanted { client.workers().await? } else { Vec::new() }))
    };
    let (mut records, workers) = logs::quoting(session, &backend, asking).await?;
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
    template.render(&record::COLUMNS, &rows).context("failed to execute template")
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
