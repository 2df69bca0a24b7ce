//! Descriptors that come with a packet (`SCM_RIGHTS` of unix(7)), and what they turn out to be.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use explained::Explained;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, SocketType, getpeername, getsockname, ipproto,
    sockopt,
};

/// How much room a receiver has for descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// None: the kernel closes whatever comes and says so.
    None,
    /// One, and a second for the sake of alignment.
    One,
}

impl Control {
    pub(super) fn space(self) -> Vec<MaybeUninit<u8>> {
        match self {
            Self::None => Vec::new(),
            Self::One => vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))],
        }
    }
}

/// Takes possession of what came.
pub(super) fn descriptors(ancillary: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    rights.flatten().collect()
}

/// Why a descriptor is not what was asked for.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum Impostor {
    /// Something else listens at the dialer's socket.
    #[error("it is no tcp socket")]
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
    /// The same: the kernel tells nothing about it.
    #[error("it is not connected: {error}", error = .0)]
    #[advice = "look who does"]
    Unknown(#[from] io::Error),
}

/// Makes sure that a descriptor of unknown origin is a TCP connection to `port` of a loopback
/// address, and makes it non-blocking.
///
/// # Errors
/// It is anything else.
pub fn verify_loopback(fd: &OwnedFd, port: u16) -> Result<(), Impostor> {
    let fd = fd.as_fd();
    // A descriptor that is no socket at all fails here (ENOTSOCK).
    let domain = sockopt::socket_domain(fd).map_err(|_| Impostor::Kind)?;
    let tcp = matches!(domain, AddressFamily::INET | AddressFamily::INET6)
        && sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::STREAM)
        && sockopt::socket_protocol(fd).is_ok_and(|protocol| protocol == Some(ipproto::TCP));
    if !tcp {
        return Err(Impostor::Kind);
    }
    let peer = getpeername(fd).map_err(io::Error::from)?.ok_or(io::ErrorKind::NotConnected);
    let peer = SocketAddr::try_from(peer.map_err(io::Error::from)?).map_err(|_| Impostor::Kind)?;
    if !peer.ip().to_canonical().is_loopback() || peer.port() != port {
        return Err(Impostor::Elsewhere(peer));
    }
    if getsockname(fd).is_ok_and(|local| SocketAddr::try_from(local) == Ok(peer)) {
        return Err(Impostor::Itself);
    }
    let flags = fcntl_getfl(fd).map_err(io::Error::from)?;
    fcntl_setfl(fd, flags | OFlags::NONBLOCK).map_err(io::Error::from)?;
    Ok(())
}
