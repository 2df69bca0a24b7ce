//! One attempt to connect to one address.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::time::Duration;

use assemble_contract::Outcome;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};

use crate::dialer::DialerError;
use crate::resolve::Unresolved;
use crate::sys::{LocalPorts, Socket};

/// Why a connection to the target was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The client broke its connection meanwhile.
    #[error("the client went away: {0}")]
    ClientGone(io::Error),
    /// The namespace has no gateway now.
    #[error("no default route")]
    NoGateway,
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The connection came back to the very port it started from (self-connect).
    #[error("the connection met itself: nothing listens there")]
    Loop,
    /// The target's name means the port that the relay itself listens on.
    #[error("\"{0}\" is where this relay listens")]
    Itself(SocketAddr),
    /// The target's name has no address.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// The helper that was to connect is not there, refuses, or answers nonsense.
    #[error(transparent)]
    Dialer(#[from] DialerError),
    /// The kernel's reason: refused, unreachable, …
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl DialError {
    /// The failure in one word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::ClientGone(_) => Outcome::ClientGone,
            Self::NoGateway => Outcome::NoGateway,
            Self::TimedOut(_) => Outcome::TimedOut,
            Self::Loop | Self::Itself(_) => Outcome::Loop,
            Self::Unresolved(Unresolved::NoSuchName(_)) => Outcome::NoSuchName,
            Self::Unresolved(Unresolved::NoAnswer { .. }) => Outcome::NameService,
            Self::Dialer(_) => Outcome::Dialer,
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Outcome::Refused,
                io::ErrorKind::TimedOut => Outcome::TimedOut,
                _ if matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE)) => {
                    Outcome::Descriptors
                }
                _ => Outcome::Unreachable,
            },
        }
    }
}

/// Makes connections, one attempt each.
#[derive(Debug)]
pub struct Connector {
    timeout: Duration,
    /// Which ports of this namespace a connection may come from.
    ports: LocalPorts,
    congestion_control: Option<&'static str>,
}

impl Connector {
    /// For this network namespace; an attempt is given up after `timeout`. Sockets send with the
    /// congestion control that is named, else with the namespace's.
    #[must_use]
    pub fn new(timeout: Duration, congestion_control: Option<&'static str>) -> Self {
        Self { timeout, ports: LocalPorts::open(), congestion_control }
    }

    /// Limit on one attempt.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects.
    ///
    /// Sets a timer only when the target has not answered by the time the runtime has looked for
    /// events once: one on this host has, and a timer costs a system call to arm.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self, addr: SocketAddr) -> Result<Socket, DialError> {
        let mut attempt = pin!(self.attempt(addr));
        tokio::select! {
            biased;
            connected = &mut attempt => return connected,
            () = tokio::task::yield_now() => {}
        }
        let in_time = tokio::time::timeout(self.timeout, attempt).await;
        in_time.unwrap_or(Err(DialError::TimedOut(self.timeout)))
    }

    async fn attempt(&self, addr: SocketAddr) -> Result<Socket, DialError> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = socket2::Socket::new(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
        Socket::prepare(socket.as_fd())?;
        if let Some(name) = self.congestion_control {
            // It was possible at start. Where it is not any more, sending is slower and not wrong.
            let _ = Socket::send_with(socket.as_fd(), name);
        }
        // Where it fails there is a packet more.
        let _ = Socket::hold_acknowledgement(socket.as_fd());
        match socket.connect(&addr.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error.into());
            }
            _ => {}
        }
        // Not before connect(2): epoll reports an unconnected socket as hung up.
        let mut socket = Socket::dialled(socket.into())?;
        socket.connected().await?;
        // A free port of this very host may be given to its own caller (simultaneous open), by
        // whichever of the host's addresses it was asked for. Few targets have such a port.
        if self.ports.may_be(addr.port()) {
            let local = socket.local_addr()?;
            if local.port() == addr.port() && socket.peer_addr().is_ok_and(|peer| peer == local) {
                return Err(DialError::Loop);
            }
        }
        Ok(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_word() {
        let name = || "db".parse().unwrap();
        let io = |errno: Errno| DialError::Io(errno.into());
        let table = [
            (DialError::ClientGone(Errno::CONNRESET.into()), "client_gone"),
            (DialError::NoGateway, "no_gateway"),
            (DialError::TimedOut(Duration::from_secs(1)), "timed_out"),
            (DialError::Loop, "loop"),
            (DialError::Itself(([127, 0, 0, 1], 1).into()), "loop"),
            (Unresolved::NoSuchName(name()).into(), "no_such_name"),
            (Unresolved::NoAnswer { name: name(), why: String::new() }.into(), "name_service"),
            (DialError::Dialer(DialerError::Nonsense), "dialer"),
            (io(Errno::CONNREFUSED), "refused"),
            (io(Errno::TIMEDOUT), "timed_out"),
            (io(Errno::HOSTUNREACH), "unreachable"),
            (io(Errno::NETUNREACH), "unreachable"),
            (io(Errno::ACCESS), "unreachable"),
            (io(Errno::MFILE), "descriptors"),
            (io(Errno::NFILE), "descriptors"),
        ];
        for (error, word) in table {
            assert_eq!(error.outcome().word(), word, "{error}");
        }
    }
}
