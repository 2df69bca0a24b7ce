//! This thread, as the scheduler sees it.

use nix::sys::resource::{UsageWho, getrusage};

/// How often another one has been given this thread's core although it had something to do; a constant where
/// the kernel does not tell.
#[must_use]
pub fn times_preempted() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.involuntary_context_switches())
}
