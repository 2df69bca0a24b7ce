//! One load from its start to its end, and the clocks around its window.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;

use crate::bench::{Bench, LOAD_CORE};
use crate::load::client::{Kind, Load, Outcome};
use crate::peers::Peer;
use crate::process::{Lines, Process};
use crate::procfs::{self, Clocks, Holdings};
use crate::topology::Pin;

/// How much longer than planned a load may take: connecting thousands, and a noisy machine.
const SLACK: Duration = Duration::from_secs(30);

/// One load, with what the clocks said meanwhile.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    /// What the forwarder used and, at the beginning, held.
    pub(crate) cpu_seconds: f64,
    pub(crate) held: Holdings,
    /// Share of the time that each core was busy.
    pub(crate) busy: Vec<f64>,
    /// Cores' worth of time used by neither client, server nor forwarder: the noise.
    pub(crate) foreign: f64,
}

impl Bench {
    /// Runs one load to its end, reading the clocks around its window.
    pub(crate) fn run(&self, peer: &Peer, forwarder: &[Process], load: &Load) -> anyhow::Result<Run> {
        let pin = Pin { core: LOAD_CORE, nice: self.nice, user: None };
        let mut command = self.topology.pinned(peer.way.client(), &self.myself, pin);
        let watched = [&self.server].into_iter().chain(forwarder);
        let watch = watched.map(|process| process.pid.as_raw_pid()).collect();
        command.arg(&self.myself).arg("client").args(Load { watch, ..load.clone() }.args());
        let log = self.dir.join("client.log");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut client = Process::spawn(&mut command)?;
        let mut lines = Lines::of(client.child.stdout.take());
        let patience = Duration::from_secs_f64(load.warmup + load.seconds) + SLACK;
        let mut next = || {
            lines
                .next(patience)
                .with_context(|| fs::read_to_string(&log).unwrap_or_default().trim().to_owned())
        };
        let begin: Clocks = next()?.parse()?;
        let held = match load.kind {
            Kind::Hold | Kind::Slow => forwarder.iter().map(|process| procfs::holdings(process.pid)).sum(),
            _ => Holdings::default(),
        };
        // What a client that holds connections waits for.
        drop(client.child.stdin.take());
        let end: Clocks = next()?.parse()?;
        let outcome = next()?.parse()?;
        let grown =
            |end: &[f64], begin: &[f64]| end.iter().zip(begin).map(|(end, begin)| end - begin).collect();
        let used: Vec<f64> = grown(&end.used, &begin.used);
        let cores: Vec<f64> = grown(&end.cores, &begin.cores);
        let seconds = end.at - begin.at;
        Ok(Run {
            outcome,
            // The client first, then those it watches: the server, and the forwarder if any, with
            // its helper if it has one.
            cpu_seconds: used.iter().skip(2).sum(),
            held,
            foreign: (cores.iter().sum::<f64>() - used.iter().sum::<f64>()) / seconds,
            busy: cores.iter().map(|busy| busy / seconds).collect(),
        })
    }
}
