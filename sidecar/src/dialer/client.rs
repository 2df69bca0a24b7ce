//! The side that asks: a relay, or a health probe.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use assemble_contract::answer::TIMEOUT;
use explained::Explained;

use super::{Malformed, Reply, Request};
use crate::connect::ConnectError;
use crate::sys::{Control, Impostor, PacketSocket, Socket, verify_loopback};

/// Why there is no connection from a dialer.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "log"]
pub enum DialerError {
    /// The dialer has ended, or may not be asked.
    #[error("no dialer at \"{path}\": {cause}", path = .path.display())]
    #[advice = "start it, look at `--peer-uid`"]
    #[status = "log, and 1 from `health`"]
    Absent {
        /// Where it should listen.
        path: PathBuf,
        /// The kernel's reason, part of the message already.
        cause: io::Error,
    },
    /// It is not in its `--allow`.
    #[error("the dialer does not allow port \"{port}\"", port = .0)]
    #[advice = "add it"]
    NotAllowed(u16),
    /// Something else listens at its socket.
    #[error("the dialer answered nonsense")]
    #[advice = "look who does"]
    #[status = "log, and 1 from `health`"]
    Nonsense,
    /// Its attempt to connect failed, or took too long.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Something else listens at its socket.
    #[error("the dialer handed over something else than a connection to port \"{port}\": {cause}")]
    #[advice = "look who does"]
    Impostor {
        port: u16,
        /// What it is instead, part of the message already.
        cause: Impostor,
    },
}

/// A dialer somewhere, known by the path of its socket.
///
/// Each request connects anew: a dialer that was restarted is found again, and one that is gone
/// is noticed at once.
#[derive(Debug)]
pub struct DialClient {
    path: PathBuf,
}

impl DialClient {
    /// Knows the path; nothing is asked yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has a connection made to `port` of the dialer's loopback. Dropping this cancels it there
    /// as well.
    ///
    /// # Errors
    /// The dialer does not help, its connect(2) fails, or there is no answer within `timeout`.
    pub async fn dial(&self, port: u16, timeout: Duration) -> Result<Socket, DialerError> {
        let answered = tokio::time::timeout(timeout, ask(&self.path, Request::Dial(port))).await;
        let (reply, descriptors) = answered.map_err(|_| ConnectError::TimedOut(timeout))??;
        let mut descriptors = descriptors.into_iter();
        let fd = match (reply, descriptors.next(), descriptors.next()) {
            (Reply::Connected, Some(fd), None) => fd,
            (Reply::Failed(errno), None, _) => {
                return Err(ConnectError::Io(io::Error::from_raw_os_error(errno)).into());
            }
            (Reply::NotAllowed, None, _) => return Err(DialerError::NotAllowed(port)),
            _ => return Err(DialerError::Nonsense),
        };
        verify_loopback(&fd, port).map_err(|cause| DialerError::Impostor { port, cause })?;
        let prepared = Socket::prepare(fd.as_fd()).and_then(|()| Socket::dialled(fd));
        Ok(prepared.map_err(ConnectError::Io)?)
    }
}

async fn ask(path: &Path, request: Request) -> Result<(Reply, Vec<OwnedFd>), DialerError> {
    let absent = |cause| DialerError::Absent { path: path.to_owned(), cause };
    let socket = connect(path).await.map_err(absent)?;
    socket.send(&request.encode(), None).map_err(absent)?;
    // One byte more than an answer has, or a longer packet would pass for one.
    let mut buf = [0; Reply::BYTES + 1];
    let packet = poll_fn(|cx| {
        socket.poll_recv(cx, &mut buf, Control::One).map_ok(|packet| {
            (Reply::decode(packet.bytes), packet.bytes.is_empty(), packet.descriptors, packet.descriptors_cut)
        })
    });
    match packet.await.map_err(absent)? {
        (_, true, ..) => Err(absent(io::ErrorKind::UnexpectedEof.into())),
        (Ok(reply), _, descriptors, false) => Ok((reply, descriptors)),
        (Ok(_), _, _, true) | (Err(Malformed), ..) => Err(DialerError::Nonsense),
    }
}

/// Connects, waiting while the dialer's queue is full: the kernel has no event for that.
async fn connect(path: &Path) -> io::Result<PacketSocket> {
    let mut pause = Duration::from_millis(1);
    loop {
        match PacketSocket::connect(path) {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(64));
            }
            connected => return connected,
        }
    }
}

/// Asks the dialer at `path` whether it serves. Needs a runtime.
///
/// # Errors
/// Nobody answers, or nonsense.
pub async fn probe(path: &Path) -> io::Result<()> {
    match tokio::time::timeout(TIMEOUT, ask(path, Request::Health)).await? {
        Ok((Reply::Healthy, descriptors)) if descriptors.is_empty() => Ok(()),
        Ok(_) => Err(io::Error::other(DialerError::Nonsense)),
        Err(error) => Err(io::Error::other(error)),
    }
}
