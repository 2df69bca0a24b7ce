//! The log of what any client can cause, and cause again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use crate::repeats::{Repeated, Repeats};
use crate::warning::Warning;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The target is not reached; for which port, where the relay has several.
    Target(Option<u16>),
    /// A connection is accepted but cannot be served.
    Connection,
    /// No connection can be accepted.
    Accept,
    /// A request to the dialer is refused.
    Request,
}

/// Tells of a failure the first time, and then how often it has repeated itself.
#[derive(Debug, Default)]
pub struct Reports {
    repeats: Mutex<Repeats<Topic>>,
    /// Whether something is remembered: what goes well, as it usually does, looks no further.
    busy: AtomicBool,
    changed: Notify,
}

impl Reports {
    /// Whether a failure is to be told, rather than counted. For `report!`.
    pub fn note(&self, topic: Topic, text: &str) -> bool {
        let (first, before) = self.with(|repeats| {
            let first = repeats.note(topic, text, Instant::now());
            (first, if first { repeats.flush() } else { Vec::new() })
        });
        // What came before stands before it.
        before.iter().for_each(tell);
        if first {
            self.changed.notify_one();
        }
        first
    }

    /// Something of this kind did not fail.
    pub fn went_well(&self, topic: Topic) {
        if self.busy.load(Ordering::Relaxed) && self.with(|repeats| repeats.went_well(topic)) {
            self.changed.notify_one();
        }
    }

    /// Tells of repetitions from now on, and of those that are left when the result is dropped.
    /// Needs a runtime.
    pub fn summed_up(self: &Arc<Self>) -> SummedUp {
        let reports = Arc::clone(self);
        let task = tokio::spawn(async move { reports.sum_up().await }).abort_handle();
        SummedUp { reports: Arc::clone(self), task }
    }

    async fn sum_up(&self) {
        loop {
            match self.with(|repeats| repeats.next_due()) {
                None => self.changed.notified().await,
                Some(due) => {
                    let _ = timeout_at(due.into(), self.changed.notified()).await;
                }
            }
            self.with(|repeats| repeats.due(Instant::now())).iter().for_each(tell);
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Repeats<Topic>) -> T) -> T {
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut repeats);
        self.busy.store(!repeats.is_empty(), Ordering::Relaxed);
        done
    }
}

/// Repetitions are being told of.
#[derive(Debug)]
pub struct SummedUp {
    reports: Arc<Reports>,
    task: AbortHandle,
}

impl Drop for SummedUp {
    fn drop(&mut self) {
        self.task.abort();
        self.reports.with(Repeats::flush).iter().for_each(tell);
    }
}

/// An event at its level where the failure is told, and else at `debug`, where nothing is left out.
macro_rules! report {
    ($told:expr, $level:ident, $($event:tt)+) => {
        if $told { tracing::$level!($($event)+) } else { tracing::debug!($($event)+) }
    };
}
pub(crate) use report;

/// The same message again, with how often.
fn tell(Repeated { topic, text: error, times: repeated }: &Repeated<Topic>) {
    match topic {
        Topic::Target(port) => tracing::info!(port, %error, repeated, "cannot reach the target"),
        Topic::Connection => tracing::warn!(%error, repeated, "{}", Warning::Connection),
        Topic::Accept => tracing::warn!(%error, repeated, "{}", Warning::Accept),
        Topic::Request => tracing::info!(%error, repeated, "a request was refused"),
    }
}
