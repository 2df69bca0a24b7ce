//! The requests of a channel: who waits for which answer. Pure.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use tokio::sync::oneshot;

use super::error::DialerError;

/// The requests that have no answer yet, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u32,
    unanswered: VecDeque<Unanswered>,
    has_ended: bool,
}

#[derive(Debug)]
pub(super) struct Unanswered {
    number: u32,
    pub(super) port: u16,
    /// Who waits for the answer; none once the request was cancelled.
    pub(super) asker: Option<oneshot::Sender<Result<OwnedFd, DialerError>>>,
}

/// More than any dialer leaves unanswered that still answers at all.
const UNANSWERED: usize = 4096;

impl Requests {
    pub(super) fn add(
        &mut self,
        port: u16,
        asker: oneshot::Sender<Result<OwnedFd, DialerError>>,
    ) -> Option<u32> {
        if self.has_ended || self.unanswered.len() >= UNANSWERED {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        self.unanswered.push_back(Unanswered { number: self.last, port, asker: Some(asker) });
        Some(self.last)
    }

    fn position(&self, number: u32) -> Option<usize> {
        // Counted from the first one, since numbers begin again.
        let first = self.unanswered.front()?.number;
        let place = |number: u32| number.wrapping_sub(first);
        self.unanswered.binary_search_by_key(&place(number), |request| place(request.number)).ok()
    }

    pub(super) fn take(&mut self, number: u32) -> Option<Unanswered> {
        self.unanswered.remove(self.position(number)?)
    }

    /// Has nobody wait for the answer to a request any more; whether there is none yet. The number
    /// stays taken until then.
    pub(super) fn abandon(&mut self, number: u32) -> bool {
        self.position(number).map(|at| self.unanswered[at].asker = None).is_some()
    }

    /// Whatever is asked from now on is not answered, nor what is left.
    pub(super) fn end(&mut self) -> VecDeque<Unanswered> {
        self.has_ended = true;
        std::mem::take(&mut self.unanswered)
    }

    pub(super) const fn have_ended(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answered = oneshot::Receiver<Result<OwnedFd, DialerError>>;

    fn asked(requests: &mut Requests, port: u16) -> (u32, Answered) {
        let (asker, answer) = oneshot::channel();
        (requests.add(port, asker).unwrap(), answer)
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        // The numbers begin again in the midst of them.
        let mut requests = Requests { last: u32::MAX - 3, ..Requests::default() };
        let numbers: Vec<u32> = (1..=8).map(|port| asked(&mut requests, port).0).collect();
        assert_eq!(numbers[2..4], [u32::MAX, 0]);
        for at in [3, 0, 7, 1, 2, 6, 4, 5] {
            assert_eq!(requests.take(numbers[at]).map(|request| usize::from(request.port)), Some(at + 1));
            assert!(requests.take(numbers[at]).is_none(), "a second answer");
        }
        for never in [numbers[0].wrapping_sub(1), numbers[7].wrapping_add(1), 1 << 31] {
            assert!(requests.take(never).is_none());
        }
    }

    #[test]
    fn nothing_is_added_to_what_has_ended_or_leaves_too_much_unanswered() {
        let mut requests = Requests::default();
        let answers: Vec<_> = (0..UNANSWERED).map(|_| asked(&mut requests, 1)).collect();
        assert!(requests.add(1, oneshot::channel().0).is_none());
        requests.take(answers[7].0).unwrap();
        asked(&mut requests, 1);
        let mut requests = Requests { has_ended: true, ..Requests::default() };
        assert!(requests.add(1, oneshot::channel().0).is_none());
    }
}
