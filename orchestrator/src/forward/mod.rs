//! What a port inside the backend's network leads to. Pure.
//!
//! [`asked`] reads it from the command line, where hosts still have names only; a [`Forward`] is
//! complete, and is what labels carry from one run to the next.

pub mod asked;
mod list_error;
mod merge;
mod options;
mod port_set;

pub use merge::{Conflict, MOST, MOST_PORTS, limits, merge};
pub use options::{lists, word};
pub use port_set::PortSet;

use std::net::IpAddr;

use assemble_contract::{HostName, Mapping, Port, Ports, TargetHost, TargetSpec};

/// The usual port of a local registry, forwarded unless the user says otherwise.
pub const REGISTRY_PORT: Port = Port::new(5000).unwrap();

/// Ports that the builder may connect to on its localhost, and what it reaches there: what one value of an
/// option asks for, and one sidecar serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Forward {
    /// The ports inside.
    pub ports: Ports,
    /// What the first of them leads to; each further one leads to the next port there.
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

    /// The same with another port.
    #[must_use]
    pub fn with_port(&self, first: Port) -> Self {
        let mut target = self.clone();
        match &mut target {
            Self::Gateway { port }
            | Self::Loopback { port }
            | Self::Host { port, .. }
            | Self::Name { port, .. } => *port = first,
        }
        target
    }

    /// Whether the dialer is needed.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        matches!(self, Self::Loopback { .. })
    }
}

/// Ports in a row in words: `port 5000`, `ports 8000-8099`.
#[must_use]
pub fn named(ports: Ports) -> String {
    if ports.is_one() { format!("port {ports}") } else { format!("ports {ports}") }
}

/// The port that stands to `first` as `port` does to the first of these.
const fn in_step(ports: Ports, port: Port, first: Port) -> Option<Port> {
    match first.get().checked_add(port.get().saturating_sub(ports.first().get())) {
        Some(number) => Port::new(number),
        None => None,
    }
}

impl Forward {
    /// The same ports of the host, at the gateway.
    #[must_use]
    pub fn plain(ports: impl Into<Ports>) -> Self {
        let ports = ports.into();
        Self { ports, target: Target::Gateway { port: ports.first() } }
    }

    /// Whether they are the same ports of the host, at the gateway.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::plain(self.ports)
    }

    /// The ports outside.
    #[must_use]
    pub fn outside(&self) -> Ports {
        let first = self.target.port();
        self.ports.moved_to(first).unwrap_or_else(|| first.into())
    }

    /// What leads to the same from some of its ports.
    #[must_use]
    pub fn part(&self, ports: Ports) -> Option<Self> {
        let first = in_step(self.ports, ports.first(), self.target.port());
        let is_part = self.ports.common(ports) == Some(ports);
        first.filter(|_| is_part).map(|first| Self { ports, target: self.target.with_port(first) })
    }

    /// What is left of it without these ports, in their order.
    #[must_use]
    pub fn without(&self, ports: Ports) -> Vec<Self> {
        self.ports.without(ports).filter_map(|rest| self.part(rest)).collect()
    }

    /// Whether each of its ports leads to the same by one of these.
    #[must_use]
    pub fn is_covered_by(&self, others: &[Self]) -> bool {
        let cover = |rest: Vec<Self>, other: &Self| -> Vec<Self> {
            let uncovered = |forward: Self| match forward.ports.common(other.ports) {
                Some(both) if forward.part(both) == other.part(both) => forward.without(both),
                _ => vec![forward],
            };
            rest.into_iter().flat_map(uncovered).collect()
        };
        others.iter().fold(vec![self.clone()], cover).is_empty()
    }

    /// Where it leads, in words that follow `to`.
    #[must_use]
    pub fn leads_to(&self) -> String {
        let ports = named(self.outside());
        match &self.target {
            Target::Gateway { .. } => format!("{ports} of the host"),
            Target::Loopback { .. } => format!("{ports} on the host's loopback"),
            Target::Host { name, addr, .. } if *name == addr.to_string() => format!("{ports} of {addr}"),
            Target::Host { name, addr, .. } => format!("{ports} of {name} ({addr})"),
            Target::Name { name, .. } => format!("{ports} of {name}"),
        }
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
        // Whatever asks for forwards keeps to the relay's limits.
        Mapping::new(self.ports, target.clone()).unwrap_or_else(|_| Mapping::one(self.ports.first(), target))
    }

    /// The target of the first port as the relay's `--to` takes it where there is no other.
    fn to(&self) -> String {
        Mapping::one(self.ports.first(), self.mapping().target()).to().to_string()
    }

    /// The target as a label carries it: as in `--to`, behind `NAME=` where a host was asked for
    /// by a name whose address stays, and before `=ADDR` where there is one to fall back to. Of several
    /// ports it is that of the first: so what is written of one port, which every version knows, is read by
    /// the same rule as what is written of many.
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

    /// Reads what [`Self::label`] wrote for these ports; `None` for anything else.
    #[must_use]
    pub fn from_label(ports: impl Into<Ports>, label: &str) -> Option<Self> {
        let ports = ports.into();
        let (to, name, fallback) = match label.split_once('=') {
            None => (label, None, None),
            Some((to, addr)) if addr.parse::<IpAddr>().is_ok() => (to, None, addr.parse().ok()),
            Some((name, to)) => (to, Some(name), None),
        };
        let TargetSpec { host, port: outside } = to.parse().ok()?;
        let same = outside.unwrap_or_else(|| ports.first());
        let target = match (host, outside, name, fallback) {
            (TargetHost::Gateway, _, None, None) => Target::Gateway { port: same },
            (TargetHost::Loopback, _, None, None) => Target::Loopback { port: same },
            (TargetHost::Address(addr), Some(port), _, None) => {
                let name = name.map_or_else(|| addr.to_string(), str::to_owned);
                Target::Host { name, addr, port }
            }
            (TargetHost::Name(name), Some(port), None, _) => Target::Name { name, fallback, port },
            _ => return None,
        };
        // There are as many ports behind the first, and no more than a relay serves.
        ports.moved_to(target.port()).filter(|outside| outside.count() <= MOST_PORTS)?;
        Some(Self { ports, target })
    }
}

#[cfg(test)]
mod asked_tests;
#[cfg(test)]
mod tests;
