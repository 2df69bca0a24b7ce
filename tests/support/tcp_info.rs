//! `TCP_INFO` of tcp(7): what the kernel knows of a connection.

use std::net::TcpStream;

use nix::sys::socket::{getsockopt, setsockopt};
// The macro forgets to say where its parts are.
use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};

sockopt_impl!(TcpInfo, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, libc::tcp_info);
sockopt_impl!(Linger2, SetOnly, libc::IPPROTO_TCP, libc::TCP_LINGER2, i32);

pub(crate) fn tcp_info(stream: &TcpStream) -> libc::tcp_info {
    getsockopt(stream, TcpInfo).expect("a TCP socket has TCP_INFO")
}

/// How long the kernel remembers this connection after it was closed and the other side goes on
/// (FIN_WAIT2), instead of the usual minute.
pub(crate) fn forget_after_close(stream: &TcpStream, seconds: i32) {
    setsockopt(stream, Linger2, &seconds).expect("a TCP socket has TCP_LINGER2");
}
