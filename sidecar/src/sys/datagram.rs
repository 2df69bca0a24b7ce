//! Datagrams to and from one address.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Type};
use tokio::net::UdpSocket;

/// A socket that takes datagrams from `peer` only, at a port that the kernel chooses at random.
/// Needs a runtime.
///
/// It is not bound first, which a confined process may not.
///
/// # Errors
/// Those of socket(2) and connect(2).
pub fn datagrams(peer: SocketAddr) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = socket2::Socket::new(Domain::for_address(peer), kind, Some(Protocol::UDP))?;
    socket.connect(&peer.into())?;
    UdpSocket::from_std(socket.into())
}
