//! Bytes both ways between two connected sockets.
//!
//! `direction` decides which path bytes take, `pump` moves those of one direction, `pool` keeps
//! empty pipes; this file joins two pumps and gives every ending its meaning:
//!
//! - an end of stream is passed on and the other direction goes on (half-close);
//! - a broken socket ends both directions, but what was received before is delivered first, and
//!   the other peer gets a reset, never an end of stream;
//! - the error is shared between the directions, because the kernel hands it out once.

mod direction;
mod idle;
mod pool;
mod pump;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{Interest, Ready};

use crate::config::Engine;
use crate::stats::{Counter, Stats};
use crate::sys::Socket;
use idle::IdleTimer;
use pump::{Fault, Pump};

/// How long bytes received before a reset may take to reach the other peer.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Debug)]
pub enum Ending {
    /// Both streams ended and were delivered.
    Complete,
    /// The client's side broke.
    Client(io::Error),
    /// The target's side broke.
    Upstream(io::Error),
    /// Neither side said anything for the idle timeout.
    Idle,
}

/// A connection that is over.
#[derive(Debug)]
pub struct Relayed {
    /// Bytes read from the client.
    pub up: u64,
    /// Bytes read from the target.
    pub down: u64,
    /// How many of all these never came into user memory.
    pub spliced: u64,
    /// How it ended.
    pub ending: Ending,
}

/// Relays until both streams have ended or one socket breaks.
///
/// The sockets are left open: [`Socket::finish`] is for the caller, and only after
/// [`Ending::Complete`]. In any other case dropping them resets the peers.
pub async fn relay(
    client: &Socket,
    upstream: &Socket,
    engine: Engine,
    idle_timeout: Option<Duration>,
    stats: &Stats,
) -> Relayed {
    let mut client_news = pin!(client.happened(NEWS));
    let mut upstream_news = pin!(upstream.happened(NEWS));
    let mut relay = Relay {
        client: Side::new(client),
        upstream: Side::new(upstream),
        up: Pump::new(engine),
        down: Pump::new(engine),
        stats,
    };
    let mut poll = |cx: &mut Context<'_>, relay: &mut Relay<'_>| {
        let again = || client.happened(Interest::ERROR);
        relay.client.hear(&mut client_news, again, cx, &mut relay.up);
        let again = || upstream.happened(Interest::ERROR);
        relay.upstream.hear(&mut upstream_news, again, cx, &mut relay.down);
        relay.poll(cx)
    };
    // Boxed, so that a connection without a timeout pays one pointer for it.
    let mut idle = idle_timeout.map(|limit| Box::new(IdleTimer::new(limit)));
    let was_idle = poll_fn(|cx| {
        let done = poll(cx, &mut relay);
        if relay.has_failed() || done.is_ready() {
            return Poll::Ready(false);
        }
        let moved = relay.up.moved() + relay.down.moved();
        idle.as_mut().map_or(Poll::Pending, |idle| idle.poll(moved, cx).map(|()| true))
    })
    .await;
    if was_idle {
        return Relayed { ending: Ending::Idle, ..relay.into_relayed() };
    }
    if let Some(survivor) = relay.survivor() {
        // Nothing of what was received is lost to the reset that the survivor gets in a moment.
        let delivered = async {
            poll_fn(|cx| poll(cx, &mut relay)).await;
            survivor.sent().await;
        };
        let _ = tokio::time::timeout(LAST_BYTES, delivered).await;
    }
    relay.into_relayed()
}

/// What is listened for beside readiness: errors, because a reset that comes after the end of
/// the stream shows in no other way, and urgent data, because it makes short reads lie.
const NEWS: Interest = Interest::ERROR.add(Interest::PRIORITY);

/// One of the two sockets, with the error that broke it, whichever direction met it first.
struct Side<'a> {
    socket: &'a Socket,
    error: Option<io::Error>,
}

impl<'a> Side<'a> {
    fn new(socket: &'a Socket) -> Self {
        Self { socket, error: socket.is_broken().then(|| io::ErrorKind::ConnectionReset.into()) }
    }

    /// Takes note of news, of which `source` reads, and goes on listening with `again`.
    fn hear<F: Future<Output = io::Result<Ready>>>(
        &mut self,
        news: &mut Pin<&mut F>,
        again: impl Fn() -> F,
        cx: &mut Context<'_>,
        source: &mut Pump,
    ) {
        while self.error.is_none() {
            match news.as_mut().poll(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(ready)) if !ready.is_error() => {
                    if ready.is_priority() {
                        source.distrust_short_reads();
                    }
                    news.set(again());
                }
                Poll::Ready(Ok(_)) => self.error = Some(self.socket.take_error()),
                Poll::Ready(Err(error)) => self.error = Some(error),
            }
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
    }
}

struct Relay<'a> {
    client: Side<'a>,
    upstream: Side<'a>,
    up: Pump,
    down: Pump,
    stats: &'a Stats,
}

impl<'a> Relay<'a> {
    /// Moves what can be moved; ready when nothing more ever will be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { client, upstream, up, down, stats } = self;
        loop {
            let failed_before = (client.error.is_some(), upstream.error.is_some());
            advance(up, client, upstream, &stats.bytes_up, stats, cx);
            advance(down, upstream, client, &stats.bytes_down, stats, cx);
            if up.is_done() && down.is_done() {
                return Poll::Ready(());
            }
            if (client.error.is_some(), upstream.error.is_some()) == failed_before {
                return Poll::Pending;
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.client.error.is_some() || self.upstream.error.is_some()
    }

    /// The socket that still works after the other has failed.
    fn survivor(&self) -> Option<&'a Socket> {
        match (&self.client.error, &self.upstream.error) {
            (Some(_), None) => Some(self.upstream.socket),
            (None, Some(_)) => Some(self.client.socket),
            _ => None,
        }
    }

    fn into_relayed(self) -> Relayed {
        let ending = match (self.client.error, self.upstream.error) {
            (Some(error), _) => Ending::Client(error),
            (None, Some(error)) => Ending::Upstream(error),
            (None, None) => Ending::Complete,
        };
        Relayed {
            up: self.up.moved(),
            down: self.down.moved(),
            spliced: self.up.spliced() + self.down.spliced(),
            ending,
        }
    }
}

/// Moves what one direction can move, and books a broken socket to the side it belongs to.
fn advance(
    pump: &mut Pump,
    source: &mut Side<'_>,
    sink: &mut Side<'_>,
    bytes: &Counter,
    stats: &Stats,
    cx: &mut Context<'_>,
) {
    if sink.error.is_some() {
        return pump.abandon();
    }
    if source.error.is_some() {
        pump.source_failed();
    }
    match pump.poll(cx, source.socket, sink.socket, bytes, stats) {
        // It may still hold something: splice(2) tells an error before what lies behind an
        // urgent mark. The error has been handed out, so what is left can be read, and then the
        // end; who tells of a second one has nothing more to give.
        Poll::Ready(Err(Fault::Source(error))) if source.error.is_none() => source.fail(error),
        Poll::Ready(Err(Fault::Source(_))) => pump.abandon(),
        Poll::Ready(Err(Fault::Sink(error))) => {
            pump.abandon();
            sink.fail(error);
        }
        Poll::Ready(Ok(())) | Poll::Pending => {}
    }
}
