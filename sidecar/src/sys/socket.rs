//! A connected TCP socket registered with the runtime.

mod bytes;

pub use bytes::Spliced;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{Shutdown, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::options::{
    acknowledge, hold_acknowledgement, keep_alive, no_delay, reset_on_close, urgent_inline,
};
use super::reactor::register;
use super::{congestion, tcp_info};
use crate::keepalive::Keepalive;

/// A connected TCP socket.
///
/// **Closing it resets the connection** (zero linger, socket(7)) from before it is made, so
/// that whatever goes wrong, a panic or the death of the process included, the peer never mistakes
/// a broken stream for a complete one. Only after [`Socket::finish`] is it closed in good order.
#[derive(Debug)]
pub struct Socket {
    io: AsyncFd<OwnedFd>,
    read_interest: bool,
    /// Whether the kernel has no room for what was last to be sent.
    full: AtomicBool,
    broken: bool,
    delay: AtomicU8,
}

/// What the kernel may hold back: the end of a handshake, and a small message while an earlier one is
/// unacknowledged.
mod delay {
    /// The peer may not even know that the connection is made; what is sent first tells it.
    pub(super) const UNTOLD: u8 = 0;
    /// A message, but there is no earlier one: nothing was sent yet.
    pub(super) const UNSENT: u8 = 1;
    /// A message, and that is to be changed before anything more is sent.
    pub(super) const SENT: u8 = 2;
    /// Nothing (`TCP_NODELAY`).
    pub(super) const NEVER: u8 = 3;
}

/// Everything that can happen to a connection; `PRIORITY` because mio's own `TcpStream` does not
/// ask for it and an urgent mark would go unnoticed.
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);

/// The same while nobody is about to read. Errors are reported whatever is asked for (epoll_ctl(2)).
const WITHOUT_READING: Interest = Interest::WRITABLE;

impl Socket {
    /// Registers an accepted socket, with the options of its listener, or another one that was
    /// [tuned](Self::tune).
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) refuses. The connection is reset then.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Self::register(fd, delay::NEVER)
    }

    /// Registers a connecting or connected socket that was [prepared](Self::prepare). What else
    /// it wants is set when needed: `TCP_NODELAY` before its second message, keepalive by
    /// [`Self::keep_alive`]. It [may owe](Self::owes_acknowledgement) its peer a word.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) refuses. The connection is reset then.
    pub fn dialled(fd: OwnedFd) -> io::Result<Self> {
        Self::register(fd, delay::UNTOLD)
    }

    fn register(fd: OwnedFd, delay: u8) -> io::Result<Self> {
        let io = register(fd, INTEREST).map_err(|(_, error)| error)?;
        Ok(Self {
            io,
            read_interest: true,
            full: AtomicBool::new(false),
            broken: false,
            delay: AtomicU8::new(delay),
        })
    }

    /// Takes it out of the event loop, for whoever is to have it.
    #[must_use]
    pub fn unregistered(self) -> OwnedFd {
        self.io.into_inner()
    }

    /// The same socket, registered for reading or not. If not, no data that comes wakes anybody, and to read
    /// is to try. Whoever waits for it has to wait anew.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) refuses. The connection is reset then.
    pub fn with_read_interest(self, read_interest: bool) -> io::Result<Self> {
        let broken = self.is_broken();
        let Self { io, full, delay, .. } = self;
        let interest = if read_interest { INTEREST } else { WITHOUT_READING };
        let io = register(io.into_inner(), interest).map_err(|(_, error)| error)?;
        Ok(Self { io, read_interest, full, broken, delay })
    }

    /// Whether it is registered for reading, as it is at first.
    #[must_use]
    pub const fn has_read_interest(&self) -> bool {
        self.read_interest
    }

    /// Whether the kernel has refused what was last to be sent, so that it tells when there is room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Sets what every relayed connection wants: a reset when it is closed, no Nagle delay, urgent
    /// data inline, keepalive.
    ///
    /// On a listener these are inherited by what it accepts (tcp(7), Linux), which saves the
    /// calls per connection.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn tune(fd: BorrowedFd<'_>, keepalive: Keepalive) -> io::Result<()> {
        no_delay(fd)?;
        Self::prepare(fd)?;
        keep_alive(fd, keepalive)
    }

    /// Sets what has to be there before the first byte comes: a reset when it is closed, urgent data
    /// inline.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn prepare(fd: BorrowedFd<'_>) -> io::Result<()> {
        reset_on_close(fd, true)?;
        urgent_inline(fd)
    }

    /// Sets what has to be there before it is connected or listens: the congestion control to send with.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn send_with(fd: BorrowedFd<'_>, congestion_control: &str) -> io::Result<()> {
        congestion::set(fd, congestion_control)
    }

    /// Has the kernel probe the peer.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn keep_alive(&self, keepalive: Keepalive) -> io::Result<()> {
        keep_alive(self.io.as_fd(), keepalive)
    }

    /// Before connect(2): has what is sent first tell the peer that the connection is made. So the
    /// connection takes a packet less, and [`Self::acknowledge`] when there is nothing to send.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn hold_acknowledgement(fd: BorrowedFd<'_>) -> io::Result<()> {
        hold_acknowledgement(fd)
    }

    /// Whether the peer may not know yet that the connection is made.
    #[must_use]
    pub fn owes_acknowledgement(&self) -> bool {
        self.delay.load(Ordering::Relaxed) == delay::UNTOLD
    }

    /// Tells it, if nothing that was sent has done so.
    pub fn acknowledge(&self) {
        if self.owes_acknowledgement() {
            self.delay.store(delay::UNSENT, Ordering::Relaxed);
            // Where it fails the kernel does it in a moment.
            let _ = acknowledge(self.io.as_fd());
        }
    }

    /// Resolves once the connection is broken; see [`Socket::is_broken`].
    pub async fn broken(&self) {
        // An error of the runtime means that it is shutting down, which is an end as well.
        let _ = self.io.ready(Interest::ERROR).await;
    }

    /// Whether epoll has reported this since it was registered; an atomic load, no system call.
    ///
    /// The peer's end counts as `PRIORITY` too (tokio's `Interest::PRIORITY`), which does no
    /// harm: it makes one more read, and that read finds it.
    fn reported(&self, interest: Interest) -> bool {
        self.io.try_io(interest, |_| Ok(())).is_ok()
    }

    /// Waits until a connection that is being made is made.
    ///
    /// One that was made and reset since is [`Socket::is_broken`]: the peer may have said
    /// something in between, and it is still to be read.
    ///
    /// # Errors
    /// The reason for which it failed (`SO_ERROR`).
    pub async fn connected(&mut self) -> io::Result<()> {
        let mut guard = self.io.writable().await?;
        let ready = guard.ready();
        guard.retain_ready();
        // The same event would tell of a failure (net/ipv4/tcp.c, `tcp_poll`).
        if !ready.is_error() && !ready.is_write_closed() {
            return Ok(());
        }
        match sockopt::socket_error(&self.io)? {
            // A reset that refuses the connection is ECONNREFUSED (net/ipv4/tcp_input.c,
            // `tcp_reset`).
            Err(Errno::CONNRESET | Errno::PIPE) => self.broken = true,
            made => made?,
        }
        Ok(())
    }

    /// Whether the connection is known to be broken: epoll has reported it, or
    /// [`Socket::connected`] met its end, which the kernel tells but once.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken || self.reported(Interest::ERROR)
    }

    /// Ends our side of the stream: the peer reads what was sent, then the end.
    ///
    /// # Errors
    /// Those of shutdown(2): `ENOTCONN` when the peer has reset meanwhile.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.io, Shutdown::Write)?)
    }

    /// Waits until the peer has acknowledged all that was sent, or the connection is gone.
    ///
    /// A reset discards what is still queued (net/ipv4/tcp.c, `tcp_disconnect`), so this comes
    /// before one that has to follow data. The kernel has no event for it; the wait looks again
    /// after 1, 2, 4 … 64 ms.
    pub async fn sent(&self) {
        let mut pause = Duration::from_millis(1);
        while tcp_info::unacknowledged(self.io.as_fd()) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(64));
        }
    }

    /// A number that grows when the peer's kernel takes bytes that were sent, and when its reader
    /// makes room there for more, as far as it tells.
    #[must_use]
    pub fn progress(&self) -> u64 {
        tcp_info::progress(self.io.as_fd())
    }

    /// The error that broke the connection. The kernel hands it out once, to whichever call is
    /// first; to a later one it is a reset like any other.
    #[must_use]
    pub fn take_error(&self) -> io::Error {
        match sockopt::socket_error(&self.io) {
            Ok(Err(errno)) | Err(errno) => errno.into(),
            Ok(Ok(())) => io::ErrorKind::ConnectionReset.into(),
        }
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// `ENOTCONN` when it has gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        peer_addr(self.io.as_fd())
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(self.io.as_fd())
    }

    /// Whether a socket is connected to itself, as it was to be to this port.
    #[must_use]
    pub fn has_met_itself(fd: BorrowedFd<'_>, port: u16) -> bool {
        let local = local_addr(fd).ok().filter(|local| local.port() == port);
        local.is_some_and(|local| peer_addr(fd).is_ok_and(|peer| peer == local))
    }

    /// Closes in good order, as soon as it is dropped: both streams have ended and were delivered.
    pub fn finish(&self) {
        // Where it fails there is no connection left to close.
        let _ = reset_on_close(self.io.as_fd(), false);
    }
}

fn peer_addr(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    let peer = rustix::net::getpeername(fd)?.ok_or(io::ErrorKind::NotConnected)?;
    peer.try_into().map_err(|_| io::ErrorKind::Unsupported.into())
}

pub(super) fn local_addr(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    rustix::net::getsockname(fd)?.try_into().map_err(|_| io::ErrorKind::Unsupported.into())
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
