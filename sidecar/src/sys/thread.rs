//! This thread, as the scheduler sees it.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// How often another one has been given this thread's core although it had something to do; a constant where
/// the kernel does not tell.
#[must_use]
pub fn times_preempted() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.involuntary_context_switches())
}

/// How long it has had a core, in the kernel and out of it; nothing where the kernel does not tell.
#[must_use]
pub fn time_used() -> Duration {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(Duration::ZERO, |usage| {
        let times = [usage.user_time(), usage.system_time()];
        let micros = times.map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
        Duration::from_micros(micros.iter().sum::<i64>().unsigned_abs())
    })
}
