//! Sockets of a channel: which are here, who waits for one, what to ask for next. Pure.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::DialerError;
use super::protocol::{Loopback, MOST, Malformed, Order, Reply};
use crate::connect::ConnectError;

pub(super) type Answer = Result<OwnedFd, DialerError>;

/// Who comes sooner than this after the last order may not be the last: the next one is for more.
const SOON: Duration = Duration::from_millis(100);

/// Nothing is asked for ahead of its use while so many are here or on their way, for all ports.
const AHEAD: usize = 32;

/// So many are enough for a port: the last half of an order, and the next one.
const ENOUGH: usize = MOST as usize * 3 / 2;

/// So many may be here at the very most, at whatever time.
pub const SPARE: usize = AHEAD + MOST as usize;

/// What a channel has and lacks.
#[derive(Debug, Default)]
pub(super) struct Pool {
    shelves: HashMap<Loopback, Shelf>,
    /// Here or on their way.
    stock: usize,
    unsent: VecDeque<Order>,
    /// In the order in which they are answered.
    unanswered: VecDeque<Order>,
    swept: Option<Instant>,
    has_ended: bool,
}

/// The sockets for one port. They do not know it before they are connected, but the dialer was asked.
#[derive(Debug, Default)]
struct Shelf {
    here: Vec<OwnedFd>,
    /// How many are on their way.
    coming: usize,
    waiting: VecDeque<oneshot::Sender<Answer>>,
    /// When something was asked for last, and how much.
    last: Option<(Instant, usize)>,
}

/// What somebody gets who needs one.
#[derive(Debug)]
pub(super) enum Taken {
    Here(OwnedFd),
    Later(oneshot::Receiver<Answer>),
}

impl Pool {
    /// One for this port, now or later; none once the channel has ended.
    pub(super) fn take(&mut self, to: Loopback, now: Instant) -> Option<Taken> {
        if self.has_ended {
            return None;
        }
        self.sweep(now);
        let shelf = self.shelves.entry(to).or_default();
        let taken = match shelf.here.pop() {
            Some(socket) => {
                self.stock -= 1;
                Taken::Here(socket)
            }
            None => Taken::Later(shelf.queue_up()),
        };
        let lacking = shelf.lacking();
        // Half of the last order is left at most.
        let ahead = shelf.recent(now).filter(|last| shelf.surplus() <= last / 2);
        match ahead.filter(|_| self.stock < AHEAD) {
            Some(last) => self.ask(to, lacking.max((2 * last).min(MOST.into())), now),
            None => self.ask(to, lacking, now),
        }
        Some(taken)
    }

    /// Closes what lies idle while there is no room for what is needed.
    fn sweep(&mut self, now: Instant) {
        if self.stock < AHEAD || self.swept.is_some_and(|last| now.duration_since(last) < SOON) {
            return;
        }
        self.swept = Some(now);
        for shelf in self.shelves.values_mut().filter(|shelf| shelf.recent(now).is_none()) {
            self.stock -= shelf.here.len();
            shelf.here.clear();
        }
    }

    fn ask(&mut self, to: Loopback, mut rest: usize, now: Instant) {
        if rest == 0 {
            return;
        }
        let shelf = self.shelves.entry(to).or_default();
        shelf.last = Some((now, rest.min(MOST.into()).max(shelf.recent(now).unwrap_or(0))));
        shelf.coming += rest;
        self.stock += rest;
        while rest > 0 {
            let count = u8::try_from(rest).unwrap_or(MOST).min(MOST);
            match self.unsent.back_mut().filter(|last| last.to == to && last.count + count <= MOST) {
                Some(last) => last.count += count,
                None => self.unsent.push_back(Order { to, count }),
            }
            rest -= usize::from(count);
        }
    }

    /// The next order to be sent, which will have its answer.
    pub(super) fn next_order(&mut self) -> Option<Order> {
        let order = self.unsent.pop_front()?;
        self.unanswered.push_back(order);
        Some(order)
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes the next answer, and what came with it.
    ///
    /// # Errors
    /// It is not one that a dialer would give.
    pub(super) fn answered(
        &mut self,
        reply: Reply,
        sockets: Vec<OwnedFd>,
        now: Instant,
    ) -> Result<(), Malformed> {
        let Order { to, count } = self.unanswered.pop_front().ok_or(Malformed)?;
        let count = usize::from(count);
        let shelf = self.shelves.entry(to).or_default();
        shelf.coming -= count;
        self.stock -= count;
        let failure = || match reply {
            Reply::Failed(errno) if sockets.is_empty() => {
                Ok(ConnectError::Io(io::Error::from_raw_os_error(errno)).into())
            }
            Reply::NotAllowed if sockets.is_empty() => Ok(DialerError::NotAllowed(to.port)),
            _ => Err(Malformed),
        };
        if reply == Reply::Granted && (1..=count).contains(&sockets.len()) {
            for socket in sockets {
                // What comes for those who have gone is not piled up.
                if let Some(Ok(left)) = shelf.hand_out(Ok(socket))
                    && self.stock < SPARE
                    && shelf.here.len() < ENOUGH
                {
                    shelf.here.push(left);
                    self.stock += 1;
                }
            }
        } else {
            // Whoever comes next is not asked for with many others.
            shelf.last = None;
            for _ in 0..count {
                shelf.hand_out(Err(failure()?));
            }
        }
        // It may have been fewer than were asked for.
        let lacking = shelf.lacking();
        self.ask(to, lacking, now);
        Ok(())
    }

    /// There is nothing any more from now on. Says who still waits.
    pub(super) fn end(&mut self) -> Vec<oneshot::Sender<Answer>> {
        let Self { shelves, .. } = std::mem::replace(self, Self { has_ended: true, ..Self::default() });
        shelves.into_values().flat_map(|shelf| shelf.waiting).collect()
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }
}

impl Shelf {
    /// How many were asked for last, if that was not long ago.
    fn recent(&self, now: Instant) -> Option<usize> {
        self.last.filter(|(last, _)| now.duration_since(*last) < SOON).map(|(_, count)| count)
    }

    /// How many it has or will have for nobody so far.
    fn surplus(&self) -> usize {
        (self.here.len() + self.coming).saturating_sub(self.waiting.len())
    }

    fn lacking(&self) -> usize {
        self.waiting.len().saturating_sub(self.here.len() + self.coming)
    }

    fn queue_up(&mut self) -> oneshot::Receiver<Answer> {
        // Those who have waited longest are the first to give up.
        while self.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            self.waiting.pop_front();
        }
        let (asker, answer) = oneshot::channel();
        self.waiting.push_back(asker);
        answer
    }

    /// Gives it to the first who waits still, or back.
    fn hand_out(&mut self, mut answer: Answer) -> Option<Answer> {
        while let Some(asker) = self.waiting.pop_front() {
            answer = asker.send(answer).err()?;
        }
        Some(answer)
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
