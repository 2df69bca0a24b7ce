//! Hosts' names, looked up where the user is.
//!
//! The relay cannot do it: it is static, has no files and no way to a name server.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, anyhow, bail};

use crate::desired::HostPort;
use crate::forward::Forward;
use crate::forward::asked::{Asked, Place, is_own_address};

/// The forwards, with an address for every host.
///
/// # Errors
/// A name that nobody knows, or that means whoever asks for it.
pub async fn resolve(asked: &[Asked]) -> Result<BTreeSet<Forward>> {
    let mut forwards = BTreeSet::new();
    for asked in asked {
        let addr = match &asked.place {
            Place::Host(name) => Some(look_up(name, asked.port, asked.outside).await?),
            Place::Gateway | Place::Loopback => None,
        };
        forwards.extend(asked.with(|_| addr));
    }
    Ok(forwards)
}

async fn look_up(name: &str, port: HostPort, outside: HostPort) -> Result<IpAddr> {
    let found = tokio::net::lookup_host((name, outside.get())).await;
    let found = found.with_context(|| format!("cannot look up host \"{name}\" of --forward"))?;
    let addr = choose(found).ok_or_else(|| anyhow!("host \"{name}\" of --forward has no address"))?;
    if is_own_address(addr) {
        bail!(
            "host \"{name}\" of --forward has the address {addr}, which would be the relay's own network; \
             '--allow-host-port {port}:{outside}@loopback' reaches the host's loopback"
        );
    }
    Ok(addr)
}

/// One of several addresses, the same whatever order they come in, or every start would replace
/// the sidecar. IPv4 comes first: the engine's bridges have no IPv6 unless told.
fn choose(found: impl Iterator<Item = SocketAddr>) -> Option<IpAddr> {
    found.map(|address| address.ip().to_canonical()).min_by_key(|addr| (addr.is_ipv6(), *addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_does_not_depend_on_the_order() {
        let addresses = ["[2001:db8::1]:1", "192.0.2.9:1", "192.0.2.7:1"].map(|text| text.parse().unwrap());
        assert_eq!(choose(addresses.into_iter()), Some([192, 0, 2, 7].into()));
        assert_eq!(choose(addresses.into_iter().rev()), Some([192, 0, 2, 7].into()));
        assert_eq!(choose(addresses.into_iter().take(1)), "2001:db8::1".parse().ok());
        assert_eq!(choose(std::iter::empty()), None);
    }

    #[tokio::test]
    async fn addresses_need_no_lookup_and_loopback_is_refused() {
        let port = HostPort::REGISTRY;
        assert_eq!(look_up("192.0.2.7", port, port).await.unwrap(), IpAddr::from([192, 0, 2, 7]));
        let why = look_up("127.0.1.1", port, port).await.unwrap_err().to_string();
        assert!(why.contains("'--allow-host-port 5000:5000@loopback'"), "{why}");
    }
}
