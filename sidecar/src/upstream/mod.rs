//! The target: its address now, and connections to it.

mod error;
mod gateway;
mod keepalive;
mod known;
mod named;
mod owner;
mod race;
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, RwLock};

use assemble_contract::{Port, Ports, Target, TargetHost};

use crate::config::Config;
use crate::connect::Connector;
use crate::dialer::DialClient;
use crate::sys::Socket;
use gateway::Gateways;
use keepalive::LateKeepalive;
use named::Named;
use owner::Owner;
use race::race;

pub use error::{DialError, UpstreamError};

/// A target and how to reach it, at whichever of its ports.
#[derive(Debug)]
pub struct Upstream {
    /// Those that the relay listens on.
    ports: Ports,
    /// Whether that is not so, and the kernel chooses another one.
    any_port: bool,
    /// That of the first port.
    target: Target,
    connector: Connector,
    keepalive: LateKeepalive,
    /// Watched unless the target is on loopback, which never goes away.
    gateways: Option<Gateways>,
    /// Each with the first of the target's ports, as all addresses are that are kept.
    addrs: RwLock<Arc<[SocketAddr]>>,
    /// The target's name, if it has one, in place of the addresses.
    named: Option<Arc<Named>>,
    /// Who gives sockets that reach the target, where this namespace's do not.
    dialer: Option<DialClient>,
    owner: Option<Owner>,
}

impl Upstream {
    /// Finds out where the target is. On link, that is on this host or its gateway, sockets send to it
    /// with the congestion control that is named, else with the namespace's.
    ///
    /// # Errors
    /// There is no gateway, or the target is the relay itself.
    pub fn new(config: &Config, on_link: Option<&'static str>) -> Result<Self, UpstreamError> {
        let (target, port) = (config.mapping.target(), config.mapping.ports());
        if (target.host == TargetHost::Loopback) != config.dialer.is_some() {
            return Err(UpstreamError::Dialer { target: target.clone() });
        }
        if config.fallback.is_some() && !matches!(target.host, TargetHost::Name(_)) {
            return Err(UpstreamError::Fallback { target: target.clone() });
        }
        let here = match target.host {
            TargetHost::Address(ip) => is_here(ip),
            TargetHost::Name(ref name) => name.is_localhost(),
            TargetHost::Gateway | TargetHost::Loopback => false,
        };
        let itself = config.mapping.outside().iter().find(|outside| port.contains(*outside));
        if let Some(outside) = itself.filter(|_| here && !config.any_port) {
            return Err(UpstreamError::Itself { port, target: Target { port: outside, ..target } });
        }
        let mut named = None;
        let (gateways, addrs) = match target.host {
            // Watched only for the end of the namespace.
            TargetHost::Loopback => (
                Gateways::open().ok(),
                [SocketAddr::new(Ipv4Addr::LOCALHOST.into(), target.port.get())].into(),
            ),
            TargetHost::Gateway => {
                let found = || {
                    let gateways = Gateways::open()?;
                    let addrs = gateways.addrs(target.port.get())?;
                    Ok((Some(gateways), addrs))
                };
                found().map_err(|source| UpstreamError::Routes { port, source })?
            }
            TargetHost::Name(ref name) => {
                let opened = Named::open(name.clone(), target.port.get(), config.fallback);
                let unreadable = |source| UpstreamError::Names { target: target.clone(), source };
                named = Some(opened.map_err(unreadable)?);
                (Gateways::open().ok(), Arc::default())
            }
            TargetHost::Address(ip) => {
                let watched = if is_here(ip) { None } else { Gateways::open().ok() };
                (watched, [SocketAddr::new(ip, target.port.get())].into())
            }
        };
        if addrs.is_empty() && named.is_none() && !config.wait_for_gateway {
            return Err(UpstreamError::NoGateway { port });
        }
        Ok(Self {
            ports: port,
            any_port: config.any_port,
            connector: match target.host {
                TargetHost::Loopback => Connector::elsewhere(config.connect_timeout),
                _ => Connector::new(config.connect_timeout, on_link.filter(|_| is_on_link(&target.host))),
            },
            target,
            named,
            keepalive: LateKeepalive::new(config.keepalive),
            gateways,
            addrs: RwLock::new(addrs),
            dialer: config.dialer.as_deref().map(DialClient::new),
            owner: config.owner_socket.clone().map(Owner::open),
        })
    }

    /// Where connections to the first port go, as it was asked for.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The socket of the dialer that reaches the target, if one does.
    #[must_use]
    pub fn dialer(&self) -> Option<&Path> {
        self.dialer.as_ref().map(DialClient::path)
    }

    /// The addresses new connections to a port of the target go to, tried in this order; those of a name
    /// as it was looked up last.
    #[must_use]
    pub fn addrs_at(&self, port: u16) -> Vec<SocketAddr> {
        self.addrs().iter().map(|addr| at(*addr, port)).collect()
    }

    /// The same for the first of its ports.
    #[must_use]
    pub fn addrs(&self) -> Arc<[SocketAddr]> {
        if let Some(named) = &self.named {
            return named.now().0;
        }
        self.addrs.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Whether the addresses are what the name service says, where the target has a name.
    #[must_use]
    pub fn resolved(&self) -> Option<bool> {
        self.named.as_ref().map(|named| named.now().1)
    }

    /// The address that serves where nobody here knows the target's name; none once somebody did,
    /// since the name alone counts then.
    #[must_use]
    pub fn fallback(&self) -> Option<IpAddr> {
        self.named.as_ref()?.fallback()
    }

    /// Looks the target's name up, if it has one, so that the first connection need not wait for
    /// it. Needs a runtime, on which it goes on.
    pub fn look_up(&self) {
        if let Some(named) = self.named.clone() {
            tokio::spawn(async move { drop(named.addrs().await) });
        }
    }

    /// Connects to a port of the target for `client`.
    ///
    /// A client that resets meanwhile cancels the attempt; one that has merely ended its stream
    /// does not, since it may well wait for an answer.
    ///
    /// # Errors
    /// Why there is no connection; of several addresses, the last one's reason.
    pub async fn dial(&self, port: u16, client: &Socket) -> Result<Arc<Socket>, DialError> {
        let dialled = tokio::select! {
            biased;
            dialled = self.connect(port) => dialled?,
            () = client.broken() => return Err(DialError::ClientGone(client.take_error())),
        };
        let dialled = Arc::new(dialled);
        self.keepalive.add(&dialled);
        Ok(dialled)
    }

    /// Connects to a port of the target for nobody in particular.
    ///
    /// # Errors
    /// As for [`Self::dial`].
    pub async fn connect(&self, port: u16) -> Result<Socket, DialError> {
        if let Some(dialer) = &self.dialer {
            return Ok(dialer.dial(port, &self.connector).await?);
        }
        if let Some(named) = &self.named {
            return self.connect_by_name(named, port).await;
        }
        let mut failure = DialError::NoGateway;
        for &addr in &*self.addrs() {
            match self.connector.connect(at(addr, port)).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    /// Connects to an address of the name; asked again where it may have moved meanwhile.
    async fn connect_by_name(&self, named: &Arc<Named>, port: u16) -> Result<Socket, DialError> {
        let limit = self.connector.timeout();
        let unanswered = |_| named.unanswered(limit);
        let addrs = tokio::time::timeout(limit, named.addrs()).await.map_err(unanswered)??;
        let failure = match self.connect_to_one(named, &addrs, port).await {
            Ok(socket) => return Ok(socket),
            Err(failure) => failure,
        };
        match tokio::time::timeout(limit, named.instead(&addrs)).await {
            Ok(Some(addrs)) => self.connect_to_one(named, &addrs, port).await,
            Ok(None) | Err(_) => Err(failure),
        }
    }

    async fn connect_to_one(
        &self,
        named: &Named,
        addrs: &[SocketAddr],
        port: u16,
    ) -> Result<Socket, DialError> {
        let connect = |addr: SocketAddr| async move {
            let addr = at(addr, port);
            // Its own client would be served without end.
            if is_here(addr.ip()) && self.listens_on(port) {
                return Err(DialError::Itself(addr));
            }
            Ok(self.connector.connect(addr).await?)
        };
        let (addr, socket) = race(addrs, connect).await?;
        named.reached(addr);
        Ok(socket)
    }

    fn listens_on(&self, port: u16) -> bool {
        !self.any_port && Port::new(port).is_some_and(|port| self.ports.contains(port))
    }
}

/// The same address with another port.
fn at(mut addr: SocketAddr, port: u16) -> SocketAddr {
    addr.set_port(port);
    addr
}

/// Whether the target is known to be on this host's loopback or its gateway.
fn is_on_link(host: &TargetHost) -> bool {
    match host {
        TargetHost::Gateway => true,
        TargetHost::Address(ip) => is_here(*ip),
        TargetHost::Name(_) | TargetHost::Loopback => false,
    }
}

/// Whether a connection to `ip` comes to this namespace's loopback, where the relay listens.
fn is_here(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    // connect(2) takes the unspecified address for loopback (net/ipv4/route.c,
    // `ip_route_output_key_hash_rcu`).
    ip.is_loopback() || ip.is_unspecified()
}
