//! firewalld, which undoes what others put into its tables: it is told by its own command.

use std::net::IpAddr;

use crate::desired::Ports;

/// A firewalld that filters what comes in at the engine's bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewalld {
    /// The zone that the bridge is in; absent where that is the usual one.
    zone: Option<String>,
}

impl Firewalld {
    /// The one that says these of its zones (`firewall-cmd --get-active-zones`), on a host where the gateway
    /// has this address and its bridge this name.
    #[must_use]
    pub fn new(active_zones: &str, gateway: Option<IpAddr>, bridge: Option<&str>) -> Self {
        let (mut zone, mut by_source, mut by_name) = (None, None, None);
        for line in active_zones.lines() {
            match line.trim_start().split_once(": ") {
                // Containers have their addresses from the gateway's network.
                Some(("sources", all)) if gateway.is_some_and(|ip| any(all, |it| includes(it, ip))) => {
                    by_source = zone;
                }
                Some(("interfaces", all)) if bridge.is_some_and(|name| any(all, |it| names(it, name))) => {
                    by_name = zone;
                }
                _ if !line.starts_with(' ') => zone = line.split(' ').next(),
                _ => {}
            }
        }
        Self { zone: by_source.or(by_name).map(str::to_owned) }
    }

    /// One that may be on a host that cannot be looked at.
    pub(super) fn anywhere() -> Self {
        Self { zone: Some("ZONE".to_owned()) }
    }

    /// The commands that let these ports in, until it is loaded anew, and from then on. The first of all rules,
    /// since one of the zone's may turn them away.
    pub(super) fn open(&self, to: Option<IpAddr>, ports: Ports) -> [String; 2] {
        let family = if to.is_some_and(|to| to.is_ipv6()) { "ipv6" } else { "ipv4" };
        let to = to.map_or_else(|| "GATEWAY".to_owned(), |to| to.to_string());
        let zone = self.zone.as_ref().map(|zone| format!(" --zone={zone}")).unwrap_or_default();
        ["", " --permanent"].map(|kept| {
            format!(
                "firewall-cmd{kept}{zone} --add-rich-rule=\"rule priority=-32768 family={family} \
                 destination address={to} port port={ports} protocol=tcp accept\""
            )
        })
    }
}

fn any(words: &str, is_it: impl Fn(&str) -> bool) -> bool {
    words.split(' ').any(is_it)
}

/// `br-+` stands for all names that begin so.
fn names(interface: &str, name: &str) -> bool {
    interface.strip_suffix('+').map_or(interface == name, |stem| name.starts_with(stem))
}

/// Whether an address, or a network in the form `172.17.0.0/16`, has this one.
fn includes(source: &str, ip: IpAddr) -> bool {
    let (base, bits) = source.split_once('/').unwrap_or((source, "128"));
    let bits = bits.parse().unwrap_or(u32::MAX);
    match (base.parse(), ip) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(ip)) => {
            (base.to_bits() ^ ip.to_bits()).leading_zeros() >= bits.min(32)
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(ip)) => {
            (base.to_bits() ^ ip.to_bits()).leading_zeros() >= bits.min(128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_that_filters_is_found() {
        const ZONES: &str = "containers\n  interfaces: docker0 br-+\ntrusted\n  sources: 10.88.0.0/16 fd00:1::/32 \
                             ipset:x\npublic (default)\n  interfaces: eth0\n  sources: 192.0.2.1\n";
        let v4 = |d| Some(IpAddr::from([172, 17, 0, d]));
        for (zones, gateway, bridge, zone) in [
            (ZONES, v4(1), Some("docker0"), Some("containers")),
            (ZONES, v4(1), Some("br-0123"), Some("containers")),
            (ZONES, v4(1), Some("docker1"), None),
            (ZONES, v4(1), None, None),
            (ZONES, "10.88.0.1".parse().ok(), Some("docker0"), Some("trusted")),
            (ZONES, "10.89.0.1".parse().ok(), Some("podman0"), None),
            (ZONES, "fd00:1:2::1".parse().ok(), None, Some("trusted")),
            (ZONES, "192.0.2.1".parse().ok(), None, Some("public")),
            (ZONES, "192.0.2.2".parse().ok(), None, None),
            ("", v4(1), Some("docker0"), None),
        ] {
            let zone = zone.map(str::to_owned);
            assert_eq!(Firewalld::new(zones, gateway, bridge), Firewalld { zone }, "{gateway:?} {bridge:?}");
        }
    }
}
