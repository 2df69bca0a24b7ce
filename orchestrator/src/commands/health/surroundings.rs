//! What a forward that is not reached has around it: the engine's place, and the tables of this machine.

use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use assemble_contract::status::Probe;
use assemble_contract::{Outcome, Port, Ports, Status, TargetHost};
use docker_plugin::bounded;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;
use tokio::process::Command;
use tokio::time::timeout;

use crate::commands::host_sockets;
use crate::desired::ContainerName;
use crate::dialer;
use crate::engine::EngineFacts;
use crate::forward::{Forward, PortSet};
use crate::health::{
    Case, Filters, Firewalld, Listener, Listening, Place, StartWith, UNSEEN, listening, tried,
};
use crate::labels;
use crate::observed::Sidecar;

/// Ports of a forward for which the same was found.
pub(super) struct Group<'a> {
    /// All ports of the forward.
    pub(super) ports: Ports,
    /// All that they lead to.
    outside: Ports,
    /// Those for which it was found.
    pub(super) tried: PortSet,
    /// What came of the first of them.
    pub(super) probe: &'a Probe,
    pub(super) via: TargetHost,
    addr: Option<IpAddr>,
    place: Place,
    listening: Option<Listening>,
    pub(super) publisher: Option<ContainerName>,
}

/// What all forwards have in common.
pub(super) struct Surroundings<'a> {
    pub(super) facts: EngineFacts,
    /// Whether the engine's socket is one of this machine.
    pub(super) is_local: bool,
    /// Read when first needed, and once: on a busy host the tables are long.
    pub(super) host: OnceCell<Option<Tables>>,
    /// What filters where a firewall may be in the way.
    pub(super) filters: Filters,
    /// Whether the backend has no network.
    pub(super) isolated: bool,
    /// The command with these forwards, and all else as it is.
    pub(super) start: &'a StartWith<'a>,
    /// The commands that make the backend anew.
    pub(super) anew: &'a str,
}

impl Group<'_> {
    /// What its ports lead to.
    pub(super) fn outside(&self) -> PortSet {
        self.tried.outside(self.ports, self.outside.first())
    }

    /// Whether a firewall of this host may be in the way.
    fn may_be_filtered(&self) -> bool {
        matches!(self.listening, Some(Listening::Reachable | Listening::Waiting(_)))
    }
}

impl Surroundings<'_> {
    /// What was found of a forward, the ports together for which it is the same.
    pub(super) fn groups<'a>(&self, sidecar: &Sidecar, report: &'a Status) -> Vec<Group<'a>> {
        let mut groups: Vec<(Group<'a>, Vec<Port>)> = Vec::new();
        let Some(target) = report.target() else { return Vec::new() };
        let ports = sidecar.ports;
        let outside = ports.moved_to(target.port).unwrap_or_else(|| target.port.into());
        let addr = report.addr().filter(|_| target.host == TargetHost::Gateway);
        let place = match place(&self.facts, self.is_local && addr.is_some_and(is_ours)) {
            // Its dialer is not in that namespace.
            Place::Rootless if sidecar.container.labels.contains_key(labels::DIALER_DIRECTORY) => {
                Place::Elsewhere
            }
            place => place,
        };
        let mut not_tried = Vec::new();
        for (port, probe) in tried(report, ports).filter(|(_, probe)| probe.result != Outcome::Accepted) {
            if probe.result == Outcome::NotTried {
                not_tried.push(port);
                continue;
            }
            let there = PortSet::from(Ports::from(port)).outside(ports, outside.first()).span();
            let gateway = addr.filter(|_| place == Place::Here);
            let listening = gateway.zip(there).and_then(|(ip, to)| self.on_this_host(to.first().get(), ip));
            let is_same = |(group, _): &&mut (Group<'_>, _)| {
                group.probe.result == probe.result && group.listening == listening
            };
            match groups.iter_mut().find(is_same) {
                Some((_, tried)) => tried.push(port),
                None => {
                    let (via, tried) = (target.host.clone(), PortSet::default());
                    let publisher = None;
                    let group =
                        Group { ports, outside, tried, probe, via, addr, place, listening, publisher };
                    groups.push((group, vec![port]));
                }
            }
        }
        // Where all that were tried are alike, what is in their way is in the way of the others too.
        let is_all = !tried(report, ports).any(|(_, probe)| probe.result == Outcome::Accepted);
        if let [(_, tried)] = &mut groups[..]
            && is_all
        {
            tried.extend(not_tried);
        }
        groups
            .into_iter()
            .map(|(group, tried)| Group { tried: tried.into_iter().collect(), ..group })
            .collect()
    }

    /// The same for `explain`, with the forwards that a command which helps has to keep.
    pub(super) fn case<'a>(&'a self, group: &'a Group<'a>, forwards: &'a [Forward]) -> Case<'a> {
        Case {
            ports: group.ports,
            tried: &group.tried,
            via: &group.via,
            outside: group.outside,
            to: group.outside().span().unwrap_or(group.outside),
            addr: group.addr,
            outcome: group.probe.result,
            text: group.probe.text.as_deref(),
            place: group.place,
            listening: group.listening.as_ref(),
            publisher: group.publisher.as_ref().map(|name| name.0.as_str()),
            filters: if group.may_be_filtered() { &self.filters } else { &UNSEEN },
            isolated: self.isolated,
            forwards,
            start: self.start,
            anew: self.anew,
        }
    }

    /// How a port of this host is listened on; `None` where there are no tables to tell.
    fn on_this_host(&self, port: u16, gateway: IpAddr) -> Option<Listening> {
        let Tables { sockets, v6only } = self.host.get_or_init(Tables::read).as_ref()?;
        Some(listening(sockets, port, gateway, *v6only))
    }
}

/// What the gateway of the engine's networks is, seen from this machine; `own` tells whether its address is this machine's.
#[must_use]
pub fn place(facts: &EngineFacts, own: bool) -> Place {
    let EngineFacts { security_options, operating_system, name, podman, .. } = facts;
    Place::of(security_options, operating_system, name, *podman, own, &dialer::hostname())
}

/// Whether an address belongs to the network namespace of this process: within a container that
/// was given the engine's socket the host's tables are not to be seen.
fn is_ours(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// What filters on this host where one of these is in its way; nothing where it may not be looked at. firewalld
/// tells its zones to everybody.
pub(super) async fn filters(groups: &[Vec<Group<'_>>], limit: Duration) -> Filters {
    let Some(group) = groups.iter().flatten().find(|group| group.may_be_filtered()) else {
        return UNSEEN.clone();
    };
    // The outer error: it has not said it in time.
    let says = async |program, words: &[&str]| {
        let mut command = Command::new(program);
        let said = bounded::output(command.args(words).stdin(Stdio::null()));
        timeout(limit, said).await.map(|said| said.ok().filter(|said| said.status.success()))
    };
    let asked = (says("nft", &["--json", "list", "ruleset"]), says("firewall-cmd", &["--get-active-zones"]));
    let (ruleset, zones) = tokio::join!(asked.0, asked.1);
    let firewalld = match zones {
        // It is there, since it waits for an answer.
        Err(_) => Some(Firewalld::default()),
        Ok(zones) => zones.map(|zones| {
            let bridge = group.addr.and_then(interface);
            Firewalld::new(&String::from_utf8_lossy(&zones.stdout), group.addr, bridge.as_deref())
        }),
    };
    let ruleset = ruleset.ok().flatten().map(|said| said.stdout);
    Filters::new(ruleset.as_deref(), firewalld)
}

/// The name of the interface that has this address.
fn interface(ip: IpAddr) -> Option<String> {
    let of = |addr: SockaddrStorage| {
        let v6 = || Some(addr.as_sockaddr_in6()?.ip().into());
        addr.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip())).or_else(v6)
    };
    let mut all = getifaddrs().ok()?;
    all.find(|it| it.address.and_then(of) == Some(ip)).map(|it| it.interface_name)
}

/// Who listens on this host.
pub(super) struct Tables {
    sockets: Vec<Listener>,
    /// `net.ipv6.bindv6only`.
    v6only: bool,
}

impl Tables {
    fn read() -> Option<Self> {
        let sockets = host_sockets::listeners()?;
        let v6only =
            std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|text| text.trim() == "1");
        Some(Self { sockets, v6only })
    }
}
