//! Settings and their words. Pure.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use assemble_contract::{Mapping, Target, limits};
use explained::Explained;

use crate::keepalive::Keepalive;

/// A time that is none, or longer than a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("\"{text}\" is not a number of seconds between 0 and {most}", text = .0, most = DAY)]
#[advice = "correct it"]
#[status = "2"]
pub struct SecondsError(String);

/// The longest time, in seconds.
const DAY: f64 = 86_400.0;

/// Reads a number of seconds, fractions allowed, up to a day.
///
/// # Errors
/// Anything else.
pub fn seconds(text: &str) -> Result<Duration, SecondsError> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=DAY).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(SecondsError(text.to_owned())),
    }
}

/// Everything a relay is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ports to listen on, on 127.0.0.1 and ::1, and where their connections go.
    pub mapping: Mapping,
    /// Whether the kernel chooses the port to listen on, in place of the single one of the mapping.
    pub any_port: bool,
    /// The address of a target that has a name, for as long as nobody here knows the name.
    pub fallback: Option<IpAddr>,
    /// The socket of the dialer whose sockets lead to [`TargetHost::Loopback`](assemble_contract::TargetHost::Loopback), and only to that.
    pub dialer: Option<PathBuf>,
    /// The name of the unix socket on which the owner of this network namespace listens, to know the
    /// owner's end by it. The namespace lives on as long as the relay does.
    pub owner_socket: Option<String>,
    /// Limit on one attempt to connect; the kernel's own is about two minutes.
    pub connect_timeout: Duration,
    /// How long connections may go on after the order to stop. Docker kills after 10 s.
    pub grace: Duration,
    /// Probing of silent peers, on both sides.
    pub keepalive: Keepalive,
    pub engine: Engine,
    /// What sets the pace of sending to peers on link.
    pub congestion_control: CongestionControl,
    /// How many connections at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// How many descriptors the process may have open. More connections than
    /// [those allow](Self::connections_within) are reset.
    pub descriptors: usize,
    /// Whether to start without a gateway, resetting clients until there is one. Otherwise that
    /// is an error, which a restart policy or a person can act on.
    pub wait_for_gateway: bool,
    pub threads: NonZeroUsize,
    /// How long a connection may be silent in both directions; no limit when absent. Off by
    /// default: it would kill paused readers and pooled connections (keepalive finds dead peers).
    pub idle_timeout: Option<Duration>,
    /// For how many microseconds to spin for the next message of an exchange, in place of sleeping until it
    /// comes; not at all when absent. It takes the processor from others for nothing where they need it.
    pub busy_poll: Option<NonZeroU32>,
}

impl Config {
    /// The default of [`Config::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The default of [`Config::grace`]: two seconds less than Docker's patience.
    pub const GRACE: Duration = Duration::from_secs(8);
    /// More connections than this no process has descriptors for.
    const MAX_CONNECTIONS: usize = 1 << 20;

    /// The usual settings for a port of the kernel's choice.
    #[must_use]
    pub fn on_any_port(target: Target) -> Self {
        Self { any_port: true, ..Self::new(Mapping::one(target.port, target)) }
    }

    /// The usual settings.
    #[must_use]
    pub fn new(mapping: Mapping) -> Self {
        Self {
            mapping,
            any_port: false,
            fallback: None,
            dialer: None,
            owner_socket: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            grace: Self::GRACE,
            keepalive: Keepalive::default(),
            engine: Engine::Auto,
            congestion_control: CongestionControl::Auto,
            max_connections: Self::MAX_CONNECTIONS,
            descriptors: usize::MAX,
            wait_for_gateway: false,
            threads: NonZeroUsize::MIN,
            idle_timeout: None,
            busy_poll: None,
        }
    }

    /// How many connections a process with so many descriptors can serve at once beside so many ports, two
    /// each.
    ///
    /// Nobody has asked for that limit, and who holds connections may hold them for hours: a
    /// client beyond it is told by a reset, where it would wait in the kernel's queue without a
    /// word. At least one, whatever the limit.
    #[must_use]
    pub const fn connections_within(descriptors: usize, ports: usize) -> usize {
        let connections = limits::connections_within(descriptors, ports);
        if connections < Self::MAX_CONNECTIONS { connections } else { Self::MAX_CONNECTIONS }
    }
}

/// How bytes move between two sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Copies small messages, splices streams.
    #[default]
    Auto,
    /// Copies through user memory only.
    Copy,
    /// Splices whenever the kernel allows.
    Splice,
}

/// Who chooses the congestion control of sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CongestionControl {
    /// The relay, where the peer is on link: on this host, or its gateway.
    #[default]
    Auto,
    /// The network namespace, always.
    System,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_process_has_descriptors_for_more_connections() {
        assert_eq!(Config::connections_within(20_000, 1), 9976);
        assert_eq!(Config::connections_within(usize::MAX, 4096), Config::MAX_CONNECTIONS);
    }
}
