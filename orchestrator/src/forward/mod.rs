//! What a port inside the backend's network leads to. Pure.
//!
//! [`asked`] reads it from the command line, where hosts still have names only; a [`Forward`] is
//! complete, and is what labels carry from one run to the next.

pub mod asked;
mod options;

pub use options::lists;

use std::fmt;
use std::net::IpAddr;

use assemble_contract::{HostName, Mapping, Port, TargetHost, TargetSpec};

/// The usual port of a local registry, forwarded unless the user says otherwise.
pub const REGISTRY_PORT: Port = Port::new(5000).unwrap();

/// A port that the builder may connect to on its localhost, and what it reaches there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Forward {
    /// The port inside.
    pub port: Port,
    /// The service outside.
    pub target: Target,
}

/// A service outside the backend's network.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// At the gateway of the backend's network, which is an address of the host.
    Gateway {
        /// The port there.
        port: Port,
    },
    /// On the host's loopback, by way of the dialer.
    Loopback {
        /// The port there.
        port: Port,
    },
    /// On another host that the engine reaches, at an address that stays.
    Host {
        /// The name it was asked for by; the address itself where it had no name.
        name: String,
        /// What the name meant when the forward was made.
        addr: IpAddr,
        /// The port there.
        port: Port,
    },
    /// On another host, wherever its name leads: the relay looks it up in the backend's network, and
    /// follows it.
    Name {
        /// The name.
        name: HostName,
        /// What it meant to who made the forward, for as long as the backend's network does not
        /// know it.
        fallback: Option<IpAddr>,
        /// The port there.
        port: Port,
    },
}

impl Target {
    /// The port outside.
    #[must_use]
    pub const fn port(&self) -> Port {
        match self {
            Self::Gateway { port }
            | Self::Loopback { port }
            | Self::Host { port, .. }
            | Self::Name { port, .. } => *port,
        }
    }

    /// Whether the dialer is needed.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        matches!(self, Self::Loopback { .. })
    }
}

/// In words that follow `to`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway { port } => write!(f, "port {port} of the host"),
            Self::Loopback { port } => write!(f, "port {port} on the host's loopback"),
            Self::Host { name, addr, port } if *name == addr.to_string() => {
                write!(f, "port {port} of {addr}")
            }
            Self::Host { name, addr, port } => write!(f, "port {port} of {name} ({addr})"),
            Self::Name { name, port, .. } => write!(f, "port {port} of {name}"),
        }
    }
}

impl Forward {
    /// The same port of the host, at the gateway.
    #[must_use]
    pub const fn plain(port: Port) -> Self {
        Self { port, target: Target::Gateway { port } }
    }

    /// Whether it is the same port of the host, at the gateway.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::plain(self.port)
    }

    /// What the relay is told of it.
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        let host = match &self.target {
            Target::Gateway { .. } => TargetHost::Gateway,
            Target::Loopback { .. } => TargetHost::Loopback,
            Target::Host { addr, .. } => TargetHost::Address(*addr),
            Target::Name { name, .. } => TargetHost::Name(name.clone()),
        };
        let target = assemble_contract::Target { host, port: self.target.port() };
        Mapping::one(self.port, target)
    }

    /// The target as the relay's `--to` takes it.
    #[must_use]
    pub fn to(&self) -> String {
        self.mapping().to().to_string()
    }

    /// The target as a label carries it: [`Self::to`], behind `NAME=` where a host was asked for
    /// by a name whose address stays, and before `=ADDR` where there is one to fall back to.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.target {
            Target::Name { fallback, .. } => {
                let fallback = fallback.map(|addr| format!("={addr}")).unwrap_or_default();
                format!("{}{fallback}", self.to())
            }
            Target::Host { name, addr, .. } if *name != addr.to_string() => format!("{name}={}", self.to()),
            _ => self.to(),
        }
    }

    /// Reads what [`Self::label`] wrote for this port; `None` for anything else.
    #[must_use]
    pub fn from_label(port: Port, label: &str) -> Option<Self> {
        let (to, name, fallback) = match label.split_once('=') {
            None => (label, None, None),
            Some((to, addr)) if addr.parse::<IpAddr>().is_ok() => (to, None, addr.parse().ok()),
            Some((name, to)) => (to, Some(name), None),
        };
        let TargetSpec { host, port: outside } = to.parse().ok()?;
        let target = match (host, outside, name, fallback) {
            (TargetHost::Gateway, _, None, None) => Target::Gateway { port: outside.unwrap_or(port) },
            (TargetHost::Loopback, _, None, None) => Target::Loopback { port: outside.unwrap_or(port) },
            (TargetHost::Address(addr), Some(port), _, None) => {
                let name = name.map_or_else(|| addr.to_string(), str::to_owned);
                Target::Host { name, addr, port }
            }
            (TargetHost::Name(name), Some(port), None, _) => Target::Name { name, fallback, port },
            _ => return None,
        };
        Some(Self { port, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    fn host(name: &str, addr: &str, number: u16) -> Target {
        Target::Host { name: name.to_owned(), addr: addr.parse().unwrap(), port: port(number) }
    }

    fn name(name: &str, fallback: Option<&str>, number: u16) -> Target {
        let fallback = fallback.map(|addr| addr.parse().unwrap());
        Target::Name { name: name.parse().unwrap(), fallback, port: port(number) }
    }

    #[test]
    fn a_name_goes_through_a_label_and_back() {
        for (target, to, label) in [
            (name("db.internal", Some("192.0.2.7"), 5432), "db.internal:5432", "db.internal:5432=192.0.2.7"),
            (name("db", Some("2001:db8::7"), 5000), "db:5000", "db:5000=2001:db8::7"),
            (name("my_app-db-1.", None, 1), "my_app-db-1.:1", "my_app-db-1.:1"),
            // The relay has other meanings for these in small letters.
            (name("GATEWAY", None, 1), "GATEWAY:1", "GATEWAY:1"),
        ] {
            let forward = Forward { port: port(5000), target };
            assert_eq!((forward.to(), forward.label()), (to.to_owned(), label.to_owned()));
            assert_eq!(Forward::from_label(forward.port, label), Some(forward));
        }
        let gateway = Forward { port: port(5000), target: name("gateway", None, 80) };
        assert_eq!(gateway.to(), "GATEWAY:80");
        assert_eq!(name("db", Some("192.0.2.7"), 80).to_string(), "port 80 of db");
    }

    #[test]
    fn a_target_goes_through_a_label_and_back() {
        for (target, to, label, words) in [
            (Target::Gateway { port: port(5000) }, "gateway", "gateway", "port 5000 of the host"),
            (Target::Gateway { port: port(1) }, "gateway:1", "gateway:1", "port 1 of the host"),
            (
                Target::Loopback { port: port(5000) },
                "loopback",
                "loopback",
                "port 5000 on the host's loopback",
            ),
            (
                Target::Loopback { port: port(80) },
                "loopback:80",
                "loopback:80",
                "port 80 on the host's loopback",
            ),
            (
                host("db", "192.0.2.7", 5432),
                "192.0.2.7:5432",
                "db=192.0.2.7:5432",
                "port 5432 of db (192.0.2.7)",
            ),
            (
                host("192.0.2.7", "192.0.2.7", 5000),
                "192.0.2.7:5000",
                "192.0.2.7:5000",
                "port 5000 of 192.0.2.7",
            ),
            (
                host("db.internal", "2001:db8::7", 1),
                "[2001:db8::7]:1",
                "db.internal=[2001:db8::7]:1",
                "port 1 of db.internal (2001:db8::7)",
            ),
            (
                host("2001:db8::7", "2001:db8::7", 1),
                "[2001:db8::7]:1",
                "[2001:db8::7]:1",
                "port 1 of 2001:db8::7",
            ),
        ] {
            assert_eq!(target.to_string(), words);
            let forward = Forward { port: port(5000), target };
            assert_eq!((forward.to(), forward.label()), (to.to_owned(), label.to_owned()));
            assert_eq!(Forward::from_label(forward.port, label), Some(forward));
        }
    }

    #[test]
    fn labels_of_other_versions_are_not_guessed_at() {
        for label in [
            "",
            "gateway:",
            "gateway:0",
            "loopback:",
            "loopback:x",
            "x=gateway",
            "db:0",
            "x=db:1",
            "db:1=x",
            "db:1=",
        ] {
            assert_eq!(Forward::from_label(port(5000), label), None, "{label}");
        }
    }

    #[test]
    fn only_the_hosts_own_port_is_plain() {
        assert!(Forward::plain(port(5000)).is_plain());
        for target in [Target::Gateway { port: port(1) }, Target::Loopback { port: port(5000) }] {
            assert!(!Forward { port: port(5000), target }.is_plain());
        }
    }
}
