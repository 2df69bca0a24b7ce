//! The two sockets, each with the error that broke it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Ending;
use super::pump::Pump;
use crate::sys::Socket;

/// A socket with the error that broke it, whichever direction met it first.
pub(super) struct Side<'a> {
    pub(super) socket: &'a Socket,
    pub(super) error: Option<io::Error>,
    /// Listens for an error while nobody reads, which would tell. Made when first needed.
    /// One pointer until then.
    watch: Option<Box<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>>,
}

impl<'a> Side<'a> {
    fn new(socket: &'a Socket) -> Self {
        Self { socket, error: None, watch: None }
    }

    /// Takes note of an error that epoll has reported, unless its reader will be told in a moment: that
    /// costs no call of its own.
    pub(super) fn look(&mut self, reader: &Pump) {
        if !reader.is_receiving() && self.error.is_none() && self.socket.is_broken() {
            self.error = Some(self.socket.take_error());
        }
    }

    /// Has the task woken by an error: a reset after the end of the stream shows in no other
    /// way, nor does one while the reader waits for its writer.
    pub(super) fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let socket = self.socket;
        self.watch.get_or_insert_with(|| Box::new(Box::pin(socket.broken()))).as_mut().as_mut().poll(cx)
    }

    pub(super) fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
    }
}

/// Both, for as long as they are registered as they are.
pub(super) struct Sides<'a> {
    pub(super) client: Side<'a>,
    pub(super) upstream: Side<'a>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(client: &'a Socket, upstream: &'a Socket) -> Self {
        Self { client: Side::new(client), upstream: Side::new(upstream) }
    }

    pub(super) const fn have_failed(&self) -> bool {
        self.client.error.is_some() || self.upstream.error.is_some()
    }

    /// The socket that still works after the other has failed.
    pub(super) const fn survivor(&self) -> Option<&'a Socket> {
        match (&self.client.error, &self.upstream.error) {
            (Some(_), None) => Some(self.upstream.socket),
            (None, Some(_)) => Some(self.client.socket),
            _ => None,
        }
    }

    /// What the errors make of the connection.
    pub(super) fn ending(self) -> Ending {
        match (self.client.error, self.upstream.error) {
            (Some(error), _) => Ending::Client(error),
            (None, Some(error)) => Ending::Upstream(error),
            (None, None) => Ending::Complete,
        }
    }
}
