//! Connections too young to be probed.
//!
//! Keepalive costs four system calls, and most connections end long before it matters. So those
//! that were dialled get it only once they have lived for a moment. Accepted ones have it from
//! their listener, for nothing.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::options::Keepalive;
use super::socket::Socket;

/// How long a connection lives, at most, before it is probed. No more than the shortest silence
/// that keepalive knows (`TCP_KEEPIDLE`, whole seconds), and that is counted from its beginning.
const YOUTH: Duration = Duration::from_secs(1);

/// What is to be probed soon. It keeps nothing open.
#[derive(Debug)]
pub struct Nursery {
    keepalive: Keepalive,
    cradles: Arc<Mutex<Cradles>>,
}

#[derive(Debug, Default)]
struct Cradles {
    young: Vec<Weak<Socket>>,
    /// Whether somebody comes for them in time.
    attended: bool,
}

impl Nursery {
    /// An empty one.
    #[must_use]
    pub fn new(keepalive: Keepalive) -> Self {
        Self { keepalive, cradles: Arc::default() }
    }

    /// Has a connection probed from a second on, or earlier. Needs a runtime.
    pub fn take(&self, connection: &Arc<Socket>) {
        let mut cradles = lock(&self.cradles);
        cradles.add(Arc::downgrade(connection));
        // Nobody is woken while there are none.
        if !mem::replace(&mut cradles.attended, true) {
            tokio::spawn(raise(self.keepalive, Arc::clone(&self.cradles)));
        }
    }
}

impl Cradles {
    fn add(&mut self, connection: Weak<Socket>) {
        if self.young.len() == self.young.capacity() {
            // Those that have ended make room first, or a second of short connections would be
            // kept; as much room again, so that this is seldom.
            self.young.retain(|young| young.strong_count() > 0);
            self.young.reserve(self.young.len().max(16));
        }
        self.young.push(connection);
    }
}

async fn raise(keepalive: Keepalive, cradles: Arc<Mutex<Cradles>>) {
    tokio::time::sleep(YOUTH).await;
    let Cradles { young, .. } = mem::take(&mut *lock(&cradles));
    for connection in young.iter().filter_map(Weak::upgrade) {
        // One that refuses is about to end.
        if let Err(error) = connection.probe(keepalive) {
            tracing::debug!(%error, "cannot have a connection probed");
        }
    }
}

fn lock(cradles: &Mutex<Cradles>) -> MutexGuard<'_, Cradles> {
    cradles.lock().unwrap_or_else(PoisonError::into_inner)
}
