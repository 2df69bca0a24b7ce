//! The default gateway and who else is here, read from the kernel's tables of a network namespace. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A next hop towards everywhere, with the interface it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub ip: IpAddr,
    /// The interface's name; a link-local address means nothing without it.
    pub interface: String,
}

/// `RTF_UP` and `RTF_GATEWAY` of linux/route.h.
const USABLE: u32 = 0x1 | 0x2;
/// `RTF_REJECT` of linux/route.h: an unreachable route looks like a default one.
const REJECT: u32 = 0x200;

/// The default gateways, IPv4 before IPv6: the one with the lowest metric of each family.
///
/// Takes the text of `/proc/net/route` and `/proc/net/ipv6_route`; lines that cannot be read
/// count for nothing.
#[must_use]
pub fn default_gateways(ipv4: &str, ipv6: &str) -> Vec<Gateway> {
    let best = |routes: &mut dyn Iterator<Item = (u32, Gateway)>| routes.min_by_key(|(metric, _)| *metric);
    [best(&mut ipv4.lines().filter_map(ipv4_default)), best(&mut ipv6.lines().filter_map(ipv6_default))]
        .into_iter()
        .flatten()
        .map(|(_, gateway)| gateway)
        .collect()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses in hexadecimal in the
/// machine's byte order, the metric in decimal.
fn ipv4_default(line: &str) -> Option<(u32, Gateway)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [interface, destination, gateway, flags, _, _, metric, mask, ..] = fields[..] else { return None };
    let hex = |field| u32::from_str_radix(field, 16).ok();
    let flags = hex(flags)?;
    let usable = hex(destination)? == 0 && hex(mask)? == 0 && flags & (USABLE | REJECT) == USABLE;
    let ip = Ipv4Addr::from(hex(gateway)?.to_ne_bytes());
    usable
        .then(|| (metric.parse().unwrap_or(u32::MAX), Gateway { ip: ip.into(), interface: interface.into() }))
}

/// `destination length source length next-hop metric refcnt use flags interface`, all in
/// hexadecimal, addresses in network byte order.
fn ipv6_default(line: &str) -> Option<(u32, Gateway)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, length, _, _, next_hop, metric, _, _, flags, interface, ..] = fields[..] else { return None };
    let hex = |field| u32::from_str_radix(field, 16).ok();
    let usable = hex(length)? == 0 && hex(flags)? & (USABLE | REJECT) == USABLE;
    let ip = Ipv6Addr::from(u128::from_str_radix(next_hop, 16).ok()?);
    usable.then(|| (hex(metric).unwrap_or(u32::MAX), Gateway { ip: ip.into(), interface: interface.into() }))
}

/// The index of an interface, the scope of link-local addresses on it; needs an IPv6 address
/// there, which an interface with a link-local gateway has.
///
/// Takes the text of `/proc/net/if_inet6`: address, index, prefix length, scope and flags, all in
/// hexadecimal, and the name.
#[must_use]
pub fn interface_index(name: &str, addresses6: &str) -> Option<u32> {
    addresses6.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, index, _, _, _, interface, ..] = fields[..] else { return None };
        (interface == name).then(|| u32::from_str_radix(index, 16).ok()).flatten()
    })
}

/// Whether loopback is the only interface left.
///
/// Takes the text of `/proc/net/dev`: two lines of heading, then `name: counters…`.
#[must_use]
pub fn only_loopback(interfaces: &str) -> bool {
    let names = || interfaces.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim()));
    names().count() > 0 && names().all(|name| name == "lo")
}

/// Whether anybody listens on a unix socket whose file has this name.
///
/// Takes the text of `/proc/net/unix`: a line of heading, then `Num RefCount Protocol Flags Type St
/// Inode Path`. The path is the one that its owner has bound, wherever that was.
#[must_use]
pub fn listens(sockets: &str, name: &str) -> bool {
    /// `SO_ACCEPTCON` of linux/net.h.
    const LISTENS: &str = "00010000";
    sockets.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace();
        let is_open = fields.nth(3) == Some(LISTENS);
        is_open && fields.nth(3).and_then(|path| path.rsplit('/').next()) == Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010011AC\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";
    const IPV6: &str = "\
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";

    fn found(ipv4: &str, ipv6: &str) -> Vec<String> {
        default_gateways(ipv4, ipv6).iter().map(|g| format!("{}%{}", g.ip, g.interface)).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_lowest_metric_wins_and_ipv4_comes_first() {
        assert_eq!(found(IPV4, IPV6), ["172.17.0.1%eth0", "fe80::1%eth0"]);
    }

    #[test]
    fn a_namespace_without_routes_has_no_gateway() {
        assert_eq!(found("", ""), Vec::<String>::new());
        assert_eq!(found(IPV4.lines().next().unwrap(), IPV6.lines().last().unwrap()), Vec::<String>::new());
    }

    #[test]
    fn a_default_route_straight_onto_a_link_is_no_gateway() {
        assert_eq!(found("ppp0 00000000 00000000 0001 0 0 0 00000000 0 0 0", ""), Vec::<String>::new());
    }

    #[test]
    fn unreadable_lines_count_for_nothing() {
        assert_eq!(found("a b c\n\u{0}\n", "zz 00 00 00 zz 0 0 0 3 eth0"), Vec::<String>::new());
    }

    /// Kernels add to their tables now and then, at the end of a line.
    #[test]
    fn columns_that_are_not_known_yet_do_no_harm() {
        let longer = |table: &str| table.lines().map(|line| format!("{line} 0 new\n")).collect::<String>();
        assert_eq!(found(&longer(IPV4), &longer(IPV6)), found(IPV4, IPV6));
        let addresses6 = "fe8000000000000000fc00fffe000001 0a 40 20 80     eth0\n";
        assert_eq!(interface_index("eth0", &longer(addresses6)), Some(10));
    }

    #[test]
    fn an_interface_is_found_by_its_addresses() {
        let table = "\
fe8000000000000000fc00fffe000001 0a 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
";
        assert_eq!(interface_index("eth0", table), Some(10));
        assert_eq!(interface_index("eth1", table), None);
    }

    #[test]
    fn who_listens_is_known_by_the_file_of_the_socket() {
        let table = "\
Num       RefCount Protocol Flags    Type St Inode Path
00000000733ad543: 00000003 00000000 00000000 0001 03 24512576
0000000090575ac5: 00000002 00000000 00010000 0001 01 24511664 /run/buildkit/buildkitd.sock
000000004aad12a6: 00000003 00000000 00000000 0001 03 24512577 /run/a/client.sock
0000000039b56e5f: 00000002 00000000 00010000 0001 01 24512587 @assemble-proxy/5000
";
        assert!(listens(table, "buildkitd.sock"));
        // Connected to a listener that may have ended, another's name, and no socket at all.
        for name in ["client.sock", "kitd.sock", "run", ""] {
            assert!(!listens(table, name), "{name}");
        }
        assert!(!listens("", "buildkitd.sock"));
    }

    #[test]
    fn a_namespace_is_gone_when_only_loopback_is_left() {
        let head = "Inter-|   Receive\n face |bytes\n";
        assert!(only_loopback(&format!("{head}    lo:    0  0\n")));
        assert!(!only_loopback(&format!("{head}    lo:    0  0\n  eth0: 1 1\n")));
        // Nothing could be read: no reason to give up.
        assert!(!only_loopback(""));
    }
}
