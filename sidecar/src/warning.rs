//! What the log warns of. Pure.

use std::path::PathBuf;

use assemble_contract::Ports;
use explained::Explained;

/// Something is amiss, and the process goes on.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "log"]
pub enum Warning {
    /// The namespace has no IPv6.
    #[error("no IPv6 here: not listening on [::1]:{port}")]
    #[advice = "nothing: 127.0.0.1 serves"]
    NoIpv6 {
        /// The port.
        port: Ports,
    },
    /// The kernel refuses a netlink socket.
    #[error("cannot hear of route changes: the gateway stays as it is")]
    #[advice = "start again after the route has changed"]
    GatewayStays,
    /// The netlink socket broke.
    #[error("cannot hear of route changes any more")]
    #[advice = "start again after the route has changed"]
    RouteChanges,
    /// `/proc/net` cannot be read just now.
    #[error("cannot read the routing tables")]
    #[advice = "nothing: the last gateway is used"]
    Routes,
    /// The relay has looked its target's name up in vain; the error field tells why.
    #[error("the target is not found")]
    #[advice = "see its row"]
    Target,
    /// The system forbids to choose that congestion control, so that streams are slower than they could be.
    #[error("cannot send on link with {name}: {own} paces there as well")]
    #[advice = "add `reno` to `net.ipv4.tcp_allowed_congestion_control`, or give `--congestion-control system`"]
    Congestion {
        /// The one that would be right.
        name: &'static str,
        /// The system's.
        own: String,
    },
    /// No descriptors or no memory are left; further clients are reset.
    #[error("cannot accept just now")]
    #[advice = "raise the limits (`nofile`); it tries again"]
    Accept,
    /// The system refuses its settings.
    #[error("cannot serve a connection")]
    #[advice = "see the cause beside it"]
    Connection,
    /// Another process holds the name of the probe.
    #[error("health probes will not be answered")]
    #[advice = "see what runs in this namespace"]
    Probes,
    /// They outlived `--grace`.
    #[error("{n} connections were still open and were reset", n = .0)]
    #[advice = "a longer `--grace`"]
    Cut(usize),
    /// A second signal.
    #[error("{signal} again: connections are reset", signal = .0)]
    #[advice = "nothing"]
    Again(&'static str),
    /// The socket's directory has changed.
    #[error("cannot remove \"{path}\"", path = .0.display())]
    #[advice = "remove it by hand"]
    Socket(PathBuf),
}
