//! What is known of a name, and what that means for a connection. Pure: the time is passed in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::resolve::{Found, Unresolved};

/// The longest that an answer is believed. Engines give the names of their containers ten minutes
/// and forget them at once when a container goes; a question every ten seconds costs nothing.
const LONGEST: Duration = Duration::from_secs(10);

/// How long a connection waits for a new answer where there is an old one.
const STALE_AFTER: Duration = Duration::from_millis(200);

/// How long an old answer may stand in for one that nobody gives (RFC 8767, 5).
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a failure stands before the question is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a connection is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Try these addresses.
    Use(Arc<[SocketAddr]>),
    /// Wait for the answer, if need be until then; ask the question first where nobody does.
    Wait { ask: bool, until: Option<Instant> },
    /// Give up.
    Fail(Unresolved),
}

#[derive(Debug)]
struct Answer {
    addrs: Arc<[SocketAddr]>,
    came: Instant,
    fresh_until: Instant,
}

/// A name's addresses as far as they are known.
#[derive(Debug)]
pub(super) struct Known {
    port: u16,
    /// The address that somebody else found, some time ago; it serves where the name service here
    /// was asked and does not know the name. Once that knows it, it alone counts, or a name that
    /// has moved would be looked for where it was.
    fallback: Option<SocketAddr>,
    answer: Option<Answer>,
    failure: Option<(Unresolved, Instant)>,
    /// Since when the question is asked.
    asking: Option<Instant>,
    /// The address that was reached last.
    reached: Option<SocketAddr>,
}

impl Known {
    pub(super) const fn new(port: u16, fallback: Option<SocketAddr>) -> Self {
        Self { port, fallback, answer: None, failure: None, asking: None, reached: None }
    }

    /// What a connection is to do that has begun to wait at `began`: an answer that came since is
    /// good enough for it, however short its time.
    pub(super) fn advise(&mut self, now: Instant, began: Instant) -> Advice {
        if let Some(answer) = &self.answer
            && (now < answer.fresh_until || answer.came >= began)
        {
            return Advice::Use(self.ordered(&answer.addrs));
        }
        if let Some(since) = self.asking {
            return self.wait(now, since, false);
        }
        if let Some((failure, at)) = &self.failure
            && (*at >= began || now < *at + PAUSE)
        {
            return self.stale(now).map_or_else(|| Advice::Fail(failure.clone()), Advice::Use);
        }
        self.asking = Some(now);
        self.wait(now, now, true)
    }

    fn wait(&self, now: Instant, since: Instant, ask: bool) -> Advice {
        match self.stale(now) {
            Some(addrs) if now >= since + STALE_AFTER => Advice::Use(addrs),
            stale => Advice::Wait { ask, until: stale.map(|_| since + STALE_AFTER) },
        }
    }

    /// What serves while there is no answer.
    fn stale(&self, now: Instant) -> Option<Arc<[SocketAddr]>> {
        match &self.answer {
            Some(answer) if now < answer.fresh_until + STALE => Some(self.ordered(&answer.addrs)),
            _ => self.stand_in().map(|addr| [addr].into()),
        }
    }

    /// The fallback, once the name service here has failed: before, it may well know better.
    fn stand_in(&self) -> Option<SocketAddr> {
        self.fallback.filter(|_| self.failure.is_some())
    }

    /// The address that was reached last goes first: a dead one before it would cost each
    /// connection its time.
    fn ordered(&self, addrs: &Arc<[SocketAddr]>) -> Arc<[SocketAddr]> {
        match self.reached {
            Some(reached) if addrs.first() != Some(&reached) && addrs.contains(&reached) => {
                let others = addrs.iter().filter(|addr| **addr != reached);
                std::iter::once(&reached).chain(others).copied().collect()
            }
            _ => Arc::clone(addrs),
        }
    }

    /// Takes what came of the question; whether it says something else than before.
    pub(super) fn answered(&mut self, found: Result<Found, Unresolved>, now: Instant) -> bool {
        match found {
            Ok(found) => {
                let addrs: Arc<[SocketAddr]> =
                    found.addrs.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
                let same = |a: &[SocketAddr], b: &[SocketAddr]| {
                    a.len() == b.len() && a.iter().all(|addr| b.contains(addr))
                };
                let news = self.failure.is_some()
                    || !self.answer.as_ref().is_some_and(|before| same(&before.addrs, &addrs));
                self.fallback = None;
                self.failure = None;
                let fresh_until = now + found.ttl.min(LONGEST);
                self.answer = Some(Answer { addrs, came: now, fresh_until });
                news
            }
            Err(failure) => {
                if matches!(failure, Unresolved::NoSuchName(_)) {
                    self.answer = None;
                }
                let news = self.failure.as_ref().is_none_or(|(before, _)| *before != failure);
                self.failure = Some((failure, now));
                news
            }
        }
    }

    /// The question is asked no longer, answered or not.
    pub(super) const fn abandoned(&mut self) {
        self.asking = None;
    }

    /// An address was reached.
    pub(super) const fn reached(&mut self, addr: SocketAddr) {
        self.reached = Some(addr);
    }

    /// No address of the answer was reached: it is not believed any longer. Whether it makes sense
    /// to ask again, which it does not where that was done a moment ago.
    pub(super) fn doubt(&mut self, now: Instant) -> bool {
        let Some(answer) = &mut self.answer else { return false };
        let old = now >= answer.came + PAUSE;
        if old {
            answer.fresh_until = answer.fresh_until.min(now);
        }
        old
    }

    /// The address that serves where the name is not known, as long as it may.
    pub(super) const fn fallback(&self) -> Option<SocketAddr> {
        self.fallback
    }

    /// The addresses that a connection would go to now, and whether they are the name service's.
    pub(super) fn now(&self) -> (Arc<[SocketAddr]>, bool) {
        match &self.answer {
            Some(answer) => (Arc::clone(&answer.addrs), true),
            None => (self.stand_in().into_iter().collect(), false),
        }
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
