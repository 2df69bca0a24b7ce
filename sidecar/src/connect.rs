//! One attempt to connect to one address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::time::Duration;

use assemble_contract::Outcome;
use explained::Explained;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};

use crate::sys::{LocalPorts, Socket, choose_port_late};

/// Why an attempt failed.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "log"]
pub enum ConnectError {
    /// The target does not answer.
    #[error("no answer within {seconds} s", seconds = .0.as_secs_f32())]
    #[advice = "is it up? a firewall?"]
    TimedOut(Duration),
    /// The target is a free port of this namespace (self-connect).
    #[error("the connection met itself: nothing listens there")]
    #[advice = "start the service"]
    Loop,
    /// The kernel's reason: refused, unreachable, …
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ConnectError {
    /// The failure in one word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::TimedOut(_) => Outcome::TimedOut,
            Self::Loop => Outcome::Loop,
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

    /// The failure as an errno, for one who hears of it in another process.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::TimedOut(_) => Errno::TIMEDOUT.raw_os_error(),
            Self::Loop => Errno::CONNREFUSED.raw_os_error(),
            Self::Io(error) => error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
        }
    }
}

/// Makes connections, one attempt each.
#[derive(Debug)]
pub struct Connector {
    timeout: Duration,
    /// Which ports of this namespace a connection may come from; none where sockets are another one's.
    ports: Option<LocalPorts>,
    congestion_control: Option<&'static str>,
}

impl Connector {
    /// For this network namespace; an attempt is given up after `timeout`. Sockets send with the
    /// congestion control that is named, else with the namespace's.
    #[must_use]
    pub fn new(timeout: Duration, congestion_control: Option<&'static str>) -> Self {
        Self { timeout, ports: Some(LocalPorts::open()), congestion_control }
    }

    /// For sockets that [another one](Self::socket_from) has made, in whichever namespace.
    #[must_use]
    pub fn elsewhere(timeout: Duration) -> Self {
        Self { timeout, ports: None, congestion_control: None }
    }

    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self, addr: SocketAddr) -> Result<Socket, ConnectError> {
        self.connect_with(self.socket(addr.ip())?.into(), addr, self.timeout).await
    }

    /// A socket that goes to addresses of this one's family.
    fn socket(&self, to: IpAddr) -> io::Result<socket2::Socket> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let domain = if to.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = socket2::Socket::new(domain, kind, Some(Protocol::TCP))?;
        if let Some(name) = self.congestion_control {
            // It was possible at start. Where it is not any more, sending is slower and not wrong.
            let _ = Socket::send_with(socket.as_fd(), name);
        }
        Ok(socket)
    }

    /// A socket whose connections come from this loopback address, for whoever connects it. It has no port before
    /// that.
    ///
    /// # Errors
    /// Those of socket(2) and bind(2).
    pub fn socket_from(&self, source: IpAddr) -> io::Result<OwnedFd> {
        let socket = self.socket(source)?;
        if source.is_ipv6() {
            // The kernel itself lets a packet from ::1 leave by any device (net/ipv6/route.c,
            // `ip6_route_output_flags_noref`). Before Linux 5.7 this takes a privilege, which a dialer has not.
            let _ = socket.bind_device(Some(b"lo"));
        }
        choose_port_late(socket.as_fd())?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        Ok(socket.into())
    }

    /// Connects a fresh socket, within this time.
    ///
    /// Sets a timer only when the target has not answered by the time the runtime has looked for
    /// events once: one on this host has, and a timer costs a system call to arm.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect_with(
        &self,
        socket: OwnedFd,
        addr: SocketAddr,
        limit: Duration,
    ) -> Result<Socket, ConnectError> {
        let mut attempt = pin!(self.attempt(begin(socket, addr)?, addr.port()));
        tokio::select! {
            biased;
            connected = &mut attempt => return connected,
            () = tokio::task::yield_now() => {}
        }
        let in_time = tokio::time::timeout(limit, attempt).await;
        in_time.unwrap_or(Err(ConnectError::TimedOut(self.timeout)))
    }

    async fn attempt(&self, begun: OwnedFd, port: u16) -> Result<Socket, ConnectError> {
        // Not before connect(2): epoll reports an unconnected socket as hung up.
        let mut socket = Socket::dialled(begun)?;
        socket.connected().await?;
        if self.has_met_itself(socket.as_fd(), port) { Err(ConnectError::Loop) } else { Ok(socket) }
    }

    /// A free port of this very host may be given to its own caller (simultaneous open), by whichever of
    /// the host's addresses it was asked for. Few targets have such a port.
    fn has_met_itself(&self, socket: BorrowedFd<'_>, port: u16) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.may_be(port)) && Socket::has_met_itself(socket, port)
    }
}

fn begin(socket: OwnedFd, addr: SocketAddr) -> Result<OwnedFd, ConnectError> {
    Socket::prepare(socket.as_fd())?;
    // Where it fails there is a packet more.
    let _ = Socket::hold_acknowledgement(socket.as_fd());
    match rustix::net::connect(&socket, &addr) {
        Err(error) if error != Errno::INPROGRESS => Err(io::Error::from(error).into()),
        _ => Ok(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_word() {
        let io = |errno: Errno| ConnectError::Io(errno.into());
        let table = [
            (ConnectError::TimedOut(Duration::from_secs(1)), Outcome::TimedOut),
            (ConnectError::Loop, Outcome::Loop),
            (io(Errno::CONNREFUSED), Outcome::Refused),
            (io(Errno::TIMEDOUT), Outcome::TimedOut),
            (io(Errno::HOSTUNREACH), Outcome::Unreachable),
            (io(Errno::NETUNREACH), Outcome::Unreachable),
            (io(Errno::ACCESS), Outcome::Unreachable),
            (io(Errno::MFILE), Outcome::Descriptors),
            (io(Errno::NFILE), Outcome::Descriptors),
        ];
        for (error, outcome) in table {
            assert_eq!(error.outcome(), outcome, "{error}");
        }
    }
}
