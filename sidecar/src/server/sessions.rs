//! The connections that one thread serves.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use crate::session::{self, Registration as _, Shared};

/// A connection off the queue, with the room that was made for it; the last ones of a relay
/// that stops get none.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Which of the services it is a connection of.
    pub(super) service: u16,
    pub(super) fd: OwnedFd,
    pub(super) peer: SocketAddr,
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

/// The connections of a thread, by whichever thread they are registered.
///
/// Not a set of tasks to join: that costs an allocation for each and wakes whoever waits for
/// them when one ends.
#[derive(Clone)]
pub(super) struct Registry(Arc<Entries>);

struct Entries {
    open: Mutex<Slab<Option<AbortHandle>>>,
    /// The last one has ended.
    none: Notify,
    /// Who is told that there is room again.
    slots: Arc<Semaphore>,
    shared: Arc<Shared>,
}

/// A connection with its registration, which ends when this is dropped.
pub(super) struct Registered {
    fd: OwnedFd,
    peer: SocketAddr,
    registration: Registration,
}

struct Registration {
    registry: Registry,
    key: u32,
    service: u16,
    has_slot: bool,
}

impl Registry {
    fn open(&self) -> MutexGuard<'_, Slab<Option<AbortHandle>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections are registered, served already or not.
    pub(super) fn len(&self) -> usize {
        self.open().len()
    }

    pub(super) fn register(&self, Accepted { service, fd, peer, slot }: Accepted) -> Registered {
        #[expect(clippy::cast_possible_truncation, reason = "there are not so many descriptors")]
        let key = self.open().insert(None) as u32;
        let has_slot = slot.is_some();
        // A permit knows its semaphore, which is more than each connection can afford.
        slot.into_iter().for_each(OwnedSemaphorePermit::forget);
        let registration = Registration { registry: self.clone(), key, service, has_slot };
        registration.stats().accepted.increment();
        Registered { fd, peer, registration }
    }

    fn abort_all(&self) {
        // Not under the lock: what is aborted may leave at once.
        let all: Vec<_> = self.open().iter().filter_map(|(_, task)| task.clone()).collect();
        all.iter().for_each(AbortHandle::abort);
    }

    async fn emptied(&self) {
        while self.len() > 0 {
            self.0.none.notified().await;
        }
    }
}

impl session::Registration for Registration {
    fn shared(&self) -> &Arc<Shared> {
        &self.registry.0.shared
    }

    fn service(&self) -> u16 {
        self.service
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stats().panicked.increment();
            tracing::error!("a connection was dropped");
        }
        self.stats().closed.increment();
        let mut open = self.registry.open();
        open.remove(self.key as usize);
        if open.is_empty() {
            self.registry.0.none.notify_one();
            crate::relay::rest();
        }
        drop(open);
        if self.has_slot {
            self.registry.0.slots.add_permits(1);
        }
    }
}

/// A thread's own connections; they are reset when this is dropped.
pub(super) struct Sessions(Registry);

impl Sessions {
    pub(super) fn new(shared: Arc<Shared>, slots: Arc<Semaphore>) -> Self {
        Self(Registry(Arc::new(Entries { open: Mutex::default(), none: Notify::new(), slots, shared })))
    }

    /// The same for another thread.
    pub(super) fn another(&self) -> Self {
        let Entries { shared, slots, .. } = &*self.0.0;
        Self::new(Arc::clone(shared), Arc::clone(slots))
    }

    pub(super) const fn registry(&self) -> &Registry {
        &self.0
    }

    pub(super) fn serve(&self, Registered { fd, peer, registration }: Registered) {
        let key = registration.key as usize;
        let task = tokio::spawn(session::serve(registration, fd, peer)).abort_handle();
        // Unless it has ended already, as it may where the runtime stops.
        if let Some(entry) = self.0.open().get_mut(key) {
            *entry = Some(task);
        }
    }

    /// Lets connections finish for `grace`, resets the rest, and tells how many those were.
    pub(super) async fn drain(self, grace: Duration) -> usize {
        let in_time = tokio::time::timeout(grace, self.0.emptied()).await;
        let cut = if in_time.is_ok() { 0 } else { self.0.len() };
        self.0.abort_all();
        self.0.emptied().await;
        cut
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.0.abort_all();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::Config;
    use crate::service::Service;
    use crate::upstream::Upstream;

    /// What a connection takes in user memory is its task, mostly: what the runtime adds to the
    /// future, in steps of 128 bytes.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        const RUNTIME: usize = 104;
        let target = "127.0.0.1:1".parse().unwrap();
        let upstream = Upstream::new(&Config::on_any_port(target), None).unwrap();
        let (options, reports, freed) = Default::default();
        let services = [Service::new(2, 1)].into();
        let shared = Arc::new(Shared { upstream, options, services, reports, freed, capacity: 1 });
        let sessions = Sessions::new(shared, Arc::new(Semaphore::new(1)));
        let fd = std::net::TcpListener::bind("127.0.0.1:0").unwrap().into();
        let peer = (Ipv4Addr::LOCALHOST, 3).into();
        let Registered { fd, peer, registration } =
            sessions.registry().register(Accepted { service: 0, fd, peer, slot: None });
        let size = size_of_val(&session::serve(registration, fd, peer));
        assert!(size + RUNTIME <= 384, "{size}");
    }
}
