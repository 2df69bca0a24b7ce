//! Unix sockets that keep packets apart (`SOCK_SEQPACKET` of unix(7)), reached by a path.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::task::{Context, Poll, ready};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::fs::{Mode, chown};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    recvmsg, sendmsg, shutdown, socket_with, sockopt::set_socket_send_buffer_size,
};
use rustix::process::{Uid, geteuid, umask};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::fd_passing::{Control, Passed, SPACE};
use super::reactor::register;

/// A packet as it came.
#[derive(Debug)]
pub struct Packet<'buf> {
    /// What fitted into the buffer.
    pub bytes: &'buf [u8],
    /// It was longer than the buffer.
    pub cut: bool,
    /// The descriptors that came with it.
    pub passed: Passed,
}

/// One end of a connection. Its registration is for reading only: the kernel reports room for writing
/// whenever the other end has read a packet, and would wake who waits for an answer.
#[derive(Debug)]
pub struct PacketSocket(AsyncFd<OwnedFd>);

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

impl PacketSocket {
    /// Connects to a path. Needs a runtime.
    ///
    /// # Errors
    /// Those of connect(2); `EAGAIN` while the listener's queue is full.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = open()?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Self::new(socket)
    }

    fn new(socket: OwnedFd) -> io::Result<Self> {
        register(socket, Interest::READABLE).map(Self).map_err(|(_, error)| error)
    }

    /// The user who connected, or who listens (`SO_PEERCRED`).
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn peer_uid(&self) -> io::Result<u32> {
        // Not by rustix: its process id is never 0, and that is what the kernel gives for a peer in
        // a pid namespace that is not ours, as in another container.
        Ok(getsockopt(&self.0, PeerCredentials)?.uid())
    }

    /// Receives a packet, with room for descriptors or without.
    ///
    /// The other end's going away looks like an empty packet.
    ///
    /// # Errors
    /// Those of recvmsg(2) but `EAGAIN`.
    pub fn poll_recv<'buf>(
        &self,
        cx: &mut Context<'_>,
        buf: &'buf mut [u8],
        control: Control,
    ) -> Poll<io::Result<Packet<'buf>>> {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let (received, passed) = loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let mut ancillary = RecvAncillaryBuffer::new(control.of(&mut space));
            let mut parts = [IoSliceMut::new(buf)];
            match recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => {
                    let cut = received.flags.contains(ReturnFlags::CTRUNC);
                    break (received, Passed::take(&mut ancillary, cut));
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        };
        Poll::Ready(Ok(Packet {
            bytes: &buf[..received.bytes.min(buf.len())],
            cut: received.flags.contains(ReturnFlags::TRUNC),
            passed,
        }))
    }

    /// Sends a packet, with at most [`DESCRIPTORS`](super::DESCRIPTORS). The queue of a connection has room for some
    /// hundred packets this small (`net.core.wmem_default`); [`Self::room`] waits for it.
    ///
    /// # Errors
    /// Those of sendmsg(2), `EAGAIN` among them, and too many descriptors.
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fit = descriptors.is_empty() || ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        if !fit {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        sendmsg(&self.0, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits until the other end has read a good part of what it was sent, or has gone.
    ///
    /// # Errors
    /// There is no descriptor to wait with.
    pub async fn room(&self) -> io::Result<()> {
        let again = fcntl_dupfd_cloexec(&self.0, 0)?;
        let again = register(again, Interest::WRITABLE).map_err(|(_, error)| error)?;
        again.writable().await.map(drop)
    }

    /// Ends the connection: the other end reads what it was sent, and whoever waits at either end learns
    /// of it.
    pub fn hang_up(&self) {
        // One that fails has ended.
        let _ = shutdown(&self.0, Shutdown::Both);
    }
}

/// Room for some twenty packets that who has connected does not read: what they hold counts for all of its user's
/// (`ETOOMANYREFS` of unix(7)).
const UNREAD: usize = 8192;

/// A socket that listens on a path.
#[derive(Debug)]
pub struct PacketListener(AsyncFd<OwnedFd>);

impl PacketListener {
    /// Listens, also where one who was killed has left a socket behind. Only `owner` may connect.
    ///
    /// # Errors
    /// Somebody listens there, or the path cannot be had.
    pub fn bind(path: &Path, owner: u32) -> io::Result<Self> {
        let addr = SocketAddrUnix::new(path)?;
        let socket = open()?;
        // The mode of the new socket: nobody may connect before a chmod(2) could tell.
        let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let bound = bind(&socket, &addr).or_else(|error| {
            // To connect(2) a file of any other kind is a socket that nobody listens on.
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
            let abandoned =
                error == Errno::ADDRINUSE && is_socket && connect(open()?, &addr) == Err(Errno::CONNREFUSED);
            if !abandoned {
                return Err(error.into());
            }
            std::fs::remove_file(path)?;
            bind(&socket, &addr).map_err(io::Error::from)
        });
        umask(before);
        bound?;
        if geteuid().as_raw() != owner {
            chown(path, Some(Uid::from_raw(owner)), None)
                .inspect_err(|_| drop(std::fs::remove_file(path)))?;
        }
        // As many may wait as the machine's owner allows (`net.core.somaxconn`).
        listen(&socket, i32::MAX)?;
        register(socket, Interest::READABLE).map(Self).map_err(|(_, error)| error)
    }

    /// Takes the next connection off the queue.
    ///
    /// # Errors
    /// Those of accept4(2) but `EAGAIN`; [`crate::accept::classify`] tells what they mean.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<PacketSocket>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            match accept_with(self.0.as_fd(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => {
                    set_socket_send_buffer_size(&socket, UNREAD)?;
                    return Poll::Ready(PacketSocket::new(socket));
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}
