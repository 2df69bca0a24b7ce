//! The listeners, the connections in flight, and their end.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use crate::accept::{self, Verdict};
use crate::config::Config;
use crate::session::{self, Shared};
use crate::stats::Stats;
use crate::sys::{Listener, ListenerError};
use crate::upstream::{Upstream, UpstreamError};

/// Why a relay cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The port cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenerError),
    /// There is nothing to forward to.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// How a relay that was told to stop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were reset because they outlived the grace period.
    pub cut: usize,
}

/// A relay that listens.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    grace: Duration,
    max_connections: usize,
}

impl Server {
    /// Finds the target and listens on 127.0.0.1 and ::1. Needs a runtime.
    ///
    /// # Errors
    /// There is no target, or the port cannot be had; a machine without IPv6 is only warned about.
    pub fn bind(config: &Config) -> Result<Self, ServerError> {
        let upstream = Upstream::new(config)?;
        let ipv4 = listen(Ipv4Addr::LOCALHOST.into(), config.port, config)?;
        // With port 0 the kernel has chosen one; both families get the same.
        let port = ipv4.local_addr().port();
        let ipv6 = match listen(Ipv6Addr::LOCALHOST.into(), port, config) {
            Ok(listener) => Some(listener),
            Err(error) if error.family_missing() => {
                tracing::warn!("no IPv6 here: not listening on [::1]:{port}");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let shared = Shared { upstream, engine: config.engine, stats: Stats::default() };
        Ok(Self {
            listeners: [ipv4].into_iter().chain(ipv6).collect(),
            shared: Arc::new(shared),
            grace: config.grace,
            max_connections: config.max_connections,
        })
    }

    /// The addresses listened on.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(Listener::local_addr)
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
    /// The namespace is gone, so nothing can be served any more.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Drained, ServerError> {
        let mut sessions = JoinSet::new();
        self.serve_until(shutdown, &mut sessions).await?;
        for listener in &self.listeners {
            while let Ok((fd, peer)) = listener.accept() {
                self.serve(fd, peer, &mut sessions);
            }
        }
        drop(self.listeners);
        let all = async { while sessions.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(self.grace, all).await;
        let cut = if in_time.is_ok() { 0 } else { sessions.len() };
        sessions.shutdown().await;
        Ok(Drained { cut })
    }

    async fn serve_until(
        &self,
        shutdown: impl Future<Output = ()>,
        sessions: &mut JoinSet<()>,
    ) -> Result<(), ServerError> {
        let mut shutdown = pin!(shutdown);
        let mut watch = pin!(self.shared.upstream.watch());
        loop {
            let room = sessions.len() < self.max_connections;
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                error = &mut watch => return Err(error.into()),
                Some(ended) = sessions.join_next() => self.ended(ended),
                accepted = self.accept(), if room => match accepted {
                    Ok((fd, peer)) => self.serve(fd, peer, sessions),
                    Err(error) => self.accept_failed(&error, sessions).await,
                },
            }
        }
    }

    /// The next connection of any listener.
    async fn accept(&self) -> io::Result<(OwnedFd, SocketAddr)> {
        poll_fn(|cx| {
            for listener in &self.listeners {
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }

    fn serve(&self, fd: OwnedFd, peer: SocketAddr, sessions: &mut JoinSet<()>) {
        self.shared.stats.accepted.increment();
        let shared = Arc::clone(&self.shared);
        sessions.spawn(async move { session::serve(&shared, fd, peer).await });
    }

    /// A panic has ended its own connection only, and with a reset.
    fn ended(&self, ended: Result<(), JoinError>) {
        self.shared.stats.closed.increment();
        if let Err(error) = ended {
            tracing::error!(%error, "a connection was dropped");
        }
    }

    /// Rests where accepting again at once would spin: until a connection ends, which gives
    /// something back, or for a moment.
    async fn accept_failed(&self, error: &io::Error, sessions: &mut JoinSet<()>) {
        let verdict = accept::classify(error);
        if verdict == Verdict::Next {
            return tracing::debug!(%error, "a connection broke before it was accepted");
        }
        self.shared.stats.accept_pauses.increment();
        tracing::warn!(%error, connections = sessions.len(), "cannot accept just now");
        tokio::select! {
            Some(ended) = sessions.join_next() => self.ended(ended),
            () = tokio::time::sleep(accept::REST) => {}
        }
    }
}

fn listen(ip: IpAddr, port: u16, config: &Config) -> Result<Listener, ListenerError> {
    Listener::bind(SocketAddr::new(ip, port), config.keepalive)
}
