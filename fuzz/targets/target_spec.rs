//! `--to`: what is read is what was written, and nothing else is.

#![no_main]

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4};

use assemble_contract::port::PortError;
use assemble_contract::target::TargetError;
use assemble_contract::{Port, PortsSpec, Target, TargetHost, TargetSpec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &str)| {
    let (number, text) = input;
    let Some(port) = Port::new(number) else { return };
    match text.parse::<TargetSpec>() {
        Ok(spec) => {
            let mapping = PortsSpec::from(port).to(spec).expect("one port leads to any target");
            let target = mapping.target();
            // What a name is the relay alone decides; that it is one, reading it again tells.
            if !matches!(target.host, TargetHost::Name(_)) {
                assert_eq!(Some(target.clone()), model(port, text));
            }
            let again: Target = target.to_string().parse().expect("a target as it is shown can be read");
            assert_eq!(again, target);
        }
        Err(TargetError::Host(part) | TargetError::Port(PortError(part))) => {
            assert_eq!(model(port, text), None);
            assert!(text.contains(&part), "\"{part}\" is blamed");
        }
    }
});

/// The same with the standard library's own reading of addresses where it has one.
fn model(port: Port, text: &str) -> Option<Target> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Target { host: TargetHost::Address(ip), port });
    }
    for (name, host) in [("gateway", TargetHost::Gateway), ("loopback", TargetHost::Loopback)] {
        let Some(rest) = text.strip_prefix(name) else { continue };
        if rest.is_empty() {
            return Some(Target { host, port });
        }
        // What may stand before the port of an address may stand before this one's.
        let addr = format!("0.0.0.0{rest}").parse::<SocketAddrV4>().ok();
        if let Some(port) = addr.and_then(|addr| Port::new(addr.port())) {
            return Some(Target { host, port });
        }
    }
    // A scope is read by the standard library and means nothing in a target.
    if let Some(addr) = text.parse::<SocketAddr>().ok().filter(|_| !text.contains('%'))
        && let Some(port) = Port::new(addr.port())
    {
        return Some(Target { host: TargetHost::Address(addr.ip()), port });
    }
    let v6: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some(Target { host: TargetHost::Address(v6.into()), port })
}
