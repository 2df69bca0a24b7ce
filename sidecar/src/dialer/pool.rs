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
const AHEAD: usize = 64;

/// What a channel has and lacks.
#[derive(Debug, Default)]
pub(super) struct Pool {
    shelves: HashMap<Loopback, Shelf>,
    /// Here or on their way.
    stock: usize,
    unsent: VecDeque<Order>,
    /// In the order in which they are answered.
    unanswered: VecDeque<Order>,
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
    last: Option<(Instant, u8)>,
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
        let shelf = self.shelves.entry(to).or_default();
        let taken = match shelf.here.pop() {
            Some(socket) => {
                self.stock -= 1;
                Taken::Here(socket)
            }
            None => Taken::Later(shelf.queue_up()),
        };
        let last = shelf.last.filter(|(last, _)| now.duration_since(*last) < SOON);
        let ahead = last.filter(|_| self.stock < AHEAD).map(|(_, count)| usize::from(count));
        let (has, needed) = shelf.count();
        // Half of the last order is left at most.
        if let Some(last) = ahead.filter(|last| has <= needed + last / 2) {
            self.ask(to, needed.saturating_sub(has).max((2 * last).min(MOST.into())), now);
        }
        self.make_up(to, now);
        Some(taken)
    }

    /// Asks for as many as are lacking.
    fn make_up(&mut self, to: Loopback, now: Instant) {
        let (has, needed) = self.shelves.entry(to).or_default().count();
        self.ask(to, needed.saturating_sub(has), now);
    }

    fn ask(&mut self, to: Loopback, mut rest: usize, now: Instant) {
        let shelf = self.shelves.entry(to).or_default();
        while rest > 0 {
            let count = u8::try_from(rest).unwrap_or(MOST).min(MOST);
            shelf.last = Some((now, count));
            shelf.coming += usize::from(count);
            self.stock += usize::from(count);
            match self.unsent.back_mut().filter(|last| last.to == to && last.count + count <= MOST) {
                Some(last) => last.count += count,
                None => self.unsent.push_back(Order { to, count }),
            }
            rest -= usize::from(count);
        }
    }

    /// The next order to be sent, which will have its answer.
    pub(super) fn order(&mut self) -> Option<Order> {
        let order = self.unsent.pop_front()?;
        self.unanswered.push_back(order);
        Some(order)
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// What the next answer is for.
    ///
    /// # Errors
    /// Nothing was asked.
    pub(super) fn awaited(&self) -> Result<Loopback, Malformed> {
        Ok(self.unanswered.front().ok_or(Malformed)?.to)
    }

    /// Takes the next answer, and what came with it.
    ///
    /// # Errors
    /// It is not one that a dialer would give.
    pub(super) fn answered(
        &mut self,
        reply: Reply,
        sockets: Vec<Answer>,
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
                self.stock += usize::from(shelf.hand_out(socket));
            }
        } else {
            for _ in 0..count {
                shelf.hand_out(Err(failure()?));
            }
        }
        self.make_up(to, now);
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
    /// How many it has or will have, and for how many.
    fn count(&self) -> (usize, usize) {
        (self.here.len() + self.coming, self.waiting.len())
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

    /// Gives it to the first who waits still, or keeps it; whether it was kept.
    fn hand_out(&mut self, mut answer: Answer) -> bool {
        while let Some(asker) = self.waiting.pop_front() {
            match asker.send(answer) {
                Ok(()) => return false,
                Err(left) => answer = left,
            }
        }
        answer.map(|socket| self.here.push(socket)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Loopback = Loopback { ipv6: false, port: 5000 };
    const OTHER: Loopback = Loopback { ipv6: true, port: 5000 };

    fn socket() -> Answer {
        Ok(io::pipe().unwrap().0.into())
    }

    fn sockets(count: u8) -> Vec<Answer> {
        (0..count).map(|_| socket()).collect()
    }

    fn later(pool: &mut Pool, now: Instant) -> oneshot::Receiver<Answer> {
        match pool.take(TO, now) {
            Some(Taken::Later(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn expect_order(pool: &mut Pool, to: Loopback, count: u8) {
        assert_eq!(pool.order(), Some(Order { to, count }));
    }

    #[test]
    fn who_comes_alone_is_asked_for_alone() {
        let (mut pool, mut now) = (Pool::default(), Instant::now());
        for _ in 0..3 {
            let mut answer = later(&mut pool, now);
            expect_order(&mut pool, TO, 1);
            pool.answered(Reply::Granted, sockets(1), now).unwrap();
            assert!(answer.try_recv().unwrap().is_ok());
            assert!(!pool.has_orders());
            now += SOON;
        }
    }

    /// Until as many are here as go with a packet; then the next ones are on their way before the last is gone.
    #[test]
    fn where_they_go_fast_they_are_asked_for_ahead() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let mut counts = Vec::new();
        for _ in 0..100 {
            let taken = pool.take(TO, now).unwrap();
            while let Some(order) = pool.order() {
                counts.push(order.count);
                pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
            }
            let is_later = matches!(taken, Taken::Later(_));
            assert_eq!(is_later, counts.len() <= 2, "the others were here");
        }
        assert_eq!(counts[..5], [1, 2, 4, 8, 16]);
        assert!(counts[5..].iter().all(|count| *count == MOST), "{counts:?}");
        assert!(pool.stock <= 24, "{pool:?}");
        // What is left serves until it is gone.
        let late = now + SOON;
        let left = pool.stock;
        for _ in 0..left {
            assert!(matches!(pool.take(TO, late), Some(Taken::Here(_))));
        }
        assert!(!pool.has_orders());
        drop(later(&mut pool, late));
        expect_order(&mut pool, TO, 1);
    }

    #[test]
    fn many_who_wait_are_served_in_their_order() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let mut answers: Vec<_> = (0..40).map(|_| later(&mut pool, now)).collect();
        // Whoever has gone leaves his to the next.
        drop(answers.remove(1));
        let mut served = 0;
        while let Some(order) = pool.order() {
            pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
            let more = order.count.into();
            for answer in answers.iter_mut().skip(served).take(more) {
                assert!(answer.try_recv().unwrap().is_ok());
            }
            served += more;
            assert!(answers.iter_mut().skip(served).all(|answer| answer.try_recv().is_err()));
        }
        assert!(served >= 39, "{served}");
    }

    #[test]
    fn an_answer_with_fewer_is_made_up_for() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let mut answers: Vec<_> = (0..3).map(|_| later(&mut pool, now)).collect();
        expect_order(&mut pool, TO, 7);
        pool.answered(Reply::Granted, sockets(1), now).unwrap();
        expect_order(&mut pool, TO, 2);
        pool.answered(Reply::Failed(24), vec![], now).unwrap();
        let answers: Vec<_> = answers.iter_mut().map(|answer| answer.try_recv().unwrap().is_ok()).collect();
        assert_eq!(answers, [true, false, false]);
        assert_eq!((pool.has_orders(), pool.stock), (false, 0));
    }

    #[test]
    fn each_port_and_address_has_its_own() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let mut first = later(&mut pool, now);
        let Some(Taken::Later(mut second)) = pool.take(OTHER, now) else { panic!() };
        expect_order(&mut pool, TO, 1);
        expect_order(&mut pool, OTHER, 1);
        assert_eq!(pool.awaited(), Ok(TO));
        pool.answered(Reply::NotAllowed, vec![], now).unwrap();
        assert!(matches!(first.try_recv(), Ok(Err(DialerError::NotAllowed(5000)))));
        assert_eq!(pool.awaited(), Ok(OTHER));
        pool.answered(Reply::Granted, sockets(1), now).unwrap();
        assert!(second.try_recv().unwrap().is_ok());
    }

    #[test]
    fn no_more_than_so_many_are_asked_for_ahead() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        for port in 1..=100 {
            for _ in 0..20 {
                pool.take(Loopback { ipv6: false, port }, now).unwrap();
                while let Some(order) = pool.order() {
                    pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
                }
            }
        }
        assert!(pool.stock < AHEAD + usize::from(MOST), "{}", pool.stock);
    }

    #[test]
    fn an_answer_that_was_not_asked_for_is_none() {
        let granted = |count| (Reply::Granted, sockets(count));
        assert_eq!(Pool::default().answered(Reply::Granted, sockets(1), Instant::now()), Err(Malformed));
        let wrong = [
            granted(0),
            granted(2),
            (Reply::Failed(1), sockets(1)),
            (Reply::NotAllowed, sockets(1)),
            (Reply::Healthy, vec![]),
            (Reply::Malformed, vec![]),
        ];
        for (reply, sockets) in wrong {
            let (mut pool, now) = (Pool::default(), Instant::now());
            let _answer = later(&mut pool, now);
            expect_order(&mut pool, TO, 1);
            assert_eq!(pool.answered(reply, sockets, now), Err(Malformed), "{reply:?}");
        }
    }

    #[test]
    fn nobody_takes_anything_from_what_has_ended() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let _answer = later(&mut pool, now);
        assert_eq!(pool.end().len(), 1);
        assert!(pool.take(TO, now).is_none());
    }
}
