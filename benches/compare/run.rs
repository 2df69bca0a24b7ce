//! One load from its start to its end, and the clocks around its window.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::load::client::{Kind, Load, Outcome};
use crate::measure::{Bench, LOAD_CORE};
use crate::peers::Peer;
use crate::process::{Process, check_interrupt};
use crate::procfs::{self, Holdings};
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
    pub(crate) fn run(&self, peer: &Peer, forwarder: Option<&Process>, load: &Load) -> anyhow::Result<Run> {
        let pin = Pin { core: LOAD_CORE, nice: self.nice, user: None };
        let mut command = self.topology.pinned(peer.way.client(), &self.myself, pin);
        command.arg(&self.myself).arg("client").args(load.args());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = Process::spawn(&mut command)?;
        let mut lines = Lines::of(client.child.stdout.take());
        let mut errors = client.child.stderr.take();
        let mut next = || {
            lines.next(Duration::from_secs_f64(load.warmup + load.seconds) + SLACK).with_context(|| {
                let mut said = String::new();
                let _ = errors.take().map(|mut errors| errors.read_to_string(&mut said));
                said.trim().to_owned()
            })
        };
        let clocks = |client: &Process| Clocks {
            client: procfs::cpu_seconds(client.pid),
            server: procfs::cpu_seconds(self.server.pid),
            forwarder: forwarder.map_or(0.0, |forwarder| procfs::cpu_seconds(forwarder.pid)),
            cores: procfs::cores_busy(),
            at: Instant::now(),
        };
        next()?;
        let begin = clocks(&client);
        let held = match (load.kind, forwarder) {
            (Kind::Hold | Kind::Slow, Some(forwarder)) => procfs::holdings(forwarder.pid),
            _ => Holdings::default(),
        };
        // What a client that holds connections waits for.
        drop(client.child.stdin.take());
        next()?;
        let end = clocks(&client);
        let outcome = next()?.parse()?;
        let seconds = (end.at - begin.at).as_secs_f64();
        let busy: Vec<f64> =
            end.cores.iter().zip(&begin.cores).map(|(end, begin)| (end - begin) / seconds).collect();
        let own = end.own() - begin.own();
        Ok(Run {
            outcome,
            cpu_seconds: end.forwarder - begin.forwarder,
            held,
            foreign: busy.iter().sum::<f64>() - own / seconds,
            busy,
        })
    }
}

/// CPU times at one moment.
struct Clocks {
    client: f64,
    server: f64,
    forwarder: f64,
    cores: Vec<f64>,
    at: Instant,
}

impl Clocks {
    fn own(&self) -> f64 {
        self.client + self.server + self.forwarder
    }
}

/// What a process says, line by line, with a limit to the patience for each.
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    pub(crate) fn of(output: Option<ChildStdout>) -> Self {
        let (sender, receiver) = mpsc::channel();
        if let Some(output) = output {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Self(receiver)
    }

    pub(crate) fn next(&mut self, patience: Duration) -> anyhow::Result<String> {
        let line = self.0.recv_timeout(patience);
        check_interrupt()?;
        line.map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => anyhow::anyhow!("no end within {} s", patience.as_secs()),
            mpsc::RecvTimeoutError::Disconnected => anyhow::anyhow!("the client has failed"),
        })
    }
}
