//! The requests of a channel: who waits for which answer. Pure.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use tokio::sync::oneshot;

use super::error::DialerError;
use super::{Number, ROWS, Request};

/// The requests that have no answer yet, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u32,
    unanswered: VecDeque<Unanswered>,
    /// What is still to be sent of them.
    unsent: Vec<(Number, Request)>,
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
        self.unsent.push((Some(self.last), Request::Dial(port)));
        Some(self.last)
    }

    /// The next packet to be sent, with as many rows as it may have; none where nothing is left.
    pub(super) fn packet(&mut self) -> Option<Vec<u8>> {
        let rows = self.unsent.len().min(ROWS);
        let packet = (rows > 0).then(|| Request::packet(&self.unsent[..rows]));
        self.unsent.drain(..rows);
        packet
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

    /// Has nobody wait for the answer to a request any more; whether it has to be cancelled. Its number
    /// stays taken then until there is one.
    pub(super) fn abandon(&mut self, number: u32) -> bool {
        let Some(at) = self.position(number) else { return false };
        if let Some(unsent) = self.unsent.iter().position(|(unsent, _)| *unsent == Some(number)) {
            self.unsent.remove(unsent);
            self.unanswered.remove(at);
            return false;
        }
        self.unanswered[at].asker = None;
        self.unsent.push((Some(number), Request::Cancel));
        true
    }

    /// Whatever is asked from now on is not answered, nor what is left.
    pub(super) fn end(&mut self) -> VecDeque<Unanswered> {
        self.has_ended = true;
        self.unsent.clear();
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
    fn what_is_asked_at_once_goes_in_packets_of_many_rows() {
        let mut requests = Requests::default();
        let answers: Vec<_> = (1..=20).map(|port| asked(&mut requests, port)).collect();
        let rows = |from: u16, to: u16| (from..=to).map(|n| (Some(n.into()), Request::Dial(n))).collect();
        assert!(!requests.abandon(answers[19].0), "it was not sent");
        assert_eq!(Request::decode(&requests.packet().unwrap()), Ok(rows(1, 16)));
        assert!(requests.abandon(answers[2].0));
        let mut left: Vec<_> = rows(17, 19);
        left.push((Some(3), Request::Cancel));
        assert_eq!(Request::decode(&requests.packet().unwrap()), Ok(left));
        assert_eq!(requests.packet(), None);
        assert!(requests.take(answers[2].0).is_some_and(|late| late.asker.is_none()));
        assert!(requests.take(answers[19].0).is_none());
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
