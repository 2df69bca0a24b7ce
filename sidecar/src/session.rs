//! One connection, from its accept to its closing event.

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use assemble_contract::Outcome;
use tokio::sync::Notify;

use crate::relay::{Ending, Options, Relayed, relay};
use crate::reports::{Reports, Topic, report};
use crate::service::Service;
use crate::stats::{Failure, Stats};
use crate::sys::Socket;
use crate::upstream::{DialError, Upstream};

/// What all connections of a relay share.
#[derive(Debug)]
pub struct Shared {
    pub upstream: Upstream,
    pub options: Options,
    /// The ports that are served, the lowest first.
    pub services: Box<[Service]>,
    /// Their failures on the way to the log.
    pub reports: Arc<Reports>,
    /// One that was relayed has ended and given back its descriptors, for whoever waits for some.
    /// One that was not even dialled tells nothing: it may have failed for the lack of them.
    pub freed: Notify,
    /// How many there are descriptors for.
    pub capacity: usize,
}

/// What a connection holds until it has ended.
pub trait Registration: Send + Sync {
    fn shared(&self) -> &Arc<Shared>;

    /// Which of the services it is a connection of.
    fn service(&self) -> u16;

    /// The counters of that one.
    fn stats(&self) -> &Stats {
        &self.shared().services[usize::from(self.service())].stats
    }
}

/// Serves one accepted connection, and keeps its `registration` until it has ended.
///
/// Every way out but the good one resets both peers, being dropped half-way included.
///
/// What a connection needs only while it is dialled, or only for a log that is off, it does not
/// carry to its end: most of a relay's memory are futures that wait.
pub fn serve(
    registration: impl Registration,
    fd: OwnedFd,
    client_addr: SocketAddr,
) -> impl Future<Output = ()> + Send {
    let opened = Instant::now();
    let mut told = tracing::enabled!(tracing::Level::DEBUG).then(|| Box::new((client_addr, None, opened)));
    let dialled =
        Box::pin(dial(Arc::clone(registration.shared()), registration.service(), fd, client_addr, opened));
    // One block, with what it awaits made in place: a future that is handed in it would have room
    // for twice.
    async move {
        let Some((client, upstream)) = dialled.await else { return drop(registration) };
        if let Some(told) = &mut told {
            told.1 = upstream.peer_addr().ok();
        }
        let relayed = relay(client, upstream, &registration.shared().options, registration.stats()).await;
        match &relayed.ending {
            Ending::Complete => {}
            Ending::Idle => registration.stats().idle.increment(),
            Ending::Client(_) | Ending::Upstream(_) => registration.stats().reset.increment(),
        }
        if let Some(told) = &told {
            let (client_addr, server_addr, opened) = **told;
            closed(client_addr, server_addr, opened, &relayed);
        }
        registration.shared().freed.notify_waiters();
        drop(registration);
    }
}

/// Connects to the target; on failure the client is reset, and the reason counted and told.
async fn dial(
    shared: Arc<Shared>,
    service: u16,
    fd: OwnedFd,
    client_addr: SocketAddr,
    opened: Instant,
) -> Option<(Socket, Arc<Socket>)> {
    let Service { port, outside, ref stats } = shared.services[usize::from(service)];
    let port = (shared.services.len() > 1).then_some(port);
    let client = Socket::new(fd)
        .inspect_err(|error| {
            let told = shared.reports.note(Topic::Connection, &error.to_string());
            report!(told, warn, client.addr = %client_addr, %error, "cannot serve a connection");
        })
        .ok()?;
    match shared.upstream.dial(outside, &client).await {
        Ok(upstream) => {
            stats.dials.record(opened.elapsed());
            shared.reports.went_well(Topic::Target(port));
            Some((client, upstream))
        }
        Err(DialError::ClientGone(error)) => {
            stats.reset.increment();
            let seconds = opened.elapsed().as_secs_f64();
            tracing::debug!(client.addr = %client_addr, %error, seconds, "the client went away while dialling");
            None
        }
        Err(error) => {
            match error.outcome() {
                Outcome::Refused => stats.refused.increment(),
                Outcome::Dialer => stats.dialer.increment(),
                Outcome::Loop => stats.looped.increment(),
                Outcome::NoSuchName | Outcome::NameService => stats.unresolved.increment(),
                Outcome::Descriptors => stats.descriptors.increment(),
                _ => stats.unreachable.increment(),
            }
            let (tried, seconds) = (shared.upstream.addrs_at(outside), opened.elapsed().as_secs_f64());
            let text = error.to_string();
            let told = shared.reports.note(Topic::Target(port), &text);
            report!(told, info, port, client.addr = %client_addr, server.addrs = ?tried, error = %text, seconds, "cannot reach the target");
            stats.failed(Failure { outcome: error.outcome(), text, at: Instant::now() });
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
        engine = relayed.engine(),
        seconds = opened.elapsed().as_secs_f64(),
        "connection closed"
    );
}
