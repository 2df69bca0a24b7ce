//! Counters of one relay process.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows. Relaxed: a reader wants a recent value, not an order of events.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a relay has done since it started.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections that have ended, however.
    pub closed: Counter,
    /// Connections whose target refused or could not be reached.
    pub unreachable: Counter,
    /// Connections that ended in a reset by one of the peers.
    pub reset: Counter,
    /// Bytes from clients to the target, counted when read.
    pub bytes_up: Counter,
    /// Bytes from the target to clients, counted when read.
    pub bytes_down: Counter,
    /// Times a direction was refused a pipe or a splice and went on by copy.
    pub fallbacks: Counter,
    /// Times a listener rested because descriptors or memory were exhausted.
    pub accept_pauses: Counter,
}
