//! Many listening TCP sockets.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::event::{Timespec, epoll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::listener::{Bound, ListenerError, accept};
use super::reactor::register;

/// How many queues are heard of at once.
const AT_ONCE: usize = 64;

/// Listening sockets that the runtime knows as one: an epoll instance with all of them, which the kernel
/// asks for those alone that have something. Each would be an allocation, a place to look at, and two
/// system calls at every turn otherwise.
#[derive(Debug)]
pub struct Listeners {
    epoll: AsyncFd<OwnedFd>,
    sockets: Vec<OwnedFd>,
}

impl Listeners {
    /// Listens on all of them. Needs a runtime.
    ///
    /// # Errors
    /// Another socket listens on one, or there is no room for all.
    pub fn new(bound: Vec<Bound>) -> Result<Self, ListenerError> {
        let addr = bound[0].addr();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from);
        let epoll = epoll.and_then(|fd| register(fd, Interest::READABLE).map_err(|(_, error)| error));
        let epoll = epoll.map_err(|cause| ListenerError { addr, cause })?;
        let listen = |(place, bound): (usize, Bound)| {
            bound.listen(|socket| {
                let place = epoll::EventData::new_u64(place as u64);
                // Level-triggered: the kernel puts whoever has more at the end of its list, so all have
                // their turn.
                epoll::add(&epoll, &socket, place, epoll::EventFlags::IN)?;
                Ok(socket)
            })
        };
        let sockets = bound.into_iter().enumerate().map(listen).collect::<Result<_, _>>()?;
        Ok(Self { epoll, sockets })
    }

    /// Waits until there is something in a queue, and adds which ones to `ready`, each by its place.
    ///
    /// # Errors
    /// The runtime stops, or those of epoll_wait(2).
    pub fn poll_ready(&self, cx: &mut Context<'_>, ready: &mut Vec<u16>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.epoll.poll_read_ready(cx))?;
            if self.look(ready)? {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }

    /// The same without a wait: whether there is something now.
    ///
    /// # Errors
    /// Those of epoll_wait(2).
    pub fn look(&self, ready: &mut Vec<u16>) -> io::Result<bool> {
        let (mut events, now) = ([const { MaybeUninit::uninit() }; AT_ONCE], Timespec::default());
        let (found, _) = epoll::wait(&self.epoll, &mut events, Some(&now))?;
        #[expect(clippy::cast_possible_truncation, reason = "it is a place, and there are not so many")]
        ready.extend(found.iter().map(|event| event.data.u64() as u16));
        Ok(!found.is_empty())
    }

    /// Takes the next connection off a queue if there is one.
    ///
    /// # Errors
    /// Those of accept4(2), `EAGAIN` for an empty queue among them.
    pub fn accept(&self, place: u16) -> io::Result<(OwnedFd, SocketAddr)> {
        accept(self.sockets[usize::from(place)].as_fd())
    }
}
