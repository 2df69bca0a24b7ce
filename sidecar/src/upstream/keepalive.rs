//! Keepalive for connections that live for a while.
//!
//! It costs four system calls, and most connections end long before it matters. So those that were
//! dialled get it only once they are a moment old. Accepted ones have it from their listener, for
//! nothing.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::keepalive::Keepalive;
use crate::sys::Socket;

/// How old a connection is, at most, when it gets keepalive. No more than the shortest silence that
/// keepalive knows (`TCP_KEEPIDLE`, whole seconds), and that is counted from its beginning.
const DELAY: Duration = Duration::from_secs(1);

/// Sets keepalive on connections a moment after they were made. It keeps none of them open.
#[derive(Debug)]
pub(super) struct LateKeepalive {
    keepalive: Keepalive,
    pending: Arc<Mutex<Pending>>,
}

#[derive(Debug, Default)]
struct Pending {
    connections: Vec<Weak<Socket>>,
    /// Whether a task is on its way for them.
    scheduled: bool,
}

impl LateKeepalive {
    pub(super) fn new(keepalive: Keepalive) -> Self {
        Self { keepalive, pending: Arc::default() }
    }

    /// Has keepalive set on a connection within [`DELAY`]. Needs a runtime.
    pub(super) fn add(&self, connection: &Arc<Socket>) {
        let mut pending = lock(&self.pending);
        pending.add(Arc::downgrade(connection));
        // No timer runs while there are none.
        if !mem::replace(&mut pending.scheduled, true) {
            tokio::spawn(set(self.keepalive, Arc::clone(&self.pending)));
        }
    }
}

impl Pending {
    fn add(&mut self, connection: Weak<Socket>) {
        if self.connections.len() == self.connections.capacity() {
            // Those that have ended make room first, or a second of short connections would be
            // kept; as much room again, so that this is seldom.
            self.connections.retain(|connection| connection.strong_count() > 0);
            self.connections.reserve(self.connections.len().max(16));
        }
        self.connections.push(connection);
    }
}

async fn set(keepalive: Keepalive, pending: Arc<Mutex<Pending>>) {
    tokio::time::sleep(DELAY).await;
    let Pending { connections, .. } = mem::take(&mut *lock(&pending));
    for connection in connections.iter().filter_map(Weak::upgrade) {
        // One that refuses is about to end.
        if let Err(error) = connection.keep_alive(keepalive) {
            tracing::debug!(%error, "cannot have a connection probed");
        }
    }
}

fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}
