//! `--to`: what is read is what was written, and nothing else is.

#![no_main]

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4};

use assemble_proxy::config::{TargetError, TargetHost, TargetSpec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &str)| {
    let (port, text) = input;
    match text.parse::<TargetSpec>() {
        Ok(spec) => {
            let target = spec.or_port(port);
            // What a name is the relay alone decides; that it is one, reading it again tells.
            if !matches!(target.host, TargetHost::Name(_)) {
                assert_eq!(Some((target.host.clone(), target.port)), model(port, text));
            }
            let again: TargetSpec = match target.port {
                // Only as the stand-in for a port that was left out.
                0 => return assert_eq!(port, 0),
                _ => target.to_string().parse().expect("a target as it is shown can be read"),
            };
            assert_eq!(again.or_port(0), target);
        }
        Err(TargetError::Host(part) | TargetError::Port(part)) => {
            assert_eq!(model(port, text), None);
            assert!(text.contains(&part), "\"{part}\" is blamed");
        }
    }
});

/// The same with the standard library's own reading of addresses where it has one.
fn model(port: u16, text: &str) -> Option<(TargetHost, u16)> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some((TargetHost::Address(ip), port));
    }
    for (name, host) in [("gateway", TargetHost::Gateway), ("loopback", TargetHost::Loopback)] {
        match text.strip_prefix(name) {
            Some("") => return Some((host, port)),
            // What may stand before the port of an address may stand before this one's.
            Some(rest) => match format!("0.0.0.0{rest}").parse::<SocketAddrV4>() {
                Ok(addr) if addr.port() != 0 => return Some((host, addr.port())),
                _ => {}
            },
            None => {}
        }
    }
    // A scope is read by the standard library and means nothing in a target.
    if let Some(addr) = text.parse::<SocketAddr>().ok().filter(|addr| addr.port() != 0 && !text.contains('%'))
    {
        return Some((TargetHost::Address(addr.ip()), addr.port()));
    }
    let v6: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some((TargetHost::Address(v6.into()), port))
}
