//! Settings and their words. Pure.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::congestion::CongestionControl;
use crate::host_name::{HostName, NoHostName};
use crate::sys::Keepalive;

/// Everything a relay is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port to listen on, on 127.0.0.1 and ::1.
    pub port: u16,
    /// Where connections go.
    pub target: Target,
    /// The address of a target that has a name, for as long as nobody here knows the name.
    pub fallback: Option<IpAddr>,
    /// The socket of the helper that connects to [`TargetHost::Loopback`], and only to that.
    pub dialer: Option<PathBuf>,
    /// Limit on one attempt to connect; the kernel's own is about two minutes.
    pub connect_timeout: Duration,
    /// How long connections may go on after the order to stop. Docker kills after 10 s.
    pub grace: Duration,
    /// Probing of silent peers, on both sides.
    pub keepalive: Keepalive,
    /// How bytes move.
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
    /// How many threads serve connections.
    pub threads: NonZeroUsize,
    /// How long a connection may be silent in both directions; no limit when absent. Off by
    /// default: it would kill paused readers and pooled connections (keepalive finds dead peers).
    pub idle_timeout: Option<Duration>,
}

impl Config {
    /// The default of [`Config::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The default of [`Config::grace`]: two seconds less than Docker's patience.
    pub const GRACE: Duration = Duration::from_secs(8);
    /// Descriptors for all but connections: listeners, the runtime's own, probes, idle pipes.
    const OTHER_DESCRIPTORS: usize = 48;
    /// More connections than this no process has descriptors for.
    const MAX_CONNECTIONS: usize = 1 << 20;

    /// The usual settings for a port and a target.
    #[must_use]
    pub fn new(port: u16, target: Target) -> Self {
        Self {
            port,
            target,
            fallback: None,
            dialer: None,
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
        }
    }

    /// How many connections a process with so many descriptors can serve at once, two each.
    ///
    /// Nobody has asked for that limit, and who holds connections may hold them for hours: a
    /// client beyond it is told by a reset, where it would wait in the kernel's queue without a
    /// word. At least one, whatever the limit.
    #[must_use]
    pub const fn connections_within(descriptors: usize) -> usize {
        let pairs = descriptors.saturating_sub(Self::OTHER_DESCRIPTORS) / 2;
        if pairs == 0 {
            1
        } else if pairs < Self::MAX_CONNECTIONS {
            pairs
        } else {
            Self::MAX_CONNECTIONS
        }
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

/// Where connections go: the wish, not yet an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: TargetHost,
    /// The port there.
    pub port: u16,
}

/// The host of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetHost {
    /// The default gateway of the namespace the relay runs in.
    Gateway,
    /// This address.
    Address(IpAddr),
    /// The loopback of the namespace in which a dialer runs.
    Loopback,
    /// Whatever address this name has when a connection is made.
    Name(HostName),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            TargetHost::Gateway => write!(f, "gateway:{}", self.port),
            TargetHost::Loopback => write!(f, "loopback:{}", self.port),
            TargetHost::Address(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            TargetHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// `--to` as it was written; its port is that of the listener when left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    host: TargetHost,
    port: Option<NonZeroU16>,
}

impl TargetSpec {
    /// The target for a listener on `port`.
    #[must_use]
    pub fn or_port(self, port: u16) -> Target {
        Target { host: self.host, port: self.port.map_or(port, NonZeroU16::get) }
    }
}

/// Why a `--to` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The host part is neither an address nor a name.
    #[error("\"{0}\" is neither \"gateway\" nor \"loopback\" nor an IP address nor the name of a host")]
    Host(String),
    /// The port part is no port.
    #[error("\"{0}\" is not a port: want 1 to 65535")]
    Port(String),
}

impl FromStr for TargetSpec {
    type Err = TargetError;

    /// Reads `gateway`, `loopback`, a name, an address of either family or `[V6]`, each but a bare
    /// address of IPv6 with `:PORT` or without. A host of one of the two names is `gateway.` or
    /// `loopback.`.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { host: TargetHost::Address(ip), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                // Digits only: the parser for numbers takes a sign as well.
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let number = port.parse().ok().filter(|_| digits);
                (host, Some(number.ok_or_else(|| TargetError::Port(port.to_owned()))?))
            }
            _ => (text, None),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address = match bracketed {
            Some(v6) => v6.parse().ok().map(IpAddr::V6),
            None => host.parse().ok().map(IpAddr::V4),
        };
        let host = match address {
            Some(ip) => TargetHost::Address(ip),
            None if host == "gateway" => TargetHost::Gateway,
            None if host == "loopback" => TargetHost::Loopback,
            None => {
                let name = host.parse();
                TargetHost::Name(name.map_err(|NoHostName| TargetError::Host(host.to_owned()))?)
            }
        };
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<TargetSpec>().unwrap().or_port(5000).to_string()
    }

    #[test]
    fn every_form_of_target_is_read() {
        assert_eq!(shown("gateway"), "gateway:5000");
        assert_eq!(shown("gateway:6000"), "gateway:6000");
        assert_eq!(shown("loopback"), "loopback:5000");
        assert_eq!(shown("loopback:6000"), "loopback:6000");
        assert_eq!(shown("192.0.2.7"), "192.0.2.7:5000");
        assert_eq!(shown("192.0.2.7:80"), "192.0.2.7:80");
        assert_eq!(shown("2001:db8::7"), "[2001:db8::7]:5000");
        assert_eq!(shown("[2001:db8::7]"), "[2001:db8::7]:5000");
        assert_eq!(shown("[2001:db8::7]:80"), "[2001:db8::7]:80");
        assert_eq!(shown("db"), "db:5000");
        assert_eq!(shown("db.internal:5432"), "db.internal:5432");
        assert_eq!(shown("gateway.:80"), "gateway.:80");
    }

    #[test]
    fn connections_fit_into_the_descriptors_there_are() {
        assert_eq!(Config::connections_within(64), 8);
        assert_eq!(Config::connections_within(20_000), 9976);
        assert_eq!(Config::connections_within(0), 1);
        assert_eq!(Config::connections_within(usize::MAX), Config::MAX_CONNECTIONS);
    }

    #[test]
    fn what_is_no_target_is_named() {
        let bad = |text: &str| text.parse::<TargetSpec>().unwrap_err();
        assert_eq!(bad("db/internal:5432"), TargetError::Host("db/internal".into()));
        assert_eq!(bad("192.0.2.256:80"), TargetError::Host("192.0.2.256".into()));
        assert_eq!(bad("db.internal:"), TargetError::Port(String::new()));
        assert_eq!(bad("gateway:0"), TargetError::Port("0".into()));
        assert_eq!(bad("gateway:65536"), TargetError::Port("65536".into()));
        assert_eq!(bad("192.0.2.7:"), TargetError::Port(String::new()));
        assert_eq!(bad("gateway:+80"), TargetError::Port("+80".into()));
        assert_eq!(bad(""), TargetError::Host(String::new()));
        assert_eq!(bad("[192.0.2.7]:80"), TargetError::Host("[192.0.2.7]".into()));
    }
}
