//! What clients are told, and what they tell: the lines between this program and its clients.
//!
//! A client prints `begin` and `end` around its measuring window, so that whoever started it can
//! read the forwarder's clocks at those moments, and then its result.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::Service;

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

    fn line(&self) -> String {
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
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let outcome = match self.kind {
            Kind::Up | Kind::Down => super::streams::run(self),
            Kind::Pingpong => super::pingpong::run(self),
            Kind::Connect => super::connections::run(self),
            Kind::Hold | Kind::Slow => super::hold::run(self),
        };
        say(&outcome?.line())?;
        Ok(())
    }

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
        args.extend(self.reset.then(|| "--reset".to_owned()));
        args
    }

    pub(super) fn window(&self) -> Window {
        Window {
            warmup: Duration::from_secs_f64(self.warmup),
            length: Duration::from_secs_f64(self.seconds),
            started: Instant::now(),
            began: None,
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
    /// Asked after every step; says `begin` and `end` when it is time.
    pub(super) fn phase(&mut self, now: Instant) -> Phase {
        match self.began {
            None if now - self.started < self.warmup => Phase::Before,
            None => {
                self.began = Some(now);
                let _ = say("begin");
                Phase::Opens
            }
            Some(began) if now - began < self.length => Phase::Inside,
            Some(_) => Phase::Over,
        }
    }

    /// Says `end`; the length of the window as it really was, in seconds.
    pub(super) fn close(&self) -> f64 {
        let _ = say("end");
        self.began.map_or(0.0, |began| began.elapsed().as_secs_f64())
    }
}

pub(super) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
