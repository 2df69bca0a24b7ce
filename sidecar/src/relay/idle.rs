//! The end of a connection on which nothing happens.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Runs out once no byte has moved for the whole limit.
///
/// It does not move its deadline with every byte: when the deadline comes it looks whether
/// bytes have moved since it was set, so an ending comes between one and two limits of silence.
pub(super) struct IdleTimer {
    limit: Duration,
    moved: u64,
    sleep: Pin<Box<Sleep>>,
}

impl IdleTimer {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, moved: 0, sleep: Box::pin(sleep(limit)) }
    }

    /// Ready when the connection, which has `moved` so many bytes in all, has been silent.
    pub(super) fn poll(&mut self, moved: u64, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if self.moved == moved {
                return Poll::Ready(());
            }
            self.moved = moved;
            self.sleep.as_mut().reset(Instant::now() + self.limit);
        }
    }
}
