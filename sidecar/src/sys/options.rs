//! Options of TCP sockets.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use rustix::net::sockopt;

use crate::keepalive::Keepalive;

/// Has the kernel probe the peer of a socket.
///
/// It counts the silence that there has been before, since the time comes last: changed on a
/// socket that is probed already it is taken from the last sign of life (net/ipv4/tcp.c,
/// `tcp_sock_set_keepidle_locked`).
pub(super) fn keep_alive(fd: BorrowedFd<'_>, keepalive: Keepalive) -> io::Result<()> {
    sockopt::set_socket_keepalive(fd, true)?;
    sockopt::set_tcp_keepintvl(fd, keepalive.interval)?;
    sockopt::set_tcp_keepcnt(fd, keepalive.probes)?;
    sockopt::set_tcp_keepidle(fd, keepalive.idle)?;
    Ok(())
}

/// Sends small messages at once, whatever is unacknowledged.
pub(super) fn no_delay(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(fd, true)?)
}

/// Keeps urgent data in its place in the stream. The kernel looks when it is read
/// (net/ipv4/tcp.c, `tcp_recvmsg_locked`), so it has to be set before the first byte is.
pub(super) fn urgent_inline(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_socket_oobinline(fd, true)?)
}

/// Before bind(2) without a port: has connect(2) choose it, so that connections to several targets may have
/// the same one (`IP_BIND_ADDRESS_NO_PORT` of ip(7), for IPv6 as well).
///
/// # Errors
/// Those of setsockopt(2).
pub fn choose_port_late(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(setsockopt(&fd, IpBindAddressNoPort, &true)?)
}

/// Before connect(2): has the packet that ends the handshake wait for the first data, which can tell
/// as much, for 200 ms at most. It is of no effect on what comes after that (net/ipv4/tcp_input.c,
/// `tcp_rcv_synsent_state_process`).
pub(super) fn hold_acknowledgement(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_tcp_quickack(fd, false)?)
}

/// Sends the acknowledgement that is held, if one is (net/ipv4/tcp.c, `__tcp_sock_set_quickack`).
pub(super) fn acknowledge(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_tcp_quickack(fd, true)?)
}

/// Has close(2) reset the connection, whatever is still to be sent, or no longer. It makes no
/// difference whether a process closes it or the kernel does after its death.
pub(super) fn reset_on_close(fd: BorrowedFd<'_>, wanted: bool) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(fd, wanted.then_some(Duration::ZERO))?)
}
