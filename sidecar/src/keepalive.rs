//! How peers are found that vanished. Pure.

use std::time::Duration;

/// When the kernel asks a silent peer whether it is still there (tcp(7)).
///
/// Besides dead hosts this reaps half-closed leaks: a peer that closed for good answers a
/// probe with a reset, a living half-closed one with an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe (`TCP_KEEPIDLE`, whole seconds).
    pub idle: Duration,
    /// Time between probes (`TCP_KEEPINTVL`, whole seconds).
    pub interval: Duration,
    /// Unanswered probes before the connection is dead (`TCP_KEEPCNT`).
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), interval: Duration::from_secs(10), probes: 6 }
    }
}
