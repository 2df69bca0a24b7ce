//! What a relay tells about itself: one JSON object, sizes in bytes, times in milliseconds unless they
//! say otherwise.
//!
//! Objects are written as these types have their fields, which is in the order of the alphabet: it was
//! that of the writer before there were types. A field that is missing reads as nothing, or 0, and one
//! that is not known is skipped, since the two sides may be of different versions.

mod speaks;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use speaks::Speaks;

use crate::{Outcome, Port, Ports, Target};

/// What a relay has done since it started, and what was found beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// How often accepting had to rest.
    pub accept_pauses: u64,
    /// Connections open now.
    pub active: u64,
    /// The addresses that the target means now, each with its port.
    pub addrs: Vec<String>,
    /// Bytes from the target to clients.
    pub bytes_down: u64,
    /// Bytes from clients to the target.
    pub bytes_up: u64,
    /// For how many connections the relay has descriptors.
    pub capacity: Option<u64>,
    /// The path of the dialer that is asked, if any.
    pub dialer: Option<String>,
    /// Connections that did not end well, by the word of their [`FailureReason`].
    pub failed: BTreeMap<String, u64>,
    /// The address that serves while nobody knows the target's name.
    pub fallback: Option<IpAddr>,
    /// What the kernel allows here. The program that asks the relay adds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernel>,
    /// The last connection for which the target was not reached.
    pub last_error: Option<LastError>,
    /// Connections accepted.
    pub opened: u64,
    /// Of a range, the ports that have had a connection, and those that were tried. The counts of all are
    /// summed up in the fields around this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortStatus>,
    /// An attempt made just now, where there is a single port. The program that asks the relay adds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// Whether the name service told the addresses; nothing where the target has no name.
    pub resolved: Option<bool>,
    /// How often the kernel gave no pipe or splice.
    pub splice_fallbacks: u64,
    /// Where it connects to, a [`Target`], that of the first port of a range: see [`Status::target`].
    pub target: String,
    /// The program's version.
    pub version: String,
}

impl Status {
    /// The object, in which all that is written is written.
    #[must_use]
    pub fn object(&self) -> Value {
        // Numbers, texts and maps with texts as keys: nothing that JSON has no form for.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Where it connects to; nothing for words that are no target.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.target.parse().ok()
    }

    /// The addresses it connects to, without their ports. An attempt has looked a name up just now; the
    /// relay did so for its last connection.
    pub fn addrs_now(&self) -> impl Iterator<Item = IpAddr> {
        let tried = self.probe.iter().flat_map(|probe| &probe.addrs);
        let known = if self.probe.as_ref().is_some_and(|probe| !probe.addrs.is_empty()) {
            &[]
        } else {
            self.addrs.as_slice()
        };
        // A scope (`%3`) is of no use outside its namespace.
        tried.chain(known).filter_map(|addr| addr.parse().ok()).map(|addr: SocketAddr| addr.ip())
    }

    /// The same without what no relay of these ports tells: whoever has its socket may have written it.
    #[must_use]
    pub fn claimed_by(mut self, ports: Ports) -> Self {
        (self.probe, self.kernel) = (None, None);
        if ports.is_one() {
            self.ports.clear();
        }
        self.ports.retain(|told| Port::new(told.port).is_some_and(|port| ports.contains(port)));
        self.ports.sort_by_key(|told| told.port);
        self.ports.dedup_by_key(|told| told.port);
        self.ports.iter_mut().for_each(|told| told.probe = None);
        self
    }

    /// The first of them.
    #[must_use]
    pub fn addr(&self) -> Option<IpAddr> {
        self.addrs_now().next()
    }

    /// How many connections did not end well.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// How many connections did not end well for this reason.
    #[must_use]
    pub fn failed_by(&self, reason: FailureReason) -> u64 {
        self.failed.get(reason.word()).copied().unwrap_or_default()
    }
}

/// What a relay of a range has done for one port of it, as the [`Status`] tells it of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortStatus {
    /// Connections open now.
    pub active: u64,
    /// Bytes from the target to clients.
    pub bytes_down: u64,
    /// Bytes from clients to the target.
    pub bytes_up: u64,
    /// Connections that did not end well, by the word of their [`FailureReason`]; one that there were none
    /// for is left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
    /// The last connection for which the target was not reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// Connections accepted.
    pub opened: u64,
    /// The port that is listened on.
    pub port: u16,
    /// An attempt made just now. The program that asks the relay adds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

/// What is counted of one port of a range, and its attempt, as that of a relay which has no other.
impl From<&PortStatus> for Status {
    fn from(told: &PortStatus) -> Self {
        Self {
            active: told.active,
            bytes_down: told.bytes_down,
            bytes_up: told.bytes_up,
            failed: told.failed.clone(),
            last_error: told.last_error.clone(),
            opened: told.opened,
            probe: told.probe.clone(),
            ..Self::default()
        }
    }
}

/// Why a connection did not end well, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The target refused.
    Refused,
    /// The target could not be reached for another reason.
    Unreachable,
    /// The dialer was not there, refused, or answered nonsense.
    Dialer,
    /// The target has a name that has no address.
    Unresolved,
    /// It would have come back to the relay, or to itself.
    Loop,
    /// There was no descriptor for it.
    Descriptors,
    /// A peer broke it.
    Reset,
    /// It was silent for too long.
    Idle,
    /// A fault of the relay's own.
    Panic,
}

impl FailureReason {
    /// The word by which it is counted.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Dialer => "dialer",
            Self::Unresolved => "unresolved",
            Self::Loop => "loop",
            Self::Descriptors => "descriptors",
            Self::Reset => "reset",
            Self::Idle => "idle",
            Self::Panic => "panic",
        }
    }
}

/// A failure to reach the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastError {
    /// How long ago, in milliseconds.
    pub age_ms: u64,
    /// In one word, that of an [`Outcome`].
    pub reason: String,
    /// In the words of whoever refused.
    pub text: String,
}

/// An attempt to connect to the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// The addresses that the target's name, if it has one, was found to have, each with its port.
    pub addrs: Vec<String>,
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// What came of it.
    pub result: Outcome,
    /// What the target speaks, where it was asked.
    pub speaks: Option<Speaks>,
    /// Why it failed, in the words of whoever refused.
    pub text: Option<String>,
}

/// What the kernel allows a relay, each nothing where it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// Pages that the pipes of one user of the whole host may take before they shrink; 0 for no limit.
    pub pipe_user_pages_soft: Option<u64>,
    /// How many ports the network namespace has for outgoing connections.
    pub ports: Option<u64>,
    /// Its sockets in `TIME_WAIT`, each on such a port.
    pub time_wait: Option<u64>,
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
