//! One measurement: a fresh forwarder, one load, the clocks around it.

use std::fs;

use anyhow::bail;

use crate::bench::{Bench, FORWARDER_CORE, LOAD_CORE};
use crate::columns::{Column, Unit};
use crate::load::client::{Load, Outcome};
use crate::peers::{Peer, Way};
use crate::procfs::{self, Holdings};

/// A user who is nobody else, with a quota of pipes of its own.
const OTHER_USER: u32 = 64_198;
/// Streams that 2,000 are compared with.
const FEW_STREAMS: usize = 64;
/// Limits of the long run of short connections.
const BURST: u64 = 200_000;
const BURST_SECONDS: f64 = 40.0;
/// What one measurement gave.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) round: usize,
    pub(crate) column: Column,
    pub(crate) peer: &'static str,
    /// In the column's unit.
    pub(crate) value: f64,
    /// The forwarder's CPU seconds per GB or per 1000.
    pub(crate) cpu: Option<f64>,
    /// Anything else worth keeping.
    pub(crate) details: Vec<(&'static str, f64)>,
}

impl Bench {
    /// Measures one column of one forwarder, started for it and ended after it.
    pub(crate) fn sample(&mut self, round: usize, column: Column, peer: &Peer) -> anyhow::Result<Sample> {
        let flows = column.flows().min(peer.capacity());
        if column == Column::Bulk2000 && flows < column.flows() {
            bail!("not with so many connections");
        }
        let user = (column == Column::Bulk2000).then_some(OTHER_USER);
        if user.is_some() && peer.way == Way::Outside {
            bail!("not as another user: it enters a namespace of root's");
        }
        let core = if column == Column::Rr1s { LOAD_CORE } else { FORWARDER_CORE };
        let (forwarder, to) = self.start(peer, flows, core, user)?;
        let forwarder = &forwarder[..];
        let mut load = Load {
            to,
            kind: column.kind(),
            flows,
            seconds: self.seconds,
            warmup: 0.4,
            bytes: 64,
            count: u64::MAX,
            reset: column == Column::ConnRst,
            watch: Vec::new(),
        };
        let mut details = Vec::new();
        match column {
            Column::Burst => (load.count, load.seconds, load.warmup) = (BURST, BURST_SECONDS, 0.0),
            Column::Bulk2000 => {
                let few = self.run(peer, forwarder, &Load { flows: FEW_STREAMS, ..load.clone() })?;
                details.push(("few_gbits", few.outcome.rate() * 8e-9));
                // The kernel's buffers of all these streams fill before their speed shows.
                load.warmup = 2.0;
            }
            _ => {}
        }
        let before: Holdings = forwarder.iter().map(|process| procfs::holdings(process.pid)).sum();
        let run = self.run(peer, forwarder, &load)?;
        if !forwarder.is_empty() {
            let log = fs::read_to_string(self.dir_of(peer).join("log")).unwrap_or_default();
            anyhow::ensure!(!log.contains("panicked at"), "panicked under its load");
        }
        let Outcome { units, errors, latency, tenths, .. } = run.outcome;
        let value = match (column.unit(), tenths) {
            (Unit::GigabitsPerSecond, _) => {
                let value = run.outcome.rate() * 8e-9;
                if let [("few_gbits", few)] = details[..] {
                    details.push(("to_few", value / few));
                }
                value
            }
            (Unit::PerSecond, Some([first, last])) if column == Column::Burst => {
                details.extend([("first_tenth", first), ("slow_down", last / first)]);
                last
            }
            (Unit::PerSecond, _) => run.outcome.rate(),
            (Unit::BytesEach, _) => {
                details.push(("connections", units));
                details.push(("anonymous", (run.held.anonymous - before.anonymous) / units));
                details.push(("descriptors", (run.held.descriptors - before.descriptors) / units));
                (run.held.pss - before.pss) / units
            }
        };
        details.extend([("units", units), ("errors", errors)]);
        if column.unit().more_is_better() {
            // Memory is looked at in a moment, too short a time for the kernel's clocks.
            details.push(("foreign", run.foreign));
            details.extend(["busy0", "busy1"].into_iter().zip(run.busy));
        }
        details.extend(latency.into_iter().flat_map(|l| ["p50_us", "p99_us", "max_us"].into_iter().zip(l)));
        let cpu = column.cpu_per().map(|(per, _)| run.cpu_seconds / units * per);
        Ok(Sample {
            round,
            column,
            peer: peer.name,
            value,
            cpu: cpu.filter(|_| !forwarder.is_empty()),
            details,
        })
    }
}
