//! One of the ports that a relay serves. Pure.

use assemble_contract::{Mapping, Port, Ports};

use crate::stats::Stats;

/// A port, where it leads, and what became of its connections.
#[derive(Debug)]
pub struct Service {
    /// The port that clients connect to.
    pub port: u16,
    /// The target's port.
    pub outside: u16,
    pub stats: Stats,
}

impl Service {
    #[must_use]
    pub fn new(port: u16, outside: u16) -> Self {
        Self { port, outside, stats: Stats::default() }
    }

    /// Whether there was a connection.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.stats.accepted.get() > 0
    }

    /// The ports of these, which are in a row; none where the kernel is still to choose.
    #[must_use]
    pub fn ports(services: &[Self]) -> Option<Ports> {
        let port = |service: Option<&Self>| Port::new(service?.port);
        Ports::new(port(services.first())?, port(services.last())?)
    }

    /// Those of a mapping, the lowest port first.
    #[must_use]
    pub fn all(mapping: &Mapping) -> Vec<Self> {
        let pairs = mapping.ports().iter().zip(mapping.outside().iter());
        pairs.map(|(port, outside)| Self::new(port.get(), outside.get())).collect()
    }
}

/// What became of the connections of all of them.
#[must_use]
pub fn total(services: &[Service]) -> Stats {
    let total = Stats::default();
    services.iter().for_each(|service| total.add(&service.stats));
    total
}
