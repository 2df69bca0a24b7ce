//! The listeners, whose queues are served in turn.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use super::error::ServerError;
use crate::config::Config;
use crate::service::Service;
use crate::sys::{Bound, Listener, ListenerError, Listeners, PassedError};
use crate::warning::Warning;

/// A connection, and which of the services it is one of.
type Taken<T = (OwnedFd, SocketAddr)> = (u16, T);

/// All that is listened on.
#[derive(Debug)]
pub(super) enum Listening {
    /// One port: the listener of each family.
    Port(Vec<Listener>),
    /// Several: all listeners of a family, then those of the other one.
    Range(Listeners),
}

/// Listens on what was passed, else on 127.0.0.1 and ::1, for all services.
pub(super) fn listen(
    config: &Config,
    passed: Vec<TcpListener>,
    congestion_control: Option<&str>,
    services: &mut [Service],
) -> Result<(Listening, Vec<IpAddr>), ServerError> {
    let (bound, addresses) = match passed[..] {
        [] => bind(config, congestion_control, services)?,
        _ => adopt(config, passed, congestion_control, services)?,
    };
    let listening = match services {
        [_] => Listening::Port(bound.into_iter().map(Listener::new).collect::<Result<_, _>>()?),
        _ => Listening::Range(Listeners::new(bound)?),
    };
    Ok((listening, addresses))
}

/// Takes over listeners: for each address, those of all services.
fn adopt(
    config: &Config,
    passed: Vec<TcpListener>,
    congestion_control: Option<&str>,
    services: &[Service],
) -> Result<(Vec<Bound>, Vec<IpAddr>), ServerError> {
    let adopt = |listener| Bound::adopt(listener, config.keepalive, congestion_control);
    let mut bound = passed.into_iter().map(adopt).collect::<Result<Vec<_>, _>>()?;
    bound.sort_by_key(Bound::addr);
    let mut addresses = Vec::new();
    for of_one in bound.chunks(services.len()) {
        let ip = of_one[0].addr().ip();
        let wanted = services.iter().map(|service| SocketAddr::new(ip, service.port));
        if !of_one.iter().map(Bound::addr).eq(wanted) {
            return Err(PassedError::Ports.into());
        }
        addresses.push(ip);
    }
    Ok((bound, addresses))
}

/// Takes 127.0.0.1 and ::1 for all services, which learn their port where the kernel chooses it.
/// All ports are taken before any is listened on: nobody is accepted by a relay that cannot start.
fn bind(
    config: &Config,
    congestion_control: Option<&str>,
    services: &mut [Service],
) -> Result<(Vec<Bound>, Vec<IpAddr>), ListenerError> {
    let bind_all = |ip: IpAddr, services: &[Service]| {
        let bind = |service: &Service| {
            Bound::new(SocketAddr::new(ip, service.port), config.keepalive, congestion_control)
        };
        services.iter().map(bind).collect::<Result<Vec<_>, _>>()
    };
    let (ipv4, ipv6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    let mut bound = bind_all(ipv4, services)?;
    // With port 0 the kernel has chosen one; both families get the same.
    for (service, bound) in services.iter_mut().zip(&bound) {
        service.port = bound.addr().port();
    }
    let mut families = vec![ipv4];
    match bind_all(ipv6, services) {
        Ok(more) => {
            bound.extend(more);
            families.push(ipv6);
        }
        Err(error) if error.family_missing() => {
            let known = Service::ports(services);
            known.into_iter().for_each(|port| tracing::warn!("{}", Warning::NoIpv6 { port }));
        }
        Err(error) => return Err(error),
    }
    Ok((bound, families))
}

/// All queues, and whose turn it is.
///
/// Whoever was served comes last the next time, so a queue that is never empty, as that of one
/// address under a flood, does not keep the other ones waiting.
pub(super) enum Queues<'a> {
    Port { listeners: &'a [Listener], turn: usize },
    Range { listeners: &'a Listeners, services: u16, ready: Vec<u16> },
}

impl<'a> Queues<'a> {
    pub(super) fn new(listening: &'a Listening, services: u16) -> Self {
        match listening {
            Listening::Port(listeners) => Self::Port { listeners, turn: 0 },
            Listening::Range(listeners) => Self::Range { listeners, services, ready: Vec::new() },
        }
    }

    /// The next connection of any queue.
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Taken<io::Result<(OwnedFd, SocketAddr)>>> {
        match self {
            Self::Port { listeners, turn } => {
                let accepted = in_turn(listeners, turn, |listener| match listener.poll_accept(cx) {
                    Poll::Ready(accepted) => Some(accepted),
                    Poll::Pending => None,
                });
                accepted.map_or(Poll::Pending, |accepted| Poll::Ready((0, accepted)))
            }
            Self::Range { listeners, services, ready } => loop {
                if let Some(found) = next_of(listeners, *services, ready) {
                    return Poll::Ready(found);
                }
                if let Err(error) = ready!(listeners.poll_ready(cx, ready)) {
                    return Poll::Ready((0, Err(error)));
                }
            },
        }
    }

    /// The next connection that waits in a queue, if there is one that can be taken.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let (service, accepted) = match self {
            Self::Port { listeners, turn } => {
                (0, in_turn(listeners, turn, |listener| listener.accept().ok().map(Ok))?)
            }
            Self::Range { listeners, services, ready } => loop {
                if let Some(found) = next_of(listeners, *services, ready) {
                    break found;
                }
                if !listeners.look(ready).ok()? {
                    return None;
                }
            },
        };
        Some((service, accepted.ok()?))
    }
}

/// Asks one listener after the other, until one has something.
fn in_turn<T>(
    listeners: &[Listener],
    turn: &mut usize,
    mut ask: impl FnMut(&Listener) -> Option<T>,
) -> Option<T> {
    let count = listeners.len();
    for at in (*turn..*turn + count).map(|at| at % count) {
        if let Some(found) = ask(&listeners[at]) {
            *turn = at + 1;
            return Some(found);
        }
    }
    None
}

/// What comes of the queues that have something; nothing once each of them was served.
fn next_of(
    listeners: &Listeners,
    services: u16,
    ready: &mut Vec<u16>,
) -> Option<Taken<io::Result<(OwnedFd, SocketAddr)>>> {
    while let Some(place) = ready.pop() {
        let service = place % services;
        match listeners.accept(place) {
            // Whoever waited has gone; a queue that was not looked at is told again.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            accepted => return Some((service, accepted)),
        }
    }
    None
}
