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
                let Some(left) = shelf.hand_out(Ok(socket)) else { continue };
                // What comes for those who have gone is not piled up.
                if self.stock < SPARE && shelf.here.len() < ENOUGH {
                    shelf.here.extend(left);
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
mod tests {
    use super::*;

    const TO: Loopback = Loopback { ipv6: false, port: 5000 };
    const OTHER: Loopback = Loopback { ipv6: true, port: 5000 };

    fn sockets(count: u8) -> Vec<OwnedFd> {
        (0..count).map(|_| io::pipe().unwrap().0.into()).collect()
    }

    fn later(pool: &mut Pool, now: Instant) -> oneshot::Receiver<Answer> {
        match pool.take(TO, now) {
            Some(Taken::Later(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn expect_order(pool: &mut Pool, to: Loopback, count: u8) {
        assert_eq!(pool.next_order(), Some(Order { to, count }));
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
            while let Some(order) = pool.next_order() {
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
        while let Some(order) = pool.next_order() {
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
        pool.answered(Reply::NotAllowed, vec![], now).unwrap();
        assert!(matches!(first.try_recv(), Ok(Err(DialerError::NotAllowed(5000)))));
        pool.answered(Reply::Granted, sockets(1), now).unwrap();
        assert!(second.try_recv().unwrap().is_ok());
    }

    #[test]
    fn no_more_than_so_many_are_asked_for_ahead() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        for port in 1..=100 {
            for _ in 0..20 {
                pool.take(Loopback { ipv6: false, port }, now).unwrap();
                while let Some(order) = pool.next_order() {
                    pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
                }
            }
        }
        assert!(pool.stock <= SPARE, "{}", pool.stock);
        // What nobody has used for a while makes room.
        let late = now + SOON;
        let taken: Vec<_> = (0..3).map(|_| pool.take(OTHER, late).unwrap()).collect();
        let counts: Vec<_> = std::iter::from_fn(|| pool.next_order().map(|order| order.count)).collect();
        assert_eq!((counts, pool.stock), (vec![7], 7), "{taken:?}");
    }

    /// As after a pause of the dialer: what everybody was asked for who has given up is not kept.
    #[test]
    fn what_comes_for_those_who_have_gone_is_not_piled_up() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        for n in 0..1000 {
            drop(later(&mut pool, now + SOON * n));
        }
        assert!(pool.stock < 100, "{}", pool.stock);
        while let Some(order) = pool.next_order() {
            pool.answered(Reply::Granted, sockets(order.count), now).unwrap();
        }
        assert!(pool.stock <= 24, "{}", pool.stock);
        for port in 1..1000 {
            let to = Loopback { ipv6: false, port };
            drop(pool.take(to, now));
            expect_order(&mut pool, to, 1);
            pool.answered(Reply::Granted, sockets(1), now).unwrap();
        }
        assert!(pool.stock <= SPARE, "{}", pool.stock);
    }

    /// Near the limit of descriptors the next client may be served though many were not.
    #[test]
    fn after_a_failure_one_is_asked_for() {
        let (mut pool, now) = (Pool::default(), Instant::now());
        let many: Vec<_> = (0..40).map(|_| later(&mut pool, now)).collect();
        while pool.next_order().is_some() {
            pool.answered(Reply::Failed(24), vec![], now).unwrap();
        }
        assert_eq!(pool.stock, 0);
        let _next = later(&mut pool, now);
        expect_order(&mut pool, TO, 1);
        drop(many);
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
