//! A target that has a name: its addresses, looked up when they are needed and followed as they
//! change.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use assemble_contract::HostName;
use tokio::sync::Notify;

use super::known::{Advice, Known};
use crate::resolve::{Found, Resolver, Unresolved};
use crate::warning::Warning;

/// A name with what is known of it.
#[derive(Debug)]
pub(super) struct Named {
    name: HostName,
    resolver: Resolver,
    known: Mutex<Known>,
    /// The question that was asked has been answered.
    answered: Notify,
}

impl Named {
    pub(super) fn open(name: HostName, port: u16, fallback: Option<IpAddr>) -> io::Result<Arc<Self>> {
        let fallback = fallback.map(|ip| SocketAddr::new(ip, port));
        let known = Mutex::new(Known::new(port, fallback));
        Ok(Arc::new(Self { name, resolver: Resolver::open()?, known, answered: Notify::new() }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That its question has gone without an answer for so long.
    pub(super) fn unanswered(&self, limit: Duration) -> Unresolved {
        Unresolved::NoAnswer { name: self.name.clone(), why: format!("no answer within {limit:?}") }
    }

    /// Where a connection may go. One question at a time is asked for all who wait, by a task of its
    /// own, so that it goes on when they have lost patience.
    pub(super) async fn addrs(self: &Arc<Self>) -> Result<Arc<[SocketAddr]>, Unresolved> {
        let began = Instant::now();
        loop {
            let mut answered = pin!(self.answered.notified());
            // Before the question: no answer can fall in between.
            answered.as_mut().enable();
            let advice = self.known().advise(Instant::now(), began);
            match advice {
                Advice::Use(addrs) => return Ok(addrs),
                Advice::Fail(failure) => return Err(failure),
                Advice::Wait { ask, until } => {
                    if ask {
                        self.ask();
                    }
                    match until {
                        Some(until) => drop(tokio::time::timeout_at(until.into(), answered).await),
                        None => answered.await,
                    }
                }
            }
        }
    }

    /// Where a connection may go instead that has tried all of `tried`: what the name service says
    /// by now, unless it was asked a moment ago or says the same.
    pub(super) async fn instead(self: &Arc<Self>, tried: &[SocketAddr]) -> Option<Arc<[SocketAddr]>> {
        if !self.known().doubt(Instant::now()) {
            return None;
        }
        let addrs = self.addrs().await.ok()?;
        (!addrs.iter().all(|addr| tried.contains(addr))).then_some(addrs)
    }

    pub(super) fn reached(&self, addr: SocketAddr) {
        self.known().reached(addr);
    }

    /// The addresses now, and whether the name service told them.
    pub(super) fn now(&self) -> (Arc<[SocketAddr]>, bool) {
        self.known().now()
    }

    /// The address that serves where the name is not known, as long as it may.
    pub(super) fn fallback(&self) -> Option<IpAddr> {
        self.known().fallback().map(|addr| addr.ip())
    }

    fn ask(self: &Arc<Self>) {
        let asking = Asking(Arc::clone(self));
        tokio::spawn(async move {
            let found = asking.0.resolver.look_up(&asking.0.name).await;
            asking.answered(found);
        });
    }
}

/// A question under way. Who waits is woken even if it ends without an answer, as at a panic.
struct Asking(Arc<Named>);

impl Asking {
    fn answered(self, found: Result<Found, Unresolved>) {
        let said = found.as_ref().map(|found| found.addrs.clone()).map_err(Clone::clone);
        let Named { name, .. } = &*self.0;
        match (self.0.known().answered(found, Instant::now()), said) {
            (false, _) => {}
            (true, Ok(addrs)) => tracing::info!(?addrs, "\"{name}\" is found"),
            (true, Err(error)) => tracing::warn!(%error, "{}", Warning::Target),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.known().abandoned();
        self.0.answered.notify_waiters();
    }
}
