//! The connections that one thread serves.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use crate::session::{self, Shared};

/// A connection off the queue, with the room that was made for it; the last ones of a relay
/// that stops get none.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) fd: OwnedFd,
    pub(super) peer: SocketAddr,
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

pub(super) struct Sessions {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

impl Sessions {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { tasks: JoinSet::new(), shared }
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn serve(&mut self, Accepted { fd, peer, slot }: Accepted) {
        self.shared.stats.accepted.increment();
        self.tasks.spawn(session::serve(Arc::clone(&self.shared), fd, peer, slot));
    }

    /// Waits for a connection to end and forgets it; for ever while there is none.
    ///
    /// A panic has ended its own connection only, and with a reset.
    pub(super) async fn reaped(&mut self) {
        let Some(ended) = self.tasks.join_next().await else { return std::future::pending().await };
        self.shared.stats.closed.increment();
        if let Err(error) = ended {
            tracing::error!(%error, "a connection was dropped");
        }
    }

    /// Lets connections finish for `grace`, resets the rest, and tells how many those were.
    pub(super) async fn drain(mut self, grace: Duration) -> usize {
        let all = async {
            while self.len() > 0 {
                self.reaped().await;
            }
        };
        let in_time = tokio::time::timeout(grace, all).await;
        let cut = if in_time.is_ok() { 0 } else { self.len() };
        self.tasks.shutdown().await;
        cut
    }
}
