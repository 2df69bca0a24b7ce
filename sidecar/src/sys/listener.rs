//! A listening TCP socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use explained::Explained;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::reactor::register;
use super::socket::Socket;
use crate::keepalive::Keepalive;

/// The port is taken, or may not be listened on.
#[derive(Debug, thiserror::Error, Explained)]
#[error("cannot listen on \"{addr}\": {reason}", reason = reason(.cause))]
#[advice = "end the other process, or take another port"]
pub struct ListenerError {
    pub addr: SocketAddr,
    /// The kernel's reason, part of the message already.
    pub cause: io::Error,
}

fn reason(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "the port is already in use".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE here".to_owned(),
        _ => cause.to_string(),
    }
}

impl ListenerError {
    /// Whether this machine has no such address family or address at all, as where IPv6 is off.
    #[must_use]
    pub fn family_missing(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrNotAvailable
            || self.cause.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
    }
}

/// A socket that has its address and does not listen yet: whoever connects is refused.
#[derive(Debug)]
pub struct Bound {
    socket: socket2::Socket,
    addr: SocketAddr,
}

impl Bound {
    /// Takes an address; port 0 lets the kernel choose. What is accepted sends with the congestion control
    /// that is named, else with the namespace's.
    ///
    /// # Errors
    /// The address is taken, not there, or not allowed.
    pub fn new(
        addr: SocketAddr,
        keepalive: Keepalive,
        congestion_control: Option<&str>,
    ) -> Result<Self, ListenerError> {
        Self::bind(addr, keepalive, congestion_control).map_err(|cause| ListenerError { addr, cause })
    }

    fn bind(addr: SocketAddr, keepalive: Keepalive, congestion_control: Option<&str>) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            Domain::for_address(addr),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Else a restart within a minute finds its port held by connections in TIME_WAIT.
        socket.set_reuse_address(true)?;
        tune(&socket, keepalive, congestion_control)?;
        socket.bind(&addr.into())?;
        let addr = socket.local_addr()?.as_socket().unwrap_or(addr);
        Ok(Self { socket, addr })
    }

    /// Takes over a socket that listens already. Only clients on loopback are sent to as is said.
    ///
    /// # Errors
    /// The kernel refuses a setting.
    pub fn adopt(
        listener: TcpListener,
        keepalive: Keepalive,
        congestion_control: Option<&str>,
    ) -> Result<Self, ListenerError> {
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let addr = listener.local_addr().map_err(|cause| ListenerError { addr: unknown, cause })?;
        let socket = socket2::Socket::from(listener);
        let congestion_control = congestion_control.filter(|_| addr.ip().is_loopback());
        let tuned = socket.set_nonblocking(true).and_then(|()| tune(&socket, keepalive, congestion_control));
        tuned.map(|()| Self { socket, addr }).map_err(|cause| ListenerError { addr, cause })
    }

    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Listens, and makes something of the socket.
    pub(super) fn listen<T>(self, make: impl FnOnce(OwnedFd) -> io::Result<T>) -> Result<T, ListenerError> {
        // The kernel cuts it to net.core.somaxconn (listen(2)): the owner's wish, not ours.
        const BACKLOG: i32 = i32::MAX;
        let Self { socket, addr } = self;
        // One that listens already has the backlog that its owner wants.
        let listening = if socket.is_listener().unwrap_or(false) { Ok(()) } else { socket.listen(BACKLOG) };
        let listening = listening.and_then(|()| make(socket.into()));
        listening.map_err(|cause| ListenerError { addr, cause })
    }
}

fn tune(socket: &socket2::Socket, keepalive: Keepalive, congestion_control: Option<&str>) -> io::Result<()> {
    Socket::tune(socket.as_fd(), keepalive)?;
    congestion_control.map_or(Ok(()), |name| Socket::send_with(socket.as_fd(), name))
}

/// A listening socket registered with the runtime.
#[derive(Debug)]
pub struct Listener(AsyncFd<OwnedFd>);

impl Listener {
    /// Listens.
    ///
    /// # Errors
    /// Another socket listens there, or there is no room for it.
    pub fn new(bound: Bound) -> Result<Self, ListenerError> {
        bound.listen(|socket| register(socket, Interest::READABLE).map(Self).map_err(|(_, error)| error))
    }

    /// Takes the next connection off the queue, with its peer's address.
    ///
    /// # Errors
    /// Those of accept4(2) but `EAGAIN`; [`crate::accept::classify`] tells what they mean.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, SocketAddr)>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            match self.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Takes the next connection off the queue if there is one.
    ///
    /// # Errors
    /// Those of accept4(2), `EAGAIN` for an empty queue among them.
    pub fn accept(&self) -> io::Result<(OwnedFd, SocketAddr)> {
        accept(self.0.as_fd())
    }
}

pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
    let (fd, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peer = peer.and_then(|peer| peer.try_into().ok()).ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((fd, peer))
}
