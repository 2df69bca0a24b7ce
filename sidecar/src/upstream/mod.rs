//! The target: its address now, and connections to it.

mod gateway;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};

use crate::config::{Config, Target, TargetHost};
use crate::sys::{Keepalive, Socket};
use gateway::Gateways;

/// Why there is nothing to forward to.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The namespace has no default route.
    #[error("no default route in this network namespace: no gateway to forward port {port} to")]
    NoGateway {
        /// The port that was to be forwarded.
        port: u16,
    },
    /// The routing tables cannot be read.
    #[error("cannot read the routing tables: no gateway to forward port {port} to")]
    Routes {
        /// The port that was to be forwarded.
        port: u16,
        /// The reason.
        source: io::Error,
    },
    /// The relay would be its own client.
    #[error("port {port} would be forwarded to itself: \"{target}\" is where this relay listens")]
    Itself {
        /// The port.
        port: u16,
        /// The target as it was given.
        target: Target,
    },
    /// All interfaces but loopback are gone: the container whose namespace this was has ended.
    #[error("the network namespace has lost its interfaces: port {port} leads nowhere")]
    NamespaceGone {
        /// The port.
        port: u16,
    },
}

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
    /// The kernel's reason: refused, unreachable, …
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A namespace without interfaces for this long has lost them for good; one that is moved
/// between networks has new ones by then.
const GONE_FOR_GOOD: Duration = Duration::from_secs(1);

/// A target and how to reach it.
#[derive(Debug)]
pub struct Upstream {
    port: u16,
    target: Target,
    timeout: Duration,
    keepalive: Keepalive,
    /// Watched unless the target is on loopback, which never goes away.
    gateways: Option<Gateways>,
    addrs: RwLock<Arc<[SocketAddr]>>,
}

impl Upstream {
    /// Finds out where the target is.
    ///
    /// # Errors
    /// There is no gateway, or the target is the relay itself.
    pub fn new(config: &Config) -> Result<Self, UpstreamError> {
        let Config { port, target, .. } = *config;
        let (gateways, addrs) = match target.host {
            TargetHost::Gateway => {
                let found = || {
                    let gateways = Gateways::open()?;
                    let addrs = gateways.addrs(target.port)?;
                    Ok((Some(gateways), addrs))
                };
                found().map_err(|source| UpstreamError::Routes { port, source })?
            }
            TargetHost::Address(ip) if is_here(ip) && target.port == port => {
                return Err(UpstreamError::Itself { port, target });
            }
            TargetHost::Address(ip) => {
                let watched = if is_here(ip) { None } else { Gateways::open().ok() };
                (watched, [SocketAddr::new(ip, target.port)].into())
            }
        };
        if addrs.is_empty() && !config.wait_for_gateway {
            return Err(UpstreamError::NoGateway { port });
        }
        Ok(Self {
            port,
            target,
            timeout: config.connect_timeout,
            keepalive: config.keepalive,
            gateways,
            addrs: RwLock::new(addrs),
        })
    }

    /// The port connections go to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.target.port
    }

    /// The addresses new connections go to, tried in this order.
    #[must_use]
    pub fn addrs(&self) -> Arc<[SocketAddr]> {
        self.addrs.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Connects to the target for `client`.
    ///
    /// A client that resets meanwhile cancels the attempt; one that has merely ended its stream
    /// does not, since it may well wait for an answer.
    ///
    /// # Errors
    /// Why there is no connection; of several addresses, the last one's reason.
    pub async fn dial(&self, client: &Socket) -> Result<Socket, DialError> {
        tokio::select! {
            biased;
            dialled = self.connect() => dialled,
            () = client.broken() => Err(DialError::ClientGone(client.take_error())),
        }
    }

    async fn connect(&self) -> Result<Socket, DialError> {
        let mut failure = DialError::NoGateway;
        for &addr in &*self.addrs() {
            match self.connect_in_time(addr).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Sets the timer only when the target has not answered by the time the runtime has looked
    /// for events once: one on this host has, and a timer costs a system call to arm.
    async fn connect_in_time(&self, addr: SocketAddr) -> Result<Socket, DialError> {
        let mut connecting = pin!(self.connect_to(addr));
        tokio::select! {
            biased;
            connected = &mut connecting => return connected,
            () = tokio::task::yield_now() => {}
        }
        let in_time = tokio::time::timeout(self.timeout, connecting).await;
        in_time.unwrap_or(Err(DialError::TimedOut(self.timeout)))
    }

    async fn connect_to(&self, addr: SocketAddr) -> Result<Socket, DialError> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = socket2::Socket::new(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
        Socket::tune(socket.as_fd(), self.keepalive)?;
        match socket.connect(&addr.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error.into());
            }
            _ => {}
        }
        // Not before connect(2): epoll reports an unconnected socket as hung up.
        let mut socket = Socket::new(socket.into())?;
        socket.connected().await?;
        // A free port of this very host may be given to its own caller (simultaneous open), by
        // whichever of the host's addresses it was asked for.
        let local = socket.local_addr()?;
        if local.port() == addr.port() && socket.peer_addr().is_ok_and(|peer| peer == local) {
            return Err(DialError::Loop);
        }
        Ok(socket)
    }

    /// Keeps the gateway's address up to date for as long as it is polled.
    ///
    /// Without a gateway new connections are reset, and served again once there is one.
    ///
    /// Resolves when the namespace has no interface but loopback any more: a container that is
    /// restarted gets a new namespace, and whoever stays behind in the old one is of no use.
    pub async fn watch(&self) -> UpstreamError {
        let Some(gateways) = &self.gateways else { return std::future::pending().await };
        loop {
            gateways.changed().await;
            if self.target.host == TargetHost::Gateway {
                match gateways.addrs(self.target.port) {
                    Ok(addrs) => self.moved(addrs),
                    Err(error) => tracing::warn!(%error, "cannot read the routing tables"),
                }
            }
            if gateways.gone() {
                tokio::time::sleep(GONE_FOR_GOOD).await;
                if gateways.gone() {
                    return UpstreamError::NamespaceGone { port: self.port };
                }
            }
        }
    }

    fn moved(&self, addrs: Arc<[SocketAddr]>) {
        let mut known = self.addrs.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *known != addrs {
            tracing::info!(from = ?*known, to = ?addrs, "the gateway has changed");
            *known = addrs;
        }
    }
}

/// Whether a connection to `ip` comes to this namespace's loopback, where the relay listens.
fn is_here(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    // connect(2) takes the unspecified address for loopback (net/ipv4/route.c,
    // `ip_route_output_key_hash_rcu`).
    ip.is_loopback() || ip.is_unspecified()
}
