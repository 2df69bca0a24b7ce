//! `TCP_INFO` of tcp(7), for the one fact that has no call of its own.

use std::os::fd::BorrowedFd;

use nix::sys::socket::getsockopt;
// The macro forgets to say where its parts are.
use nix::{getsockopt_impl, libc, sockopt_impl};

sockopt_impl!(
    /// `struct tcp_info` of linux/tcp.h.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    libc::tcp_info
);

/// Whether the peer has yet to acknowledge something we sent, or it has not even left.
///
/// False for a connection that is gone: nothing will be acknowledged any more.
pub(super) fn unacknowledged(fd: BorrowedFd<'_>) -> bool {
    /// `TCP_CLOSE` of net/tcp_states.h.
    const TCP_CLOSE: u8 = 7;
    // A peer that does not read has acknowledged all that has left, and what has not waits.
    let outstanding = |info: &libc::tcp_info| info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0;
    getsockopt(&fd, TcpInfo).is_ok_and(|info| info.tcpi_state != TCP_CLOSE && outstanding(&info))
}

/// A number that grows when the peer acknowledges bytes, and when its reader makes room for more.
///
/// The window is what is left of that room, so acknowledged bytes are counted once for themselves
/// and once more for the room that they have taken.
pub(super) fn progress(fd: BorrowedFd<'_>) -> u64 {
    getsockopt(&fd, TcpInfo).map_or(0, |info| 2 * info.tcpi_bytes_acked + u64::from(info.tcpi_snd_wnd))
}
