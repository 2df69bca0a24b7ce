//! What clients are told, and what they tell: the lines between this program and its clients.
//!
//! A client prints the clocks of itself and of those it was told to watch around its measuring
//! window, and then its result. It reads them itself, because on a busy machine whoever started
//! it may be late.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};
use rustix::process::{Pid, getpid};

use super::Service;
use crate::procfs::Clocks;

/// What to do, with which limits.
#[derive(Clone, Debug, Args)]
pub(crate) struct Load {
    /// Where to connect
    #[arg(long)]
    pub(crate) to: SocketAddr,
    #[arg(long, value_enum)]
    pub(crate) kind: Kind,
    /// Connections at once
    #[arg(long, default_value_t = 1)]
    pub(crate) flows: usize,
    /// Seconds to measure for
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Seconds of load before that
    #[arg(long, default_value_t = 0.3)]
    pub(crate) warmup: f64,
    /// Bytes of a message
    #[arg(long, default_value_t = 64)]
    pub(crate) bytes: usize,
    /// End after so many connections
    #[arg(long, default_value_t = u64::MAX)]
    pub(crate) count: u64,
    /// Break connections instead of closing them
    #[arg(long)]
    pub(crate) reset: bool,
    /// Processes whose clocks are read
    #[arg(long)]
    pub(crate) watch: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Send for ever
    Up,
    /// Receive for ever
    Down,
    /// Send a message, await it back, repeat
    Pingpong,
    /// Connect, exchange a byte, close, repeat
    Connect,
    /// Connect, exchange a byte, and stay, until the standard input ends
    Hold,
    /// The same, receiving without end, but slowly
    Slow,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Bytes, exchanges or connections in the window.
    pub(crate) units: f64,
    /// The window.
    pub(crate) seconds: f64,
    /// Exchanges or connections that failed.
    pub(crate) errors: f64,
    /// Round trips in microseconds: median, 99th percentile, greatest.
    pub(crate) latency: Option<[f64; 3]>,
    /// Rates in the first and the last tenth.
    pub(crate) tenths: Option<[f64; 2]>,
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        self.units / self.seconds
    }

    pub(super) fn line(&self) -> String {
        let mut line = format!("result {} {} {}", self.units, self.seconds, self.errors);
        let pair = |values: Option<&[f64]>| match values {
            Some(values) => values.iter().map(f64::to_string).collect::<Vec<_>>().join(","),
            None => "-".to_owned(),
        };
        let _ = write!(
            line,
            " {} {}",
            pair(self.latency.as_ref().map(|l| &l[..])),
            pair(self.tenths.as_ref().map(|t| &t[..]))
        );
        line
    }
}

impl FromStr for Outcome {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let bad = || format!("a client said \"{line}\"");
        let fields: Vec<&str> = line.split(' ').collect();
        let ["result", units, seconds, errors, latency, tenths] = fields[..] else { anyhow::bail!(bad()) };
        let list = |text: &str| -> anyhow::Result<Vec<f64>> {
            if text == "-" {
                return Ok(Vec::new());
            }
            text.split(',').map(|value| value.parse().with_context(bad)).collect()
        };
        Ok(Self {
            units: units.parse().with_context(bad)?,
            seconds: seconds.parse().with_context(bad)?,
            errors: errors.parse().with_context(bad)?,
            latency: list(latency)?.try_into().ok(),
            tenths: list(tenths)?.try_into().ok(),
        })
    }
}

impl Load {
    /// The arguments that say the same on a command line.
    pub(crate) fn args(&self) -> Vec<String> {
        let kind = self.kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let mut args: Vec<String> = [
            ("--to", self.to.to_string()),
            ("--kind", kind),
            ("--flows", self.flows.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--warmup", self.warmup.to_string()),
            ("--bytes", self.bytes.to_string()),
            ("--count", self.count.to_string()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
        args.extend(self.watch.iter().map(|pid| format!("--watch={pid}")));
        args.extend(self.reset.then(|| "--reset".to_owned()));
        args
    }

    pub(super) fn bell(&self) -> Bell {
        let others = self.watch.iter().filter_map(|pid| Pid::from_raw(*pid));
        Bell { since: Instant::now(), watch: [getpid()].into_iter().chain(others).collect() }
    }

    pub(super) fn window(&self) -> Window {
        Window {
            warmup: Duration::from_secs_f64(self.warmup),
            length: Duration::from_secs_f64(self.seconds),
            started: Instant::now(),
            began: None,
            bell: self.bell(),
        }
    }

    /// A blocking connection that has asked for a service. No call on it waits for ever.
    pub(super) fn connect(&self, service: Service) -> io::Result<TcpStream> {
        let patience = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&self.to, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(&[service.byte()])?;
        Ok(stream)
    }

    pub(super) fn connect_all(&self, service: Service) -> anyhow::Result<Vec<TcpStream>> {
        (0..self.flows)
            .map(|index| {
                self.connect(service).with_context(|| format!("connection {index} of {}", self.flows))
            })
            .collect()
    }
}

/// The measuring window: after the warm-up, and so long.
pub(super) struct Window {
    warmup: Duration,
    length: Duration,
    started: Instant,
    began: Option<Instant>,
    bell: Bell,
}

/// Tells the clocks at the beginning and at the end of what is measured.
pub(super) struct Bell {
    since: Instant,
    watch: Vec<Pid>,
}

impl Bell {
    pub(super) fn ring(&self) -> io::Result<()> {
        say(&Clocks::now(self.since, &self.watch).to_string())
    }
}

/// Where a moment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Before,
    /// The first look at the window: what was counted up to now does not count.
    Opens,
    Inside,
    Over,
}

impl Window {
    /// Asked after every step; rings when the window opens.
    pub(super) fn phase(&mut self, now: Instant) -> Phase {
        match self.began {
            None if now - self.started < self.warmup => Phase::Before,
            None => {
                let _ = self.bell.ring();
                // Reading them takes a moment, which does not count.
                self.began = Some(Instant::now());
                Phase::Opens
            }
            Some(began) if now.saturating_duration_since(began) < self.length => Phase::Inside,
            Some(_) => Phase::Over,
        }
    }

    /// Rings; the length of the window as it really was, in seconds.
    pub(super) fn close(&self) -> f64 {
        let length = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        let _ = self.bell.ring();
        length
    }
}

pub(super) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
