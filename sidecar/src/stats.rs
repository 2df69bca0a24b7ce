//! Counters of one port of a relay, or of all. Pure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use assemble_contract::Outcome;
use assemble_contract::status::FailureReason;

/// A number that only grows. Relaxed: a reader wants a recent value, not an order of events.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn increment(&self) {
        self.add(1);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long things took, counted by fixed bounds.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; Self::BOUNDS.len() + 1],
    micros: Counter,
}

impl Histogram {
    /// Upper bounds of all buckets but the last, which has none: from a loopback handshake to
    /// the first retransmitted SYN and the limit on a dial.
    pub const BOUNDS: [Duration; 10] = [
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_millis(5),
        Duration::from_millis(50),
        Duration::from_millis(500),
        Duration::from_millis(1500),
        Duration::from_secs(10),
    ];

    pub fn record(&self, took: Duration) {
        self.buckets[Self::BOUNDS.partition_point(|bound| *bound < took)].increment();
        self.micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many were within each bound, smaller bounds included; the last is all of them.
    pub fn cumulative(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().scan(0, |sum, bucket| {
            *sum += bucket.get();
            Some(*sum)
        })
    }

    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.get())
    }
}

/// What a relay has done since it started, for one of its ports or for all.
#[derive(Debug, Default)]
pub struct Stats {
    pub accepted: Counter,
    /// Connections that have ended, however.
    pub closed: Counter,
    /// Connections whose target refused.
    pub refused: Counter,
    /// Connections whose target could not be reached for another reason.
    pub unreachable: Counter,
    /// Connections for which the dialer was not there, refused, or answered nonsense.
    pub dialer: Counter,
    /// Connections whose target has a name that has no address.
    pub unresolved: Counter,
    /// Connections that would have come back to the relay or to themselves.
    pub looped: Counter,
    /// Connections for which there was no descriptor.
    pub descriptors: Counter,
    /// Connections that a peer broke.
    pub reset: Counter,
    /// Connections ended by the idle timeout.
    pub idle: Counter,
    /// Connections that a fault of the relay's own ended: their task panicked.
    pub panicked: Counter,
    /// Bytes from clients to the target, counted when read.
    pub bytes_up: Counter,
    /// Bytes from the target to clients, counted when read.
    pub bytes_down: Counter,
    /// Times a direction changed from copying to splicing.
    pub to_splice: Counter,
    /// Times a direction changed from splicing to copying.
    pub to_copy: Counter,
    /// Times a direction was refused a pipe or a splice and went on by copy.
    pub fallbacks: Counter,
    /// Times a listener rested because descriptors or memory were exhausted.
    pub accept_pauses: Counter,
    /// How long connections to the target took to be made.
    pub dials: Histogram,
    /// The last connection for which the target was not reached.
    last_failure: Mutex<Option<Failure>>,
}

/// Why a connection to the target was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub outcome: Outcome,
    /// In the words of whoever refused.
    pub text: String,
    pub at: Instant,
}

impl Stats {
    #[must_use]
    pub fn active(&self) -> u64 {
        // The later count first: an ending between the two reads must not make it negative.
        let closed = self.closed.get();
        self.accepted.get().saturating_sub(closed)
    }

    /// How many connections did not end well, by reason.
    #[must_use]
    pub fn failures(&self) -> [(FailureReason, u64); 9] {
        [
            (FailureReason::Refused, self.refused.get()),
            (FailureReason::Unreachable, self.unreachable.get()),
            (FailureReason::Dialer, self.dialer.get()),
            (FailureReason::Unresolved, self.unresolved.get()),
            (FailureReason::Loop, self.looped.get()),
            (FailureReason::Descriptors, self.descriptors.get()),
            (FailureReason::Reset, self.reset.get()),
            (FailureReason::Idle, self.idle.get()),
            (FailureReason::Panic, self.panicked.get()),
        ]
    }

    /// Adds what `other` has counted. The younger of the last failures is the last.
    pub fn add(&self, other: &Self) {
        for (sum, counter) in self.counters().zip(other.counters()) {
            sum.add(counter.get());
        }
        let failure = other.last_failure();
        if failure.as_ref().map(|failure| failure.at) > self.last_failure().map(|failure| failure.at) {
            failure.into_iter().for_each(|failure| self.failed(failure));
        }
    }

    /// All of them, endings before beginnings: one that ends meanwhile must not seem to have ended unbegun.
    fn counters(&self) -> impl Iterator<Item = &Counter> {
        let counters = [
            &self.closed,
            &self.accepted,
            &self.refused,
            &self.unreachable,
            &self.dialer,
            &self.unresolved,
            &self.looped,
            &self.descriptors,
            &self.reset,
            &self.idle,
            &self.panicked,
            &self.bytes_up,
            &self.bytes_down,
            &self.to_splice,
            &self.to_copy,
            &self.fallbacks,
            &self.accept_pauses,
            &self.dials.micros,
        ];
        counters.into_iter().chain(&self.dials.buckets)
    }

    /// Remembers a failure in place of the one before.
    pub fn failed(&self, failure: Failure) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    #[must_use]
    pub fn last_failure(&self) -> Option<Failure> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_every_bucket_that_bounds_it() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(50));
        histogram.record(Duration::from_micros(51));
        histogram.record(Duration::from_secs(11));
        let counts: Vec<u64> = histogram.cumulative().collect();
        assert_eq!(counts, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3]);
        assert_eq!(histogram.sum(), Duration::from_micros(11_000_101));
    }
}
