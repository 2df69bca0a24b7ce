//! `TCP_INFO` of tcp(7): what the kernel knows of a connection.

use std::mem::offset_of;
use std::net::TcpStream;

use nix::libc::tcp_info;
use nix::sys::socket::{getsockopt, setsockopt};
// The macro forgets to say where its parts are.
use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};

/// What is asked for is the part that every kernel has: the whole is longer on some than on others,
/// and nix panics over an answer that is not as long as it asked.
const UNACKED: usize = offset_of!(tcp_info, tcpi_unacked);
const NOTSENT: usize = offset_of!(tcp_info, tcpi_notsent_bytes);
const ASKED: usize = NOTSENT + size_of::<u32>();

sockopt_impl!(TcpInfo, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, [u8; ASKED]);
sockopt_impl!(Linger2, SetOnly, libc::IPPROTO_TCP, libc::TCP_LINGER2, i32);

/// Whether the other side's kernel has acknowledged everything that was sent.
pub(crate) fn all_acknowledged(stream: &TcpStream) -> bool {
    let answer = getsockopt(stream, TcpInfo).expect("a TCP socket has TCP_INFO");
    [UNACKED, NOTSENT].iter().all(|field| answer[*field..].starts_with(&0_u32.to_ne_bytes()))
}

/// How long the kernel remembers this connection after it was closed and the other side goes on
/// (FIN_WAIT2), instead of the usual minute.
pub(crate) fn forget_after_close(stream: &TcpStream, seconds: i32) {
    setsockopt(stream, Linger2, &seconds).expect("a TCP socket has TCP_LINGER2");
}
