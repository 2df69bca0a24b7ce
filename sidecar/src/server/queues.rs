//! The listeners, whose queues are served in turn.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use crate::sys::Listener;

/// All listeners, and whose turn it is.
///
/// Whoever was served comes last the next time, so a queue that is never empty, as that of one
/// address under a flood, does not keep the other one waiting.
pub(super) struct Queues<'a> {
    listeners: &'a [Listener],
    turn: usize,
}

impl<'a> Queues<'a> {
    pub(super) const fn new(listeners: &'a [Listener]) -> Self {
        Self { listeners, turn: 0 }
    }

    /// The next connection of any queue.
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(u16, io::Result<(OwnedFd, SocketAddr)>)> {
        let accepted = self.in_turn(|listener| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Some(accepted),
            Poll::Pending => None,
        });
        accepted.map_or(Poll::Pending, |accepted| Poll::Ready((0, accepted)))
    }

    /// The next connection that waits in a queue, if there is one that can be taken.
    pub(super) fn take(&mut self) -> Option<(u16, OwnedFd, SocketAddr)> {
        self.in_turn(|listener| listener.accept().ok()).map(|(fd, peer)| (0, fd, peer))
    }

    /// Asks one listener after the other, until one has something.
    fn in_turn<T>(&mut self, mut ask: impl FnMut(&Listener) -> Option<T>) -> Option<T> {
        let count = self.listeners.len();
        for at in (self.turn..self.turn + count).map(|at| at % count) {
            if let Some(found) = ask(&self.listeners[at]) {
                self.turn = at + 1;
                return Some(found);
            }
        }
        None
    }
}
