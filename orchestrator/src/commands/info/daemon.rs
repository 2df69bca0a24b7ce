//! What BuildKit tells: its workers, its builds and its cache.

use std::time::Duration;

use anyhow::Result;
use docker_plugin::output::{Console, size};

use crate::buildkit::{Build, Client, Record, Worker};
use crate::commands::in_use;
use crate::engine::Engine;
use crate::observed::Container;

/// What only the daemon knows.
pub(super) struct Daemon {
    pub(super) workers: Vec<Worker>,
    /// None where BuildKit does not tell.
    pub(super) builds: Option<Vec<Build>>,
    pub(super) records: Vec<Record>,
}

pub(super) async fn ask<E: Engine>(
    engine: &E,
    backend: &Container,
    limit: Option<Duration>,
) -> Result<Daemon> {
    let client = Client::connect(engine, &backend.id).await?.within(limit);
    let (workers, builds) = (client.workers().await?, client.builds().await?);
    Ok(Daemon { workers, builds, records: client.disk_usage(&[]).await? })
}

impl Daemon {
    pub(super) fn list(&self, console: &Console) -> Result<()> {
        list_workers(console, &self.workers)?;
        if let Some(builds) = &self.builds {
            console.line(builds_line(builds))?;
        }
        console.line(cache_line(&self.records))?;
        Ok(())
    }
}

fn list_workers(console: &Console, workers: &[Worker]) -> Result<()> {
    console.line(format_args!("Found {} worker(s):", workers.len()))?;
    console.line("")?;
    for worker in workers {
        console.line(format_args!(" - {}", worker.id))?;
        console.line("   Platforms:")?;
        for platform in &worker.platforms {
            console.line(format_args!("    - {platform}"))?;
        }
        console.line("   Labels:")?;
        for (name, value) in &worker.labels {
            console.line(format_args!("    - {name}: {value}"))?;
        }
        console.line("")?;
    }
    Ok(())
}

fn builds_line(builds: &[Build]) -> String {
    let names: Vec<_> = builds.iter().map(in_use::name).collect();
    format!("Builds in flight: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

fn cache_line(records: &[Record]) -> String {
    let sum =
        |records: &mut dyn Iterator<Item = &Record>| size(records.map(|record| record.size_bytes).sum());
    let total = sum(&mut records.iter());
    let in_use = sum(&mut records.iter().filter(|record| record.in_use));
    format!("Build cache contains {} entries, total size {total} ({in_use} currently in use)", records.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_fits_one_line() {
        let record = |size_bytes, in_use| Record { size_bytes, in_use, ..Record::default() };
        assert_eq!(
            cache_line(&[record(3_650_000_000, false), record(0, true)]),
            "Build cache contains 2 entries, total size 3.65GB (0B currently in use)"
        );
    }
}
