//! What goes over the dialer's socket: bytes, and descriptors of any kind.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use socket2::{Domain, SockRef, Socket, Type};

/// More than any receiver has room for.
const MOST: usize = 20;

/// A kind of descriptor.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A socket that can be connected over IPv4: the right one, where one is asked for.
    Fresh,
    Fresh6,
    /// A connection to another port of loopback.
    Connected,
    /// The other end of one.
    Accepted,
    Listener,
    Udp,
    Unix,
    File,
}

impl Kind {
    fn open(self) -> OwnedFd {
        let near = || {
            let addr = OTHER.local_addr().expect("a listener has an address");
            broken_when_closed(TcpStream::connect(addr).expect("somebody listens"))
        };
        let tcp = |domain| Socket::new(domain, Type::STREAM, None).expect("a socket").into();
        match self {
            Self::Fresh => tcp(Domain::IPV4),
            Self::Fresh6 => tcp(Domain::IPV6),
            Self::Connected => {
                let near = near();
                drop(OTHER.accept());
                near
            }
            Self::Accepted => {
                let _near = near();
                broken_when_closed(OTHER.accept().expect("somebody has connected").0)
            }
            Self::Listener => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").into(),
            Self::Udp => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").into(),
            Self::Unix => UnixStream::pair().expect("a pair").0.into(),
            Self::File => File::open("/dev/null").expect("a file").into(),
        }
    }
}

/// What [`Kind::Connected`] leads to.
pub(crate) static OTHER: LazyLock<TcpListener> =
    LazyLock::new(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port"));

fn broken_when_closed(stream: TcpStream) -> OwnedFd {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a connection can be broken");
    stream.into()
}

/// A packet's descriptors.
#[derive(Arbitrary, Debug, Default)]
pub(crate) struct Descriptors(Vec<Kind>);

impl Descriptors {
    /// So many that are right.
    pub(crate) fn fresh(count: u8) -> Self {
        Self(vec![Kind::Fresh; count.into()])
    }

    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.0[..self.0.len().min(MOST)]
    }
}

/// A socket of the dialer's kind, which does not wait.
pub(crate) fn packet_socket() -> OwnedFd {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
    socket.set_nonblocking(true).expect("a socket can be told not to wait");
    socket.into()
}

/// Says so, and forgets what it sent along. The other end may have hung up, or have its queue
/// full: whether it was said.
pub(crate) fn say(to: &OwnedFd, bytes: &[u8], descriptors: &Descriptors) -> bool {
    let owned: Vec<OwnedFd> = descriptors.kinds().iter().map(|kind| kind.open()).collect();
    let borrowed: Vec<_> = owned.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)), "there is room for all");
    }
    sendmsg(to, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).is_ok()
}
