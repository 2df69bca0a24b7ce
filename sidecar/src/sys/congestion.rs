//! The congestion control of TCP sockets (tcp(7), `TCP_CONGESTION`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

/// The one that sockets of this network namespace begin with.
///
/// # Errors
/// Those of socket(2) and getsockopt(2).
pub fn congestion_control() -> io::Result<String> {
    Ok(sockopt::tcp_congestion(fresh()?)?)
}

/// Whether this process may choose it.
///
/// # Errors
/// Those of socket(2) and setsockopt(2): `ENOENT` where the kernel does not have it, `EPERM` where
/// only privileged processes may.
pub fn may_use_congestion_control(name: &str) -> io::Result<()> {
    set(fresh()?.as_fd(), name)
}

/// Has a socket use it. That has to come before it is connected: what BBR has once begun to pace
/// stays paced, whatever comes after it (net/ipv4/tcp_bbr.c, `bbr_init`: `sk_pacing_status` is
/// never set back). On a listener it is inherited by what it accepts, at no cost
/// (net/ipv4/tcp_minisocks.c, `tcp_ca_openreq_child`).
///
/// # Errors
/// Those of setsockopt(2).
pub(super) fn set(fd: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    Ok(sockopt::set_tcp_congestion(fd, name)?)
}

fn fresh() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}
