//! This thread, as the scheduler sees it.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

/// How often another one has been given this thread's core although it had something to do; a constant where
/// the kernel does not tell.
#[must_use]
pub fn times_preempted() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.involuntary_context_switches())
}

/// How long it has had a core, in the kernel and out of it. Exact, other than what getrusage(2) tells, which is
/// as of the last tick.
#[must_use]
pub fn time_used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
