//! Hosts' names, looked up where the user is, else where the engine is.
//!
//! The relay looks them up for itself and follows them, in the backend's network; what is found here
//! is what it falls back to where that network does not know the name, and need not be found. A name
//! out of this machine's own list of hosts nobody else can follow, nor may anybody else's answer take
//! its place.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use assemble_contract::HostName;
use assemble_contract::argv::Question;
use docker_plugin::{bounded, name_service};
use explained::Explained;

use crate::commands::health::{self, answer_limit};
use crate::commands::{Session, observe};
use crate::desired::Ports;
use crate::engine::Engine;
use crate::forward::asked::{Asked, Destination, Known, is_own_address, mapped};
use crate::forward::{Forward, Target};
use crate::health::Answer;
use crate::observed::{Container, Observed, Sidecar, State};

/// How long the system's own resolver may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The forwards, with what is known of every host.
///
/// # Errors
/// A name that nobody knows nor can follow, or that means whoever asks for it.
pub async fn resolve<E: Engine>(session: Session<'_, E>, asked: &[Asked]) -> Result<BTreeSet<Forward>> {
    let is_host = |asked: &Asked| matches!(asked.destination, Destination::Host(_));
    let observed = match asked.iter().any(is_host) {
        true => observe::ours(session.engine, session.user).await?,
        false => Observed::default(),
    };
    // Where nothing can change it, as in a container, it is empty or that container's.
    let hosts = bounded::read_to_string("/etc/hosts").unwrap_or_default();
    let mut forwards = BTreeSet::new();
    for asked in asked {
        let known = match &asked.destination {
            Destination::Host(name) => Some(look_up(session, &observed, &hosts, asked, name).await?),
            Destination::Gateway | Destination::Loopback => None,
        };
        forwards.extend(asked.with(|_| known));
    }
    Ok(forwards)
}

/// What is known of a host.
async fn look_up<E: Engine>(
    session: Session<'_, E>,
    observed: &Observed,
    hosts: &str,
    asked: &Asked,
    name: &str,
) -> Result<Known> {
    let before = sidecar_of(observed, asked, name);
    let as_name = name.parse::<HostName>();
    let addr = match address(session, observed, name).await {
        Ok(addr) => addr,
        // The relay may know it all the same, as the engine's own names before any backend runs;
        // where it does not, the start warns of that at its end.
        Err(error) => {
            let Ok(name) = as_name else { return Err(error) };
            tracing::debug!(%error, "the relay alone looks it up");
            return Ok(Known::Followed(name, before.and_then(|(_, fallback)| fallback)));
        }
    };
    refuse_own(name, addr, asked.ports, asked.outside)?;
    let followed = as_name.ok().filter(|_| !is_listed(hosts, name) || is_of_the_engine(name));
    let Some(name) = followed else { return Ok(Known::Fixed(addr)) };
    match before {
        // No reason to make it anew where it finds the name by itself.
        Some((sidecar, fallback)) if fallback != Some(addr) && finds_it(session.engine, sidecar).await => {
            Ok(Known::Followed(name, fallback))
        }
        _ => Ok(Known::Followed(name, Some(addr))),
    }
}

/// The sidecar that there is for this forward, and what it falls back to.
fn sidecar_of<'a>(
    observed: &'a Observed,
    asked: &Asked,
    wanted: &str,
) -> Option<(&'a Sidecar, Option<IpAddr>)> {
    let sidecar = observed.sidecars.iter().find(|sidecar| sidecar.ports == asked.ports)?;
    match &sidecar.target {
        Some(Target::Name { name, fallback, port })
            if name.as_str() == wanted && *port == asked.outside.first() =>
        {
            Some((sidecar, *fallback))
        }
        _ => None,
    }
}

/// Whether a sidecar has its target's address from the name service of its network.
async fn finds_it<E: Engine>(engine: &E, sidecar: &Sidecar) -> bool {
    sidecar.container.state == State::Running
        && match health::ask(engine, sidecar, Question::Counters, answer_limit(engine, None)).await {
            Answer::Told(report) => report.resolved == Some(true),
            _ => false,
        }
}

/// Whether a name stands in the text of a file of hosts (hosts(5)).
fn is_listed(hosts: &str, name: &str) -> bool {
    let name = name.trim_end_matches('.');
    hosts.lines().any(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace().skip(1);
        words.any(|word| word.eq_ignore_ascii_case(name))
    })
}

/// Whether a name is one that Docker Desktop gives to the computer it runs on, inside and outside
/// of its virtual machine, each time in the words of that side.
fn is_of_the_engine(name: &str) -> bool {
    name.trim_end_matches('.').to_ascii_lowercase().ends_with(".docker.internal")
}

/// A host of `--forward` to which no relay can lead.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "125"]
pub enum NameError {
    /// It is none that the relay could look up, as its last part is a number, for instance, and neither this
    /// machine nor a backend that runs knows it.
    #[error("cannot look up host \"{name}\" of --forward")]
    #[advice = "correct it, or give an address; any other name that is not known here is looked up in the backend's network"]
    Unknown {
        /// The name.
        name: String,
    },
    /// The name is known without one.
    #[error("host \"{name}\" of --forward has no address")]
    #[advice = "give an address"]
    NoAddress {
        /// The name.
        name: String,
    },
    /// The name stands for this machine itself.
    #[error(
        "host \"{name}\" of --forward has the address {address}, which would be the relay's own network; \
         '--allow-host-port {mapped}@loopback' reaches the host's loopback"
    )]
    #[advice = "use that option"]
    Own {
        /// The name.
        name: String,
        /// Its address.
        address: IpAddr,
        /// What `--allow-host-port` is to be given.
        mapped: String,
    },
}

/// An address of a host. A backend that runs knows names that this machine does not: those of the
/// engine's own name service, as Docker Desktop's `host.docker.internal`.
async fn address<E: Engine>(session: Session<'_, E>, observed: &Observed, name: &str) -> Result<IpAddr> {
    let error = match tokio::time::timeout(LIMIT, name_service::lookup(name, 0)).await {
        Ok(Ok(found)) => {
            let found = choose(found.iter().map(SocketAddr::ip));
            return found.ok_or_else(|| NameError::NoAddress { name: name.to_owned() }.into());
        }
        Ok(Err(error)) => error,
        Err(_) => {
            let words = format!("no answer within {} s", LIMIT.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, words)
        }
    };
    let running = observed.backend.as_ref().filter(|backend| backend.state == State::Running);
    let found = match running {
        Some(backend) => ask(session.engine, backend, name).await,
        None => None,
    };
    found.map_or_else(|| Err(error).context(NameError::Unknown { name: name.to_owned() }), Ok)
}

/// What the backend's own name service says; its image may have no program that asks it.
async fn ask<E: Engine>(engine: &E, backend: &Container, name: &str) -> Option<IpAddr> {
    // Not every getent(1) has the one that gives all addresses.
    for database in ["ahosts", "hosts"] {
        let answer = engine.exec(&backend.id, &["getent", database, name]).await.ok()?;
        let output = String::from_utf8_lossy(&answer.output);
        let found = if answer.status == 0 { name_service::addresses(&output) } else { Vec::new() };
        let addr = choose(found.into_iter());
        if addr.is_some() {
            return addr;
        }
    }
    None
}

fn refuse_own(name: &str, addr: IpAddr, ports: Ports, outside: Ports) -> Result<()> {
    if is_own_address(addr) {
        let mapped = mapped(ports, outside);
        return Err(NameError::Own { name: name.to_owned(), address: addr, mapped }.into());
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
    fn names_that_this_machine_alone_lists_are_told_from_others() {
        let hosts =
            "127.0.0.1 localhost\n192.0.2.7\tk3d-registry.Localhost reg # not-this\n# 192.0.2.8 nor-this\n";
        assert!(is_listed(hosts, "k3d-registry.localhost") && is_listed(hosts, "reg."));
        for other in ["not-this", "nor-this", "192.0.2.7", "re", "localhost.lan"] {
            assert!(!is_listed(hosts, other), "{other}");
        }
        assert!(is_of_the_engine("host.docker.internal") && is_of_the_engine("Gateway.Docker.Internal."));
        assert!(!is_of_the_engine("docker.internal.example"));
    }

    #[test]
    fn a_name_of_loopback_is_refused_with_what_reaches_it() {
        let port = |number| Ports::from(assemble_contract::Port::new(number).unwrap());
        let why = |addr: &str, outside| {
            refuse_own("box", addr.parse().unwrap(), port(5000), port(outside)).unwrap_err().to_string()
        };
        assert!(why("127.0.1.1", 5000).contains("'--allow-host-port 5000@loopback'"));
        assert!(why("::1", 5001).contains("'--allow-host-port 5000:5001@loopback'"));
        assert!(refuse_own("box", [192, 0, 2, 7].into(), port(1), port(1)).is_ok());
    }
}
