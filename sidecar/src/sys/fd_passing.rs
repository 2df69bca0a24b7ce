//! Descriptors that come with a packet (`SCM_RIGHTS` of unix(7)), and what they turn out to be.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use explained::Explained;
use nix::sys::socket::getsockopt;
// The macro forgets to say where its parts are.
use nix::{getsockopt_impl, libc, sockopt_impl};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, SocketType, ipproto, sockopt};

use super::socket::local_addr;

/// At most so many descriptors go with a packet; the kernel's own limit is far above (`SCM_MAX_FD`).
pub const DESCRIPTORS: usize = 16;

/// How much room a receiver has for descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// None: the kernel closes whatever comes and says so.
    None,
    /// For [`DESCRIPTORS`].
    Some,
}

/// Room for them.
pub(super) const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS));

impl Control {
    /// As much of it as is wanted.
    pub(super) fn of(self, space: &mut [MaybeUninit<u8>; SPACE]) -> &mut [MaybeUninit<u8>] {
        match self {
            Self::None => &mut [],
            Self::Some => space,
        }
    }
}

/// What came with a packet.
#[derive(Debug)]
pub enum Passed {
    /// All of them in their order, close-on-exec; most often none.
    All(Vec<OwnedFd>),
    /// Those for which there was room, or this process had descriptors. The others are closed.
    Some(Vec<OwnedFd>),
}

impl Passed {
    /// Takes possession of it; `cut` when the kernel has closed some.
    pub(super) fn take(ancillary: &mut RecvAncillaryBuffer<'_>, cut: bool) -> Self {
        let rights = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        });
        let all = rights.flatten().collect();
        if cut { Self::Some(all) } else { Self::All(all) }
    }
}

/// Why a descriptor is not what was asked for.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum Impostor {
    /// Something else listens at the dialer's socket.
    #[error("it is no tcp socket for that address")]
    #[advice = "look who does"]
    Kind,
    /// The same: it is connected to something else.
    #[error("it leads to \"{address}\"", address = .0)]
    #[advice = "look who does"]
    Elsewhere(SocketAddr),
    /// The same: nothing listens there.
    #[error("it is connected to itself")]
    #[advice = "look who does"]
    Itself,
    /// The same: it is connected already, is about to be, or listens.
    #[error("it is in use")]
    #[advice = "look who does"]
    Used,
    /// The same: it is not connected, for one.
    #[error("the kernel does not tell: {error}", error = .0)]
    #[advice = "look who does"]
    Unknown(#[from] io::Error),
}

/// Makes sure that a descriptor of unknown origin is a TCP socket for addresses of this one's family that nobody has
/// used, and makes it non-blocking.
///
/// # Errors
/// It is anything else.
pub fn verify_fresh(fd: &OwnedFd, to: IpAddr) -> Result<(), Impostor> {
    let fd = fd.as_fd();
    let local = local_addr(fd).ok().filter(|local| local.is_ipv4() == to.is_ipv4());
    let local = local.filter(|_| has_tcp(fd)).ok_or(Impostor::Kind)?;
    // One that is connected, is about to be or listens has a port; and a raw one that of its protocol
    // (net/ipv4/af_inet.c, `inet_create`), so that its kind need not be asked for.
    if local.port() != 0 {
        return Err(Impostor::Used);
    }
    make_nonblocking(fd)
}

/// Makes sure that a descriptor of unknown origin is a TCP connection to `port` of a loopback
/// address, and makes it non-blocking. One that has been broken since is what was asked for, too:
/// its peer may have left words to be read.
///
/// # Errors
/// It is anything else.
pub fn verify_loopback(fd: &OwnedFd, port: u16) -> Result<(), Impostor> {
    let fd = fd.as_fd();
    let is_stream = sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::STREAM);
    if !is_stream || !has_tcp(fd) {
        return Err(Impostor::Kind);
    }
    // Its family is that of its peer's address.
    let peer = peer_name(fd)?.ok_or(Impostor::Kind)?;
    if !peer.ip().to_canonical().is_loopback() || peer.port() != port {
        return Err(Impostor::Elsewhere(peer));
    }
    if local_addr(fd).is_ok_and(|local| local == peer) {
        return Err(Impostor::Itself);
    }
    make_nonblocking(fd)
}

/// In whichever family: another one that has such streams, as SMC, calls its protocol otherwise. For a descriptor
/// that is no socket at all the kernel knows no answer (`ENOTSOCK`).
fn has_tcp(fd: BorrowedFd<'_>) -> bool {
    sockopt::socket_protocol(fd).is_ok_and(|protocol| protocol == Some(ipproto::TCP))
}

/// All other flags that can be set this way are better not set.
fn make_nonblocking(fd: BorrowedFd<'_>) -> Result<(), Impostor> {
    Ok(fcntl_setfl(fd, OFlags::NONBLOCK).map_err(io::Error::from)?)
}

// As much of the peer's address as is asked for (net/core/sock.c, `sk_getsockopt`).
sockopt_impl!(
    /// `struct sockaddr_in` of ip(7).
    PeerName,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_PEERNAME,
    [u8; 16]
);
sockopt_impl!(
    /// `struct sockaddr_in6` of ipv6(7).
    PeerName6,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_PEERNAME,
    [u8; 28]
);

/// The address of the other end, if it is one of the internet. Unlike getpeername(2) this knows it of a
/// connection that has been reset, too (net/ipv4/af_inet.c, `inet_getname`).
fn peer_name(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    let [a, b, p, q, ip @ .., _, _, _, _, _, _, _, _] = getsockopt(&fd, PeerName)?;
    let (family, port) = (i32::from(u16::from_ne_bytes([a, b])), u16::from_be_bytes([p, q]));
    Ok(match family {
        libc::AF_INET => Some((ip, port).into()),
        libc::AF_INET6 => {
            let address = getsockopt(&fd, PeerName6)?;
            address[8..].first_chunk::<16>().map(|ip| (*ip, port).into())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::fs::fcntl_getfl;

    use super::*;

    fn pair(addr: &str) -> (OwnedFd, TcpStream, u16) {
        let listener = TcpListener::bind(addr).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near.into(), listener.accept().unwrap().0, listener.local_addr().unwrap().port())
    }

    #[test]
    fn a_connection_to_either_loopback_is_what_was_asked_for() {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            let (near, _far, port) = pair(addr);
            verify_loopback(&near, port).unwrap();
            assert!(fcntl_getfl(&near).unwrap().contains(OFlags::NONBLOCK));
            let other = verify_loopback(&near, port ^ 1).unwrap_err();
            let Impostor::Elsewhere(peer) = other else { panic!("{other}") };
            assert_eq!(peer, addr.replace(":0", &format!(":{port}")).parse().unwrap());
        }
    }

    #[test]
    fn one_that_was_reset_since_is_known_still() {
        let (near, far, port) = pair("127.0.0.1:0");
        socket2::SockRef::from(&far).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(far);
        while rustix::net::getpeername(&near).is_ok() {
            std::thread::yield_now();
        }
        verify_loopback(&near, port).unwrap();
    }

    #[test]
    fn one_that_never_was_connected_is_not() {
        let fresh = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        assert!(matches!(verify_loopback(&fresh.into(), 1), Err(Impostor::Unknown(_))));
    }
}
