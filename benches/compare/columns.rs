//! What is measured: the columns of the table.

use clap::ValueEnum;

use crate::load::client::Kind;

/// One thing that is measured of every forwarder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Column {
    /// One stream from client to server
    #[value(name = "stream_up")]
    StreamUp,
    /// One stream from server to client
    #[value(name = "stream_down")]
    StreamDown,
    /// Eight streams from client to server
    #[value(name = "stream_up8")]
    StreamUp8,
    /// Eight streams from server to client
    #[value(name = "stream_down8")]
    StreamDown8,
    /// Ping-pong of 64 B on one connection, the forwarder on a core of its own
    #[value(name = "pingpong1")]
    Pingpong1,
    /// The same with everything on one core
    #[value(name = "rr1s")]
    Rr1s,
    /// Ping-pong of 64 B on 64 connections
    #[value(name = "pingpong64")]
    Pingpong64,
    /// Connect, exchange a byte, reset: 16 at once
    #[value(name = "conn_rst")]
    ConnRst,
    /// Connect, exchange a byte, close: 16 at once
    #[value(name = "conn_fin")]
    ConnFin,
    /// 200,000 of the latter in a row: the rate at the end
    #[value(name = "burst")]
    Burst,
    /// User memory and descriptors of an idle connection
    #[value(name = "idle")]
    Idle,
    /// 2,000 streams, as a user who is not root
    #[value(name = "bulk2000")]
    Bulk2000,
    /// User memory of a stream whose reader is slow
    #[value(name = "slow")]
    Slow,
}

/// What a column's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// More is better.
    GigabitsPerSecond,
    /// More is better.
    PerSecond,
    /// Less is better.
    BytesEach,
}

impl Unit {
    pub(crate) const fn more_is_better(self) -> bool {
        !matches!(self, Self::BytesEach)
    }

    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::GigabitsPerSecond => format!("{value:.1}"),
            Self::PerSecond if value >= 999.5 => format!("{:.1}k", value / 1e3),
            Self::PerSecond => format!("{value:.0}"),
            Self::BytesEach if value.abs() >= 1e6 => format!("{:.1}M", value / 1e6),
            Self::BytesEach if value.abs() >= 1e3 => format!("{:.1}k", value / 1e3),
            Self::BytesEach => format!("{value:.0}"),
        }
    }
}

impl Column {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The heading of its table and plot.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::StreamUp => "1 stream up, Gbit/s",
            Self::StreamDown => "1 stream down, Gbit/s",
            Self::StreamUp8 => "8 streams up, Gbit/s",
            Self::StreamDown8 => "8 streams down, Gbit/s",
            Self::Pingpong1 => "Ping-pong 64 B, 1 flow, forwarder on its own core, per s",
            Self::Rr1s => "Ping-pong 64 B, 1 flow, all on one core, per s",
            Self::Pingpong64 => "Ping-pong 64 B, 64 flows, per s",
            Self::ConnRst => "Connect + 1 B + RST, 16 at once, per s",
            Self::ConnFin => "Connect + 1 B + FIN, 16 at once, per s",
            Self::Burst => "200,000 short connections in a row: the last tenth, per s",
            Self::Idle => "Idle connections: user memory each, bytes",
            Self::Bulk2000 => "2,000 streams, not as root, Gbit/s",
            Self::Slow => "Streams with slow readers: user memory each, bytes",
        }
    }

    /// How it is measured, in a sentence.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::StreamUp | Self::StreamUp8 => "what clients could send in the time, 256 KiB a call",
            Self::StreamDown | Self::StreamDown8 => "what arrived at the clients in the time",
            Self::Pingpong1 => "the way across cores includes waking sleepers there, twice each way",
            Self::Rr1s => "client, server and forwarder share core 0, so that nobody is woken on another",
            Self::Pingpong64 => "one message under way on each connection",
            Self::ConnRst => "the client breaks each connection after the answer (zero linger)",
            Self::ConnFin => "the client closes each connection after the answer",
            Self::Burst => "the like of the former, at most 40 s, for what slows down as TIME_WAIT fills up",
            Self::Idle => {
                "9,000 connections after an exchange each, fewer where descriptors do not suffice; growth of \
                 the proportional set size, kernel memory not included"
            }
            Self::Bulk2000 => {
                "what arrived at the clients; quotas of pipe buffers bind those who are not root, so many \
                 streams tell whether someone depends on them"
            }
            Self::Slow => {
                "200 streams, read at 10 KiB/s each; growth of the proportional set size, pipes and other \
                 kernel memory not included"
            }
        }
    }

    pub(crate) const fn unit(self) -> Unit {
        match self {
            Self::StreamUp | Self::StreamDown | Self::StreamUp8 | Self::StreamDown8 | Self::Bulk2000 => {
                Unit::GigabitsPerSecond
            }
            Self::Pingpong1 | Self::Rr1s | Self::Pingpong64 | Self::ConnRst | Self::ConnFin | Self::Burst => {
                Unit::PerSecond
            }
            Self::Idle | Self::Slow => Unit::BytesEach,
        }
    }

    /// What the CPU seconds of the forwarder are divided by: units of the load, and their name.
    pub(crate) const fn cpu_per(self) -> Option<(f64, &'static str)> {
        match self.unit() {
            Unit::GigabitsPerSecond => Some((1e9, "GB")),
            Unit::PerSecond => Some((1e3, "1000")),
            Unit::BytesEach => None,
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::StreamUp | Self::StreamUp8 => Kind::Up,
            Self::StreamDown | Self::StreamDown8 | Self::Bulk2000 => Kind::Down,
            Self::Pingpong1 | Self::Rr1s | Self::Pingpong64 => Kind::Pingpong,
            Self::ConnRst | Self::ConnFin | Self::Burst => Kind::Connect,
            Self::Idle => Kind::Hold,
            Self::Slow => Kind::Slow,
        }
    }

    /// Connections at once.
    pub(crate) const fn flows(self) -> usize {
        match self {
            Self::StreamUp | Self::StreamDown | Self::Pingpong1 | Self::Rr1s => 1,
            Self::StreamUp8 | Self::StreamDown8 => 8,
            Self::Pingpong64 => 64,
            Self::ConnRst | Self::ConnFin | Self::Burst => 16,
            Self::Idle => 9000,
            Self::Bulk2000 => 2000,
            Self::Slow => 200,
        }
    }

    /// Whether a measurement without a forwarder says anything.
    pub(crate) const fn has_direct(self) -> bool {
        self.unit().more_is_better()
    }
}
