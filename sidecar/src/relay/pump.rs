//! One direction of a connection: reads, writes, and keeps what a write would not take.
//!
//! It holds nothing while idle. What it does hold is bounded by one scratch buffer or one pipe,
//! and while it holds something it does not read.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;

use super::direction::{Pace, Path, SCRATCH_BYTES};
use super::pool::{self, Filled, Spill};
use super::turn::give_way;
use crate::config::Engine;
use crate::stats::{Counter, Stats};
use crate::sys::{Socket, Spliced};

/// Bytes after which other connections get their turn. With half as many, and 16 rounds, the messages
/// of others would wait less, and eight streams be 5 to 14 % slower; twice as many gain nothing more.
const TURN_BYTES: u64 = 2 * 1024 * 1024;

/// Rounds of reading and writing after which they do, however little was moved: each takes some
/// microseconds. After 16 a stream whose rounds are small would have its turn cut short.
const ROUNDS: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// Which end of a direction broke.
#[derive(Debug)]
pub(super) enum Fault {
    /// The socket that is read; everything it gave before was passed on, but not all it holds
    /// may have been asked for.
    Source(io::Error),
    /// The socket that is written.
    Sink(io::Error),
}

/// Bytes that were read and not yet written. Boxed, since most directions hold none.
#[derive(Debug)]
enum Held {
    Nothing,
    Spill(Box<Spill>),
    Pipe(Box<Filled>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The source has ended; the sink does not know yet.
    Ended,
    Done,
}

#[derive(Debug)]
pub(super) struct Pump {
    pace: Pace,
    held: Held,
    phase: Phase,
    /// Whether it has found nothing to read and waits.
    starved: bool,
    source_failed: bool,
    close_follows: bool,
    moved: u64,
    spliced: u64,
}

impl Pump {
    pub(super) const fn new(engine: Engine) -> Self {
        Self {
            pace: Pace::new(engine),
            held: Held::Nothing,
            phase: Phase::Open,
            starved: false,
            source_failed: false,
            close_follows: false,
            moved: 0,
            spliced: 0,
        }
    }

    /// Bytes read so far.
    pub(super) const fn moved(&self) -> u64 {
        self.moved
    }

    /// Those of them that went through a pipe.
    pub(super) const fn spliced(&self) -> u64 {
        self.spliced
    }

    /// Bytes written so far.
    pub(super) fn delivered(&self) -> u64 {
        let held = match &self.held {
            Held::Nothing => 0,
            Held::Spill(spill) => spill.bytes.len() - spill.sent,
            Held::Pipe(filled) => filled.len,
        };
        self.moved - held as u64
    }

    /// Whether nothing more will be moved.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Whether it waits for its source, and so will learn of an error there.
    pub(super) const fn is_reading(&self) -> bool {
        matches!((&self.held, self.phase), (Held::Nothing, Phase::Open))
    }

    /// Whether it is about to receive, which tells an error of its source as well, and after all that came
    /// before it.
    pub(super) fn is_receiving(&self) -> bool {
        self.is_reading() && self.pace.path() == Path::Copy
    }

    /// Whether its source is to be registered for reading from now on, or without; absent where it may stay as it is.
    /// Without while the sink takes no more: the source goes on to send, and each packet would wake the thread
    /// for nothing. One whose source is the quicker end stays without, since it simply tries.
    pub(super) fn other_interest(&self, source: &Socket, sink: &Socket) -> Option<bool> {
        let has_to_wait = sink.is_full() && !matches!(self.held, Held::Nothing);
        match source.has_read_interest() {
            true => has_to_wait.then_some(false),
            false => self.starved.then_some(true),
        }
    }

    /// The source is broken: what it still holds is passed on, but its end is no good end.
    pub(super) const fn source_failed(&mut self) {
        self.source_failed = true;
    }

    /// Whether the sink will be closed once this direction has ended, which tells it as well.
    pub(super) const fn close_follows(&mut self, follows: bool) {
        self.close_follows = follows;
    }

    /// The sink is gone, and with it the reason to go on.
    pub(super) fn abandon(&mut self) {
        self.held = Held::Nothing;
        self.phase = Phase::Done;
    }

    /// Moves bytes until the source has ended and the sink has been told.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &Socket,
        sink: &Socket,
        bytes: &Counter,
        stats: &Stats,
    ) -> Poll<Result<(), Fault>> {
        self.starved = false;
        let turn_ends_at = self.moved + TURN_BYTES;
        for _ in 0..ROUNDS {
            ready!(self.poll_flush(cx, sink)).map_err(Fault::Sink)?;
            match self.phase {
                Phase::Open if self.moved >= turn_ends_at => break,
                Phase::Open => {
                    let path = self.pace.path();
                    let filled = self.poll_fill(cx, source, sink, stats);
                    self.starved = filled.is_pending();
                    let n = ready!(filled)?;
                    match (path, self.pace.path()) {
                        (Path::Copy, Path::Splice) => stats.to_splice.increment(),
                        (Path::Splice, Path::Copy) => stats.to_copy.increment(),
                        _ => {}
                    }
                    if n == 0 {
                        // A reset that came after the end, or that ended the dial, and nobody has looked.
                        if !self.source_failed && source.is_broken() {
                            self.abandon();
                            return Poll::Ready(Err(Fault::Source(source.take_error())));
                        }
                        self.phase = Phase::Ended;
                    }
                    self.moved += n as u64;
                    bytes.add(n as u64);
                }
                Phase::Ended => {
                    self.phase = Phase::Done;
                    if !self.source_failed && !self.close_follows {
                        sink.shutdown_write().map_err(Fault::Sink)?;
                    }
                }
                Phase::Done => return Poll::Ready(Ok(())),
            }
        }
        give_way(cx);
        Poll::Pending
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, sink: &Socket) -> Poll<io::Result<()>> {
        match &mut self.held {
            Held::Nothing => return Poll::Ready(Ok(())),
            Held::Spill(spill) => {
                while spill.sent < spill.bytes.len() {
                    spill.sent += ready!(sink.poll_send(cx, &spill.bytes[spill.sent..]))?;
                }
            }
            Held::Pipe(filled) => {
                while filled.len > 0 {
                    filled.len -= ready!(sink.poll_splice_out(cx, &filled.pipe, filled.len))?;
                }
            }
        }
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {}
            Held::Spill(spill) => spill.put_back(),
            Held::Pipe(pipe) => pool::put_back(pipe),
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once; 0 is the end.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &Socket,
        sink: &Socket,
        stats: &Stats,
    ) -> Poll<Result<usize, Fault>> {
        if self.pace.path() == Path::Copy {
            return self.poll_copy(cx, source, sink);
        }
        let Some(mut filled) = pool::take() else {
            stats.fallbacks.increment();
            self.pace.starved();
            return self.poll_copy(cx, source, sink);
        };
        match source.poll_splice_in(cx, &filled.pipe) {
            Poll::Pending => {
                pool::put_back(filled);
                Poll::Pending
            }
            Poll::Ready(Ok(Spliced::Bytes(n))) => {
                filled.len = n;
                self.held = Held::Pipe(filled);
                self.spliced += n as u64;
                self.pace.spliced(n);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Ok(Spliced::Nothing)) => {
                pool::put_back(filled);
                let n = ready!(self.poll_copy(cx, source, sink))?;
                self.pace.spliced(n);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) if refuses_splice(&error) => {
                stats.fallbacks.increment();
                self.pace.refused();
                self.poll_copy(cx, source, sink)
            }
            // It is the error that is known already, met elsewhere but not handed out there. What
            // lies behind an urgent mark is still to be had, and only `recv` gets at it.
            Poll::Ready(Err(_)) if self.source_failed => self.poll_copy(cx, source, sink),
            Poll::Ready(Err(error)) => Poll::Ready(Err(Fault::Source(error))),
        }
    }

    /// Receives into the scratch buffer and sends at once; only what is not taken is kept.
    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        source: &Socket,
        sink: &Socket,
    ) -> Poll<Result<usize, Fault>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let n = ready!(source.poll_recv(cx, scratch)).map_err(|error| {
                // It would have given what there is first (net/ipv4/tcp.c, `tcp_recvmsg_locked`).
                self.phase = Phase::Done;
                Fault::Source(error)
            })?;
            self.pace.copied(n);
            if n == 0 {
                return Poll::Ready(Ok(0));
            }
            let sent = match sink.poll_send(cx, &scratch[..n]) {
                Poll::Ready(sent) => sent.map_err(Fault::Sink)?,
                Poll::Pending => 0,
            };
            if sent < n {
                self.held = Held::Spill(Spill::of(&scratch[sent..n]));
            }
            Poll::Ready(Ok(n))
        })
    }
}

/// Whether the kernel or its policy, and not the connection, is against splicing.
fn refuses_splice(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP)
    )
}

#[cfg(test)]
#[path = "pump_tests.rs"]
mod tests;
