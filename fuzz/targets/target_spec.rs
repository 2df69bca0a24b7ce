//! `--to`: what is read is what was written, and nothing else is.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use assemble_proxy::config::{TargetError, TargetHost, TargetSpec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &str)| {
    let (port, text) = input;
    match text.parse::<TargetSpec>() {
        Ok(spec) => {
            let target = spec.or_port(port);
            assert_eq!(Some((target.host, target.port)), model(port, text));
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
    // Integers may have a plus sign for the standard library, those within its addresses not.
    let (text, stated) = match text.rsplit_once(':') {
        Some((rest, number)) if !number.contains(']') => {
            let number = number.parse().ok().filter(|number| *number != 0)?;
            (format!("{rest}:{number}"), Some(number))
        }
        _ => (text.to_owned(), None),
    };
    let host = match stated {
        Some(number) => match text.strip_suffix(&format!(":{number}"))? {
            "gateway" => TargetHost::Gateway,
            bare if bare.parse::<Ipv4Addr>().is_ok() => {
                TargetHost::Address((*text.parse::<SocketAddrV4>().ok()?.ip()).into())
            }
            // A scope is read by the standard library and means nothing in a target.
            bare if bare.contains('%') => return None,
            _ => TargetHost::Address(text.parse::<SocketAddr>().ok()?.ip()),
        },
        None if text == "gateway" => TargetHost::Gateway,
        None => {
            let v6: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
            TargetHost::Address(v6.into())
        }
    };
    Some((host, stated.unwrap_or(port)))
}
