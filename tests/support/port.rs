//! Ports of this host that nobody uses.

use std::io::{ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

/// Below the ports that the kernel gives to outgoing connections (`ip_local_port_range` starts
/// at 32768), so that only something that asks for this very port could take it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port on which nothing listens. No other call in this process gets the same one; another
/// process of these tests begins its search elsewhere.
pub(crate) fn free_port() -> u16 {
    free_ports(1)
}

/// The first of so many in a row, each of them like [`free_port`]'s.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or(0);
    (0..COUNT)
        .map(|_| (begin + NEXT.fetch_add(count, Ordering::Relaxed) % COUNT) % COUNT)
        .filter(|first| first + count <= COUNT)
        .map(|first| FIRST + first)
        .find(|first| (*first..first + count).all(is_free))
        .expect("no port is free")
}

fn is_free(port: u16) -> bool {
    let ipv6 = TcpSocket::new_v6().and_then(|socket| try_bind(&socket, Ipv6Addr::UNSPECIFIED.into(), port));
    // A machine without IPv6 has nobody there.
    let is_taken = ipv6.is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
    let ipv4 = TcpSocket::new_v4().and_then(|socket| try_bind(&socket, Ipv4Addr::UNSPECIFIED.into(), port));
    !is_taken && ipv4.is_ok()
}

/// Without listening: a process that another test starts at this moment has a copy of the socket until it runs its
/// program, and a listener would be in the way of whoever asked for the port.
fn try_bind(socket: &TcpSocket, host: IpAddr, port: u16) -> Result<()> {
    socket.set_reuseaddr(true)?;
    socket.bind((host, port).into())
}
