//! Bytes both ways between two connected sockets.
//!
//! `direction` decides which path bytes take, `pump` moves those of one direction, `pool` keeps
//! empty pipes, `spin` waits awake for messages; this file joins two pumps and gives every ending its meaning:
//!
//! - an end of stream is passed on and the other direction goes on (half-close);
//! - a broken socket ends both directions, but what was received before is delivered first, and
//!   the other peer gets a reset, never an end of stream;
//! - the error is shared between the directions, because the kernel hands it out once.

mod direction;
mod idle;
mod pool;
mod pump;
mod side;
mod spin;
mod turn;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::config::Engine;
use crate::keepalive::Keepalive;
use crate::stats::{Counter, Stats};
use crate::sys::Socket;
use direction::is_message;
use idle::IdleTimer;
pub(crate) use pool::rest;
use pump::{Fault, Pump};
use side::{Side, Sides};
use turn::give_way;

/// How long bytes received before a reset may take to reach the other peer.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// How connections are relayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub engine: Engine,
    /// How long a connection may go without a byte read, written or acknowledged; no limit when absent.
    pub idle_timeout: Option<Duration>,
    /// For how many microseconds to spin for the next message of an exchange; not at all when absent.
    pub busy_poll: Option<NonZeroU32>,
    /// How targets that vanish are found.
    pub keepalive: Keepalive,
}

#[derive(Debug)]
pub enum Ending {
    /// Both streams ended and were delivered.
    Complete,
    /// The client's side broke.
    Client(io::Error),
    /// The target's side broke.
    Upstream(io::Error),
    /// No byte was moved for the idle timeout.
    Idle,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Client(error) => write!(f, "client: {error}"),
            Self::Upstream(error) => write!(f, "target: {error}"),
            Self::Idle => f.write_str("idle"),
        }
    }
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
    pub ending: Ending,
}

impl Relayed {
    /// Which way its bytes went, in one word of the log: `copy`, `splice`, or `both` where it
    /// changed on the way. One that had nothing to say is `copy`, as it began.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        if self.spliced == 0 {
            "copy"
        } else if self.spliced < self.up + self.down {
            "both"
        } else {
            "splice"
        }
    }
}

/// Relays until both streams have ended or one socket breaks.
///
/// The sockets are closed in good order after [`Ending::Complete`]. In any other case, and when this is
/// dropped, the peers are reset.
pub fn relay<'a>(
    mut client: Socket,
    mut upstream: Arc<Socket>,
    options: &'a Options,
    stats: &'a Stats,
) -> impl Future<Output = Relayed> + Send + use<'a> {
    let mut relay = Relay {
        up: Pump::new(options.engine),
        down: Pump::new(options.engine),
        idle: options.idle_timeout.map(|limit| Box::new(IdleTimer::new(limit))),
        stats,
        listened: false,
        options,
    };
    // Not an async function: what it is given it would keep a second time while it runs.
    async move {
        let ending = loop {
            let mut sides = Sides::new(&client, &upstream);
            match poll_fn(|cx| relay.poll_course(&mut sides, cx)).await {
                Course::Complete => {
                    client.finish();
                    upstream.finish();
                    break Ending::Complete;
                }
                Course::Idle => break Ending::Idle,
                Course::Broken => {
                    if let Some(survivor) = sides.survivor() {
                        // Nothing of what was received is lost to the reset that the survivor gets in a
                        // moment. Who is broken is read without a wait, registered for that or not. Boxed,
                        // since every connection would carry the room for it otherwise.
                        let delivered = async {
                            poll_fn(|cx| relay.poll(&mut sides, cx)).await;
                            survivor.sent().await;
                        };
                        let _ = Box::pin(tokio::time::timeout(LAST_BYTES, delivered)).await;
                    }
                    break sides.ending();
                }
                Course::OtherInterest { of_client, of_upstream } => {
                    drop(sides);
                    if let Some(wanted) = of_client {
                        client = match client.with_read_interest(wanted) {
                            Ok(client) => client,
                            Err(error) => break Ending::Client(error),
                        };
                    }
                    if let Some(wanted) = of_upstream {
                        upstream = match reregistered(upstream, wanted, relay.options.keepalive) {
                            Ok(upstream) => upstream,
                            Err(error) => break Ending::Upstream(error),
                        };
                    }
                }
            }
        };
        relay.into_relayed(ending)
    }
}

/// The target's socket, registered for reading or not. Who sets keepalive on it within the second does not know the
/// new one, so that this is done here. One that is in use for that just now stays as it is for another turn.
fn reregistered(upstream: Arc<Socket>, wanted: bool, keepalive: Keepalive) -> io::Result<Arc<Socket>> {
    let is_awaited = Arc::weak_count(&upstream) > 0;
    match Arc::try_unwrap(upstream) {
        Ok(upstream) => {
            let upstream = upstream.with_read_interest(wanted)?;
            if is_awaited {
                // One that refuses is about to end.
                let _ = upstream.keep_alive(keepalive);
            }
            Ok(Arc::new(upstream))
        }
        Err(in_use) => Ok(in_use),
    }
}

/// What has become of a connection.
enum Course {
    /// Both streams ended and were delivered.
    Complete,
    /// A socket broke.
    Broken,
    /// The idle timeout has run out.
    Idle,
    /// A socket is to be registered for reading, or no longer; absent where it stays as it is. Then all goes on.
    OtherInterest { of_client: Option<bool>, of_upstream: Option<bool> },
}

struct Relay<'a> {
    up: Pump,
    down: Pump,
    /// Boxed, so that a connection without a timeout pays one pointer for it.
    idle: Option<Box<IdleTimer>>,
    stats: &'a Stats,
    /// Whether the client has had its turn to speak first.
    listened: bool,
    options: &'a Options,
}

impl Relay<'_> {
    /// Goes on until a socket breaks, which may leave something to deliver, or all is over.
    fn poll_course(&mut self, sides: &mut Sides<'_>, cx: &mut Context<'_>) -> Poll<Course> {
        let before = self.options.busy_poll.map(|limit| (limit, self.copied()));
        let done = self.poll(sides, cx);
        if let Some((limit, copied)) = before
            && is_message(self.copied() - copied)
        {
            spin::message(limit);
        }
        if sides.have_failed() {
            return Poll::Ready(Course::Broken);
        }
        if done.is_ready() {
            return Poll::Ready(Course::Complete);
        }
        let (client, upstream) = (sides.client.socket, sides.upstream.socket);
        let Self { up, down, .. } = self;
        let of_client = up.other_interest(client, upstream);
        let of_upstream = down.other_interest(upstream, client);
        if of_client.is_some() || of_upstream.is_some() {
            return Poll::Ready(Course::OtherInterest { of_client, of_upstream });
        }
        self.announce(upstream, cx);
        let Self { up, down, .. } = self;
        // What was read may wait in the pump, and what was written in the kernel, for a slow reader
        // who takes a little now and then.
        let pumped = |pump: &Pump| pump.moved() + pump.delivered();
        let moved = || pumped(up) + pumped(down) + client.progress() + upstream.progress();
        let idle = self.idle.as_mut().map_or(Poll::Pending, |idle| idle.poll(cx, moved));
        idle.map(|()| Course::Idle)
    }

    /// Moves what can be moved; ready when nothing more ever will be.
    fn poll(&mut self, sides: &mut Sides<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let Sides { client, upstream } = sides;
        let Self { up, down, stats, .. } = self;
        loop {
            client.look(up);
            upstream.look(down);
            let failed_before = (client.error.is_some(), upstream.error.is_some());
            // The direction that ends last leaves its end to close(2), which comes next.
            up.close_follows(down.is_done());
            advance(up, client, upstream, &stats.bytes_up, stats, cx);
            down.close_follows(up.is_done());
            advance(down, upstream, client, &stats.bytes_down, stats, cx);
            if up.is_done() && down.is_done() {
                return Poll::Ready(());
            }
            let failed = (client.error.is_some(), upstream.error.is_some());
            let unread = |pump: &Pump, side: &Side<'_>| !pump.is_reading() && side.error.is_none();
            let broken = (unread(up, client) && client.poll_broken(cx).is_ready())
                | (unread(down, upstream) && upstream.poll_broken(cx).is_ready());
            if failed == failed_before && !broken {
                return Poll::Pending;
            }
        }
    }

    /// Lets the target know of the connection. What the client says first does that too, with a packet
    /// less, so it has one turn of the event loop to come; a target that speaks first waits no longer.
    fn announce(&mut self, target: &Socket, cx: &mut Context<'_>) {
        if !target.owes_acknowledgement() {
            return;
        }
        if std::mem::replace(&mut self.listened, true) {
            target.acknowledge();
        } else {
            give_way(cx);
        }
    }

    /// Bytes that came through user memory, as those of messages do.
    fn copied(&self) -> u64 {
        let copied = |pump: &Pump| pump.moved() - pump.spliced();
        copied(&self.up) + copied(&self.down)
    }

    fn into_relayed(self, ending: Ending) -> Relayed {
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
