//! One connection, from its accept to its closing event.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use crate::relay::{Ending, Options, Relayed, relay};
use crate::stats::{Failure, Stats};
use crate::sys::Socket;
use crate::upstream::{DialError, Upstream};

/// What all connections of a relay share.
#[derive(Debug)]
pub struct Shared {
    /// Where they go.
    pub upstream: Upstream,
    /// How they are relayed.
    pub options: Options,
    /// What they add up to.
    pub stats: Stats,
}

/// Serves one accepted connection, and keeps `held` until it has ended.
///
/// Every way out but the good one resets both peers, being dropped half-way included.
///
/// What a connection needs only while it is dialled, or only for a log that is off, it does not
/// carry to its end: most of a relay's memory are futures that wait.
pub fn serve(
    shared: Arc<Shared>,
    fd: OwnedFd,
    client_addr: SocketAddr,
    held: impl Send,
) -> impl Future<Output = ()> + Send {
    let opened = Instant::now();
    let told = tracing::enabled!(tracing::Level::DEBUG).then(|| Box::new((client_addr, opened)));
    let dialled = Box::pin(dial(Arc::clone(&shared), fd, client_addr, opened));
    async move {
        let Some((client, upstream)) = dialled.await else { return };
        let upstream_addr = told.as_ref().and_then(|_| upstream.peer_addr().ok()).map(Box::new);
        let relayed = relay(&client, &upstream, &shared.options, &shared.stats).await;
        match &relayed.ending {
            Ending::Complete => {
                client.finish();
                upstream.finish();
            }
            Ending::Idle => shared.stats.idle.increment(),
            Ending::Client(_) | Ending::Upstream(_) => shared.stats.reset.increment(),
        }
        if let Some(told) = told {
            let (client_addr, opened) = *told;
            closed(client_addr, upstream_addr.map(|addr| *addr), opened, &relayed);
        }
        drop(held);
    }
}

/// Connects to the target; on failure the client is reset, and the reason counted and told.
async fn dial(
    shared: Arc<Shared>,
    fd: OwnedFd,
    client_addr: SocketAddr,
    opened: Instant,
) -> Option<(Socket, Socket)> {
    let stats = &shared.stats;
    let client = Socket::new(fd)
        .inspect_err(|error| tracing::warn!(client.addr = %client_addr, %error, "cannot serve a connection"))
        .ok()?;
    match shared.upstream.dial(&client).await {
        Ok(upstream) => {
            stats.dials.record(opened.elapsed());
            Some((client, upstream))
        }
        Err(DialError::ClientGone(error)) => {
            stats.reset.increment();
            tracing::debug!(client.addr = %client_addr, %error, "the client went away while dialling");
            None
        }
        Err(error) => {
            match &error {
                DialError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    stats.refused.increment();
                }
                DialError::Dialer(_) => stats.dialer.increment(),
                DialError::Loop => stats.looped.increment(),
                _ => stats.unreachable.increment(),
            }
            stats.failed(Failure {
                reason: error.reason().word(),
                text: error.to_string(),
                at: Instant::now(),
            });
            let tried = shared.upstream.addrs();
            tracing::info!(client.addr = %client_addr, server.addrs = ?tried, %error, "cannot reach the target");
            None
        }
    }
}

fn closed(client_addr: SocketAddr, server_addr: Option<SocketAddr>, opened: Instant, relayed: &Relayed) {
    let Relayed { up, down, spliced, ending } = relayed;
    tracing::debug!(
        client.addr = %client_addr,
        server.addr = server_addr.map(tracing::field::display),
        reason = %ending,
        bytes.up = up,
        bytes.down = down,
        bytes.spliced = spliced,
        seconds = opened.elapsed().as_secs_f64(),
        "connection closed"
    );
}
