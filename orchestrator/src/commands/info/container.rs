//! A container, and where it leads, as one JSON object.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::state;
use crate::desired::Ports;
use crate::forward::{Forward, Target};
use crate::observed::Container;

/// A port is a number; several in a row are written as the value of an option has them.
pub(in crate::commands) fn ports(ports: Ports) -> Value {
    if ports.is_one() { ports.first().get().into() } else { ports.to_string().into() }
}

/// Where a sidecar leads; `Name` and `Address` are null but for another host, whose address may not be
/// known. `now` is what its name means now, where that is known.
pub(super) fn target(forward: &Forward, now: Option<IpAddr>) -> Value {
    let (kind, name, address) = match &forward.target {
        Target::Gateway { .. } => ("gateway", None, None),
        Target::Loopback { .. } => ("loopback", None, None),
        Target::Host { name, addr, .. } => ("host", Some(name.as_str()), Some(addr.to_string())),
        Target::Name { name, fallback, .. } => {
            ("host", Some(name.as_str()), now.or(*fallback).map(|ip| ip.to_string()))
        }
    };
    json!({ "Kind": kind, "Name": name, "Address": address, "Port": ports(forward.outside()) })
}

pub(super) fn common(container: &Container) -> Value {
    json!({
        "ID": container.id.0,
        "Name": container.name.0,
        "State": state(&container.state),
        "Unhealthy": container.unhealthy,
        "Restarts": container.restarts,
        "OutOfMemory": container.out_of_memory,
    })
}
