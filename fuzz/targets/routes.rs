//! The kernel's tables: no text upsets their readers, and among lines as the kernel writes them
//! the best one is found.

#![no_main]

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::Arbitrary;
use assemble_proxy::routes::{Gateway, default_gateways, interface_index, only_loopback};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text { ipv4: &'a str, ipv6: &'a str, name: &'a str },
    Tables { ipv4: Vec<Line<u32>>, ipv6: Vec<Line<u128>>, interfaces: Vec<Interface> },
}

#[derive(Arbitrary, Debug)]
enum Line<A> {
    Noise,
    Route { destination: Destination<A>, gateway: A, flags: Flags, metric: u32, interface: Name },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Destination<A> {
    Everywhere,
    Net(A, u8),
}

/// Flags of linux/route.h; the last may hold any others too.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Flags {
    Gateway,
    Link,
    Down,
    Reject,
    Any(u32),
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Lo,
    Eth0,
    Eth1,
    Veth,
}

#[derive(Arbitrary, Debug)]
struct Interface {
    name: Name,
    index: u16,
    address: u128,
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Text { ipv4, ipv6, name } => {
        let found = default_gateways(ipv4, ipv6);
        assert!(found.len() <= 2);
        assert!(found.is_sorted_by_key(|gateway| gateway.ip.is_ipv6()));
        for Gateway { ip, interface } in found {
            let table = if ip.is_ipv4() { ipv4 } else { ipv6 };
            assert!(table.split_ascii_whitespace().any(|word| word == interface));
        }
        if interface_index(name, ipv6).is_some() {
            assert!(ipv6.split_ascii_whitespace().any(|word| word == name));
        }
        let _ = only_loopback(ipv4);
    }
    Input::Tables { ipv4, ipv6, interfaces } => {
        let best = best(&ipv4, Ipv4Addr::from_bits).into_iter().chain(best(&ipv6, Ipv6Addr::from_bits));
        assert_eq!(default_gateways(&text4(&ipv4), &text6(&ipv6)), best.collect::<Vec<_>>());
        check_interfaces(&interfaces);
    }
});

impl Flags {
    fn bits(self) -> u32 {
        match self {
            Self::Gateway => 0x3,
            Self::Link => 0x1,
            Self::Down => 0x2,
            Self::Reject => 0x203,
            Self::Any(bits) => bits,
        }
    }

    fn lead_through_a_gateway(self) -> bool {
        let bits = self.bits();
        bits & 0x1 != 0 && bits & 0x2 != 0 && bits & 0x200 == 0
    }
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Lo => "lo",
            Self::Eth0 => "eth0",
            Self::Eth1 => "eth1",
            // As long as a name can be (IFNAMSIZ of linux/if.h).
            Self::Veth => "veth0123456789a",
        }
    }
}

/// The first of those with the lowest metric.
fn best<A: Copy, I: Into<IpAddr>>(lines: &[Line<A>], ip: impl Fn(A) -> I) -> Option<Gateway> {
    let mut best: Option<(u32, Gateway)> = None;
    for line in lines {
        let Line::Route { destination: Destination::Everywhere, gateway, flags, metric, interface } = line
        else {
            continue;
        };
        let better = best.as_ref().is_none_or(|(least, _)| metric < least);
        if flags.lead_through_a_gateway() && better {
            best = Some((*metric, Gateway { ip: ip(*gateway).into(), interface: interface.text().into() }));
        }
    }
    best.map(|(_, gateway)| gateway)
}

/// As `fib_route_seq_show` of net/ipv4/fib_trie.c writes it.
fn text4(lines: &[Line<u32>]) -> String {
    let mut text =
        String::from("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
    for line in lines {
        let Line::Route { destination, gateway, flags, metric, interface } = line else {
            text.push_str("\t \u{0}\n\n");
            continue;
        };
        let (net, mask) = match *destination {
            Destination::Everywhere => (0, 0),
            Destination::Net(net, length) => (net.to_be(), (u32::MAX << (length % 32)).to_be()),
        };
        let (gateway, flags, name) = (gateway.to_be(), flags.bits(), interface.text());
        writeln!(text, "{name}\t{net:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t{metric}\t{mask:08X}\t0\t0\t0")
            .expect("writing to a string cannot fail");
    }
    text
}

/// As `rt6_info_route` of net/ipv6/route.c writes it.
fn text6(lines: &[Line<u128>]) -> String {
    let mut text = String::new();
    for line in lines {
        let Line::Route { destination, gateway, flags, metric, interface } = line else {
            text.push_str("\t \u{0}\n\n");
            continue;
        };
        let (net, length) = match *destination {
            Destination::Everywhere => (0, 0),
            Destination::Net(net, length) => (net, 1 + length % 128),
        };
        let (flags, name) = (flags.bits(), interface.text());
        writeln!(
            text,
            "{net:032x} {length:02x} {:032x} 00 {gateway:032x} {metric:08x} 00000001 00000000 {flags:08x} {name:>8}",
            0,
        )
        .expect("writing to a string cannot fail");
    }
    text
}

fn check_interfaces(interfaces: &[Interface]) {
    let mut addresses = String::new();
    let mut counters = String::from("Inter-|   Receive\n face |bytes\n");
    for Interface { name, index, address } in interfaces {
        let name = name.text();
        writeln!(addresses, "{address:032x} {index:02x} 40 20 80 {name:>8}").expect("a string takes all");
        writeln!(counters, "{name:>6}: {index} 0 0 0").expect("a string takes all");
    }
    for name in [Name::Lo, Name::Eth0, Name::Eth1, Name::Veth] {
        let first = interfaces.iter().find(|interface| interface.name == name);
        assert_eq!(interface_index(name.text(), &addresses), first.map(|first| first.index.into()));
    }
    let lonely = !interfaces.is_empty() && interfaces.iter().all(|interface| interface.name == Name::Lo);
    assert_eq!(only_loopback(&counters), lonely);
}
