//! `backend cache usage`.

use std::time::SystemTime;

use anyhow::Result;

use super::{Format, record, together};
use crate::buildkit::{Client, Record};
use crate::commands::Session;
use crate::engine::Engine;
use crate::output::{Console, Table, size};

/// Runs the command. A record has to match all `filters`, given in BuildKit's words.
///
/// # Errors
/// A backend that is missing or does not run, and those of the engine and BuildKit.
pub async fn run<E: Engine>(session: Session<'_, E>, filters: &[String], format: Format) -> Result<()> {
    let ask = async {
        let backend = session.running_backend().await?;
        let client = Client::connect(session.engine, &backend.id).await?;
        Ok(client.disk_usage(&together(filters)).await?)
    };
    let mut records = session.unless_cancelled(ask).await?;
    // The largest is what people look for.
    records.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.id.cmp(&b.id)));
    let now = SystemTime::now();
    match format {
        Format::Json => records.iter().try_for_each(|one| session.console.line(record::object(one)))?,
        Format::Pretty => {
            records.iter().try_for_each(|one| session.console.line(record::paragraph(one, now)))?;
        }
        Format::Table => table(session.console, &records, now)?,
    }
    // What is filtered sums up to nothing that means anything.
    if filters.is_empty() && format != Format::Json {
        summary(session.console, &records)?;
    }
    Ok(())
}

fn table(console: &Console, records: &[Record], now: SystemTime) -> Result<()> {
    let rows: Vec<_> =
        std::iter::once(record::header()).chain(records.iter().map(|one| record::row(one, now))).collect();
    let table = Table::fitting(&rows);
    for row in &rows {
        console.line(table.row(row))?;
    }
    Ok(())
}

fn summary(console: &Console, records: &[Record]) -> Result<()> {
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
    let table = Table::fitting(&lines);
    lines.iter().try_for_each(|line| console.line(table.row(line)))?;
    Ok(())
}
