//! The listeners, the connections in flight, and their end.
//!
//! One acceptor takes connections off the queue; `sessions` are those that one thread serves,
//! and `workers` are the other threads.

mod error;
mod queues;
mod sessions;
mod workers;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use assemble_contract::{Outcome, limits};
use tokio::sync::{Notify, Semaphore};

use crate::accept::{self, Verdict};
use crate::config::Config;
use crate::congestion;
use crate::dialer::SPARE;
use crate::relay::Options;
use crate::reports::{Topic, report};
use crate::service::Service;
use crate::session::Shared;
use crate::stats::{Failure, Stats};
use crate::sys::Reserve;
use crate::upstream::Upstream;
pub use error::ServerError;
use queues::{Listening, Queues};
use sessions::{Accepted, Sessions};
use workers::Workers;

/// How a relay that was told to stop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were reset because they outlived the grace period.
    pub cut: usize,
}

/// A relay that listens.
#[derive(Debug)]
pub struct Server {
    listening: Listening,
    families: Vec<IpAddr>,
    shared: Arc<Shared>,
    grace: Duration,
    /// One for each connection that may be served at once.
    slots: Arc<Semaphore>,
    /// How many those were.
    most: usize,
    threads: NonZeroUsize,
}

impl Server {
    /// Finds the target and listens on 127.0.0.1 and ::1. Needs a runtime.
    ///
    /// # Errors
    /// There is no target, or a port cannot be had; a machine without IPv6 is only warned about.
    pub fn bind(config: &Config) -> Result<Self, ServerError> {
        Self::on(config, Vec::new())
    }

    /// The same with listeners that somebody else has made, if there are any.
    ///
    /// # Errors
    /// They are of other ports, or those of [`bind`](Self::bind).
    pub fn on(config: &Config, passed: Vec<TcpListener>) -> Result<Self, ServerError> {
        let on_link = congestion::on_link(config.congestion_control);
        let upstream = Upstream::new(config, on_link)?;
        let mut services = Service::all(&config.mapping);
        if config.any_port {
            services.iter_mut().for_each(|service| service.port = 0);
        }
        let ports = config.mapping.ports();
        let needed = limits::descriptors_for(1, u32::try_from(ports.count()).unwrap_or(u32::MAX));
        if !ports.is_one() && config.descriptors < needed as usize {
            return Err(ServerError::Descriptors { limit: config.descriptors, ports, needed });
        }
        // Those of a dialer that lie ready.
        let spare = config.dialer.as_ref().map_or(0, |_| SPARE);
        // Clients come over loopback, so they are on link.
        let (listening, families) = queues::listen(config, passed, on_link, &mut services)?;
        let shared = Shared {
            upstream,
            options: Options {
                engine: config.engine,
                idle_timeout: config.idle_timeout,
                busy_poll: config.busy_poll,
                keepalive: config.keepalive,
            },
            capacity: Config::connections_within(config.descriptors.saturating_sub(spare), services.len()),
            services: services.into(),
            reports: Arc::default(),
            freed: Notify::new(),
        };
        let most = config.max_connections.min(Semaphore::MAX_PERMITS);
        Ok(Self {
            listening,
            families,
            shared: Arc::new(shared),
            grace: config.grace,
            slots: Arc::new(Semaphore::new(most)),
            most,
            threads: config.threads,
        })
    }

    /// Where it listens, with the lowest of its ports.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.families.iter().map(|ip| SocketAddr::new(*ip, self.shared.services[0].port))
    }

    /// What all connections share: the target and the counters.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Serves until `shutdown` resolves, then lets connections finish for the grace period.
    ///
    /// What the kernel has queued by then is served too: closing a listener would reset it.
    ///
    /// # Errors
    /// The namespace is gone, so nothing can be served any more, or there was no descriptor or
    /// thread to begin with.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Drained, ServerError> {
        let mut reserve = Reserve::new().map_err(ServerError::Start)?;
        let sessions = Sessions::new(Arc::clone(&self.shared), Arc::clone(&self.slots));
        let workers = Workers::new(self.threads, &sessions, self.grace).map_err(ServerError::Start)?;
        let _summed_up = self.shared.reports.summed_up();
        #[expect(clippy::cast_possible_truncation, reason = "there are no more services than ports")]
        let mut queues = Queues::new(&self.listening, self.shared.services.len() as u16);
        {
            let mut shutdown = pin!(shutdown);
            let mut watch = pin!(self.shared.upstream.watch());
            for n in 1_usize.. {
                tokio::select! {
                    biased;
                    () = &mut shutdown => break,
                    error = &mut watch => return Err(error.into()),
                    accepted = self.accept(&mut queues) => match accepted {
                        Ok(accepted) if self.is_full() => self.refuse(accepted),
                        Ok(accepted) => {
                            self.shared.reports.went_well(Topic::Accept);
                            workers.serve(accepted, &sessions);
                        }
                        Err(error) => self.accept_failed(&error, &mut queues, &mut reserve).await,
                    },
                }
                if n.is_multiple_of(accept::BURST) {
                    give_way().await;
                }
            }
        }
        // Beyond the limit as well: those who waited for a turn would get a reset instead.
        while let Some((service, (fd, peer))) = queues.take() {
            workers.serve(Accepted { service, fd, peer, slot: None }, &sessions);
        }
        drop(self.listening);
        let (here, elsewhere) = tokio::join!(sessions.drain(self.grace), workers.drain());
        Ok(Drained { cut: here + elsewhere })
    }

    /// The next connection of any listener, once there is room for it.
    async fn accept(&self, queues: &mut Queues<'_>) -> Result<Accepted, (u16, io::Error)> {
        // Nobody closes the semaphore.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        let (service, accepted) = poll_fn(|cx| queues.poll_accept(cx)).await;
        accepted.map(|(fd, peer)| Accepted { service, fd, peer, slot }).map_err(|error| (service, error))
    }

    /// Whether the connection accepted last would take a descriptor from those that are served.
    fn is_full(&self) -> bool {
        self.most - self.slots.available_permits() > self.shared.capacity
    }

    /// Resets a connection for which there is no descriptor.
    fn refuse(&self, accepted: Accepted) {
        let service = accepted.service;
        drop(accepted);
        self.refused(service);
        let most = self.shared.capacity;
        let text = format!("all {most} connections that the limit on open descriptors allows are open");
        let told = self.shared.reports.note(Topic::Accept, &text);
        report!(told, warn, error = %text, "cannot accept just now");
        let stats = self.stats(service);
        stats.failed(Failure { outcome: Outcome::Descriptors, text, at: Instant::now() });
    }

    /// Counts a connection that was accepted only to be reset.
    fn refused(&self, service: u16) {
        let stats = self.stats(service);
        // The end first, or a reader between the two would find one open.
        stats.closed.increment();
        stats.accepted.increment();
        stats.descriptors.increment();
    }

    fn stats(&self, service: u16) -> &Stats {
        &self.shared.services[usize::from(service)].stats
    }

    /// Sheds those that wait and rests, where accepting again at once would spin.
    async fn accept_failed(
        &self,
        (service, error): &(u16, io::Error),
        queues: &mut Queues<'_>,
        reserve: &mut Reserve,
    ) {
        let verdict = accept::classify(error);
        if verdict == Verdict::Next {
            return tracing::debug!(%error, "a connection broke before it was accepted");
        }
        self.stats(*service).accept_pauses.increment();
        // The clients at the head of a queue learn at once what is the matter, by a reset, instead
        // of waiting for an answer that cannot come.
        let mut shed = 0;
        if verdict == Verdict::Exhausted {
            reserve.lend(|| {
                while shed < accept::SHED
                    && let Some((service, ..)) = queues.take()
                {
                    self.refused(service);
                    shed += 1;
                }
            });
        }
        let told = self.shared.reports.note(Topic::Accept, &error.to_string());
        report!(told, warn, %error, shed, "cannot accept just now");
        // Either way there may be a descriptor again.
        let _ = tokio::time::timeout(accept::BACKOFF, self.shared.freed.notified()).await;
    }
}

/// Lets all other tasks have their turn, without a look at the kernel's events in between: that
/// would cost a system call, as `tokio::task::yield_now` does.
async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
