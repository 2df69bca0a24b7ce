//! Hosts' names, looked up where the user is, else where the engine is.
//!
//! The relay cannot do it: it is static, has no files and no way to a name server.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::commands::{Session, observe};
use crate::desired::HostPort;
use crate::engine::Engine;
use crate::forward::Forward;
use crate::forward::asked::{Asked, Place, is_own_address};
use crate::observed::{Container, State};

/// How long the system's own resolver may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The forwards, with an address for every host.
///
/// # Errors
/// A name that nobody knows, or that means whoever asks for it.
pub async fn resolve<E: Engine>(session: Session<'_, E>, asked: &[Asked]) -> Result<BTreeSet<Forward>> {
    session.unless_cancelled(look_up_all(session, asked)).await
}

async fn look_up_all<E: Engine>(session: Session<'_, E>, asked: &[Asked]) -> Result<BTreeSet<Forward>> {
    let mut forwards = BTreeSet::new();
    for asked in asked {
        let addr = match &asked.place {
            Place::Host(name) => {
                let addr = look_up(session, name).await?;
                refuse_own(name, addr, asked.port, asked.outside)?;
                Some(addr)
            }
            Place::Gateway | Place::Loopback => None,
        };
        forwards.extend(asked.with(|_| addr));
    }
    Ok(forwards)
}

/// An address of a host. A backend that runs knows names that this machine does not: those of the
/// engine's own name service, as Docker Desktop's `host.docker.internal`.
async fn look_up<E: Engine>(session: Session<'_, E>, name: &str) -> Result<IpAddr> {
    let error = match tokio::time::timeout(LIMIT, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(found)) => {
            let found = choose(found.map(|address| address.ip()));
            return found.ok_or_else(|| anyhow!("host \"{name}\" of --forward has no address"));
        }
        Ok(Err(error)) => error,
        Err(_) => {
            let words = format!("no answer within {} s", LIMIT.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, words)
        }
    };
    let observed = observe::ours(session.engine, session.user).await?;
    match observed.backend.filter(|backend| backend.state == State::Running) {
        None => Err(error).with_context(|| {
            format!(
                "cannot look up host \"{name}\" of --forward here, and no backend runs that could be asked"
            )
        }),
        Some(backend) => match ask(session.engine, &backend, name).await {
            Some(addr) => Ok(addr),
            None => Err(error).with_context(|| format!("cannot look up host \"{name}\" of --forward")),
        },
    }
}

/// What the backend's own name service says; its image may have no program that asks it.
async fn ask<E: Engine>(engine: &E, backend: &Container, name: &str) -> Option<IpAddr> {
    // Not every getent(1) has the one that gives all addresses.
    for database in ["ahosts", "hosts"] {
        let answer = engine.exec(&backend.id, &["getent", database, name]).await.ok()?;
        let addr = if answer.status == 0 { hosts(&String::from_utf8_lossy(&answer.output)) } else { None };
        if addr.is_some() {
            return addr;
        }
    }
    None
}

/// Reads lines that begin with an address.
fn hosts(text: &str) -> Option<IpAddr> {
    choose(text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()))
}

fn refuse_own(name: &str, addr: IpAddr, port: HostPort, outside: HostPort) -> Result<()> {
    if is_own_address(addr) {
        let mapped = if port == outside { port.to_string() } else { format!("{port}:{outside}") };
        bail!(
            "host \"{name}\" of --forward has the address {addr}, which would be the relay's own network; \
             '--allow-host-port {mapped}@loopback' reaches the host's loopback"
        );
    }
    Ok(())
}

/// One of several addresses, the same whatever order they come in, or every start would replace
/// the sidecar. IPv4 comes first: the engine's bridges have no IPv6 unless told.
fn choose(found: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    found.map(|addr| addr.to_canonical()).min_by_key(|addr| (addr.is_ipv6(), *addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_does_not_depend_on_the_order() {
        let addresses: [IpAddr; 3] =
            ["2001:db8::1", "192.0.2.9", "192.0.2.7"].map(|text| text.parse().unwrap());
        assert_eq!(choose(addresses.into_iter()), Some([192, 0, 2, 7].into()));
        assert_eq!(choose(addresses.into_iter().rev()), Some([192, 0, 2, 7].into()));
        assert_eq!(choose(addresses.into_iter().take(1)), "2001:db8::1".parse().ok());
        assert_eq!(choose(std::iter::empty()), None);
    }

    #[test]
    fn what_a_backend_says_of_a_host_is_read() {
        let text = "fd00::2         STREAM host.docker.internal\n192.0.2.9       STREAM\n192.0.2.7 DGRAM\n";
        assert_eq!(hosts(text), Some([192, 0, 2, 7].into()));
        assert_eq!(hosts("192.0.2.254       host.docker.internal\n"), Some([192, 0, 2, 254].into()));
        assert_eq!(hosts("OCI runtime exec failed: getent: not found\n\n"), None);
    }

    #[test]
    fn a_name_of_loopback_is_refused_with_what_reaches_it() {
        let port = |number| HostPort::new(number).unwrap();
        let why = |addr: &str, outside| {
            refuse_own("box", addr.parse().unwrap(), port(5000), port(outside)).unwrap_err().to_string()
        };
        assert!(why("127.0.1.1", 5000).contains("'--allow-host-port 5000@loopback'"));
        assert!(why("::1", 5001).contains("'--allow-host-port 5000:5001@loopback'"));
        assert!(refuse_own("box", [192, 0, 2, 7].into(), port(1), port(1)).is_ok());
    }
}
