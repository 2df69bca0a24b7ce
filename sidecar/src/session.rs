//! One connection, from its accept to its closing event.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::config::Engine;
use crate::relay::{Ending, Relayed, relay};
use crate::stats::Stats;
use crate::sys::Socket;
use crate::upstream::{DialError, Upstream};

/// What all connections of a relay share.
#[derive(Debug)]
pub struct Shared {
    /// Where they go.
    pub upstream: Upstream,
    /// How their bytes move.
    pub engine: Engine,
    /// How long one may be silent; no limit when absent.
    pub idle_timeout: Option<Duration>,
    /// What they add up to.
    pub stats: Stats,
}

/// Serves one accepted connection.
///
/// Every way out but the good one resets both peers, being dropped half-way included.
pub async fn serve(shared: &Shared, fd: OwnedFd, client_addr: SocketAddr) {
    let opened = Instant::now();
    let stats = &shared.stats;
    let client = match Socket::new(fd) {
        Ok(client) => client,
        Err(error) => return tracing::warn!(client.addr = %client_addr, %error, "cannot serve a connection"),
    };
    let (upstream, addr) = match shared.upstream.dial(&client).await {
        Ok(dialled) => dialled,
        Err(DialError::ClientGone(error)) => {
            stats.reset.increment();
            return tracing::debug!(client.addr = %client_addr, %error, "the client went away while dialling");
        }
        Err(error) => {
            match &error {
                DialError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    stats.refused.increment()
                }
                DialError::Loop => stats.looped.increment(),
                _ => stats.unreachable.increment(),
            }
            let tried = shared.upstream.addrs();
            return tracing::info!(client.addr = %client_addr, server.addrs = ?tried, %error, "cannot reach the target");
        }
    };
    stats.dials.record(opened.elapsed());
    let Relayed { up, down, spliced, ending } =
        relay(&client, &upstream, shared.engine, shared.idle_timeout, stats).await;
    let reason = match &ending {
        Ending::Complete => {
            client.finish();
            upstream.finish();
            "complete".to_owned()
        }
        Ending::Idle => {
            stats.idle.increment();
            "idle".to_owned()
        }
        Ending::Client(error) => {
            stats.reset.increment();
            format!("client: {error}")
        }
        Ending::Upstream(error) => {
            stats.reset.increment();
            format!("target: {error}")
        }
    };
    tracing::debug!(
        client.addr = %client_addr,
        server.addr = %addr,
        reason,
        bytes.up = up,
        bytes.down = down,
        bytes.spliced = spliced,
        seconds = opened.elapsed().as_secs_f64(),
        "connection closed"
    );
}
