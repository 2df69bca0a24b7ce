//! Bytes in and out of a socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::pipe::{SpliceFlags, splice};
use tokio::io::Interest;
use tokio::io::unix::AsyncFdReadyGuard;

use super::{Socket, delay};
use crate::sys::Pipe;
use crate::sys::options::no_delay;

/// What came of moving bytes from a socket into an empty pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spliced {
    /// This many bytes are in the pipe.
    Bytes(usize),
    /// Nothing moved: no data, the end of the stream, or an urgent mark. Only `recv` can tell.
    Nothing,
}

/// Both ends of a splice never block. For the pipe this flag says so, for the socket its own
/// `O_NONBLOCK` (fs/splice.c). Never `SPLICE_F_MORE`: it holds small tails back for 200 ms.
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

impl Socket {
    /// Receives into `buf`; 0 is the end of the stream.
    ///
    /// One that is not [registered for reading](Self::with_read_interest) is pending, too, where there is
    /// nothing, but the task is not woken.
    ///
    /// A read that does not fill `buf` emptied the socket, and the confirming read is saved,
    /// unless the peer has ever sent urgent data: its mark ends a read short as well (tcp(7)).
    ///
    /// # Errors
    /// Those of recv(2) but `EAGAIN`.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.poll_read_ready(cx))?;
            match rustix::net::recv(&self.io, &mut *buf, RecvFlags::empty()) {
                Ok((n, _)) => {
                    if let Some(guard) = &mut guard
                        && n < buf.len()
                        && !self.reported(Interest::PRIORITY)
                    {
                        // Keeps the sticky "peer has closed", so a queued end is still read.
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::AGAIN) => match &mut guard {
                    Some(guard) => guard.clear_ready(),
                    None => return Poll::Pending,
                },
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Sends from `buf`; may take less than all of it.
    ///
    /// # Errors
    /// Those of send(2) but `EAGAIN`.
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write(cx, || {
            // What is sent first leaves at once anyway, its last part included: there is no
            // earlier small segment (net/ipv4/tcp_output.c, `tcp_nagle_check`).
            match self.delay.load(Ordering::Relaxed) {
                delay::UNTOLD | delay::UNSENT => self.delay.store(delay::SENT, Ordering::Relaxed),
                _ => self.delay_no_more(),
            }
            rustix::net::send(&self.io, buf, SendFlags::NOSIGNAL)
        })
    }

    /// Moves what the socket holds into an empty pipe.
    ///
    /// # Errors
    /// Those of splice(2) but `EAGAIN`; `EINVAL`, `ENOSYS` and `EPERM` before a byte moved mean
    /// that this kernel or its policy refuses.
    pub fn poll_splice_in(&self, cx: &mut Context<'_>, pipe: &Pipe) -> Poll<io::Result<Spliced>> {
        loop {
            // Readiness is left alone: EAGAIN has three meanings here and `recv` decides.
            let _guard = ready!(self.poll_read_ready(cx))?;
            return Poll::Ready(
                match splice(&self.io, None, pipe.write_end(), None, pipe.capacity(), FLAGS) {
                    Ok(0) | Err(Errno::AGAIN) => Ok(Spliced::Nothing),
                    Ok(n) => Ok(Spliced::Bytes(n)),
                    Err(Errno::INTR) => continue,
                    Err(error) => Err(error.into()),
                },
            );
        }
    }

    /// Moves up to `len` bytes from a pipe that holds exactly `len` to the socket.
    ///
    /// `len` must not exceed what the pipe holds: fs/splice.c sends in batches of 16 buffers and
    /// marks a full last batch "more to come", which delays it by 200 ms.
    ///
    /// # Errors
    /// Those of splice(2) but `EAGAIN`.
    pub fn poll_splice_out(&self, cx: &mut Context<'_>, pipe: &Pipe, len: usize) -> Poll<io::Result<usize>> {
        self.poll_write(cx, || {
            self.delay_no_more();
            splice(pipe.read_end(), None, &self.io, None, len, FLAGS)
        })
    }

    /// Whatever is sent from now on leaves at once.
    fn delay_no_more(&self) {
        if self.delay.load(Ordering::Relaxed) != delay::NEVER {
            // One that refuses has ended, as the write that follows will tell.
            let _ = no_delay(self.io.as_fd());
            self.delay.store(delay::NEVER, Ordering::Relaxed);
        }
    }

    /// Ready at once, and without a guard, for one that is not registered for it.
    fn poll_read_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<AsyncFdReadyGuard<'_, OwnedFd>>>> {
        if self.read_interest { self.io.poll_read_ready(cx).map_ok(Some) } else { Poll::Ready(Ok(None)) }
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut() -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.io.poll_write_ready(cx))?;
            match write() {
                Ok(n) => {
                    self.full.store(false, Ordering::Relaxed);
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::AGAIN) => {
                    self.full.store(true, Ordering::Relaxed);
                    guard.clear_ready();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}
