//! Why a target is not reached, and the command that helps.

use std::net::{IpAddr, Ipv4Addr};

use assemble_contract::{Outcome, TargetHost};

use super::firewall::{self, Chain};
use super::isolation::{NO_NETWORK, give_network};
use super::{Listening, Place};
use crate::desired::HostPort;
use crate::forward::{Forward, Target};

/// The command of a start with these forwards.
pub type StartWith<'a> = dyn Fn(&[Forward]) -> String + 'a;

/// All that is known of one forward.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The port that builds see.
    pub port: HostPort,
    /// The way the sidecar takes.
    pub via: &'a TargetHost,
    /// The port there.
    pub to: u16,
    /// The address that this means now.
    pub addr: Option<IpAddr>,
    /// What came of connecting.
    pub outcome: Outcome,
    /// In whose words.
    pub text: Option<&'a str>,
    /// What the gateway is.
    pub place: Place,
    /// What listens on the port over there, where that can be known.
    pub listening: Option<&'a Listening>,
    /// The container that publishes the port over there.
    pub publisher: Option<&'a str>,
    /// What filters there, as far as that can be known.
    pub filters: &'a [Chain],
    /// Whether the backend has no network at all.
    pub isolated: bool,
    /// All of the user's forwards, this one among them, as a command that helps has to keep them.
    pub forwards: &'a [Forward],
    /// The command that has these forwards, and all else as it is.
    pub start: &'a StartWith<'a>,
}

/// What is the matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What happened, and why as far as that can be told.
    pub why: String,
    /// What to do about it.
    pub help: String,
    /// Whether something is in the way, which a service that starts later does not mend.
    pub blocked: bool,
}

/// Puts the facts together; `None` for a target that accepts.
#[must_use]
pub fn explain(case: &Case<'_>) -> Option<Finding> {
    let (why, help) = cause(case)?;
    Some(Finding { why, help, blocked: case.is_blocked() })
}

fn cause(case: &Case<'_>) -> Option<(String, String)> {
    let Case { to, .. } = *case;
    let found = |why: String, help: String| Some((why, help));
    let words = || case.text.map(|text| format!(" ({text})")).unwrap_or_default();
    match (case.outcome, case.via) {
        (Outcome::Accepted, _) => None,
        (Outcome::NoGateway, _) if case.isolated => {
            found(format!("no gateway: {NO_NETWORK}"), give_network(&case.start(None)))
        }
        (Outcome::NoGateway, _) => found(
            "no gateway: the backend's network has no default route".to_owned(),
            format!("{} give the backend a new network", super::anew(&case.start(None))),
        ),
        (Outcome::Dialer, _) => found(
            format!("the dialer on the host does not help{}", words()),
            format!("'{}' makes it anew", case.start(None)),
        ),
        (Outcome::Descriptors | Outcome::ClientGone | Outcome::Unknown, _) => found(
            format!("not reached{}", words()),
            format!("'docker assemble backend logs --proxy {}' tells more", case.port),
        ),
        (Outcome::Loop, TargetHost::Name(name)) => found(
            format!("\"{name}\" means the backend itself{}", words()),
            format!("'{}' goes by an address", case.start(Some(case.host("ADDRESS")))),
        ),
        (Outcome::Loop, _) => found(
            format!("the connection met itself: nothing listens on port {to} there"),
            start_service(to, THERE),
        ),
        (outcome, TargetHost::Loopback) if case.is_elsewhere() => {
            let (host, own, help) = elsewhere(case);
            found(format!("{}: the loopback is that of {host} and not of {own}", said(outcome)), help)
        }
        (Outcome::Refused, TargetHost::Loopback) => found(
            format!("refused: nothing listens on port {to} of the host's 127.0.0.1"),
            start_service(to, THERE),
        ),
        (outcome, TargetHost::Loopback) => found(
            format!("{}: the host's loopback does not answer on port {to}{}", said(outcome), words()),
            look(to),
        ),
        (Outcome::NoSuchName, _) => found(
            // The relay says the same.
            case.text.unwrap_or("no such name").to_owned(),
            format!(
                "see whether the name is right and its service up; '{}' goes by an address",
                case.start(Some(case.host("ADDRESS")))
            ),
        ),
        (Outcome::NameService, _) => found(
            format!("the name service of the backend's network does not tell{}", words()),
            format!(
                "{} give the backend the name servers that the engine has now",
                super::anew(&case.start(None))
            ),
        ),
        (Outcome::Refused, TargetHost::Name(name)) => {
            let host = case.named(name.as_str());
            found(format!("refused: nothing listens on port {to} of {host}"), start_service(to, THERE))
        }
        (outcome, TargetHost::Name(name)) => {
            let (said, host) = (said(outcome), case.named(name.as_str()));
            found(
                format!("{said}: there is no way from the backend's network to port {to} of {host}{}", words()),
                format!("see whether {name} is up and its firewall lets port {to} in"),
            )
        }
        (Outcome::Refused, TargetHost::Address(ip)) => {
            found(format!("refused: nothing listens on port {to} of {ip}"), start_service(to, THERE))
        }
        // What connect(2) says of an address of a family that the network has none of.
        (_, TargetHost::Address(ip))
            if ip.is_ipv6()
                && ["Cannot assign requested address", "Network is unreachable"]
                    .iter()
                    .any(|words| case.text.is_some_and(|text| text.contains(words))) =>
        {
            found(
                format!("unreachable: the backend's network has no IPv6, and {ip} is an address of IPv6"),
                "give an IPv4 address of that host, or the engine's networks IPv6 (\"ipv6\" of its daemon.json)"
                    .to_owned(),
            )
        }
        (outcome, TargetHost::Address(ip)) => found(
            format!(
                "{}: there is no way from the backend's network to port {to} of {ip}{}",
                said(outcome),
                words()
            ),
            format!("see whether {ip} is up and its firewall lets port {to} in"),
        ),
        (outcome, TargetHost::Gateway) => Some(gateway(case, outcome)),
    }
}

/// What a forward that is not reached had better lead to, where that is known.
#[must_use]
pub fn remedy(case: &Case<'_>) -> Option<Target> {
    if !matches!(case.outcome, Outcome::Refused | Outcome::Unreachable | Outcome::TimedOut) {
        return None;
    }
    match (case.via, case.place, case.listening) {
        (TargetHost::Gateway | TargetHost::Loopback, Place::Virtual(_), _) => {
            Some(case.host("host.docker.internal"))
        }
        (TargetHost::Gateway | TargetHost::Loopback, Place::Rootless, _) => {
            Some(Target::Loopback { port: case.there() })
        }
        (TargetHost::Gateway, Place::RootlessPodman, _)
        | (TargetHost::Gateway, Place::Here, Some(Listening::LoopbackOnly(_) | Listening::V6Only)) => {
            Some(Target::Loopback { port: case.there() })
        }
        (TargetHost::Gateway, Place::Here, Some(Listening::Only(ip))) => Some(case.host(&ip.to_string())),
        (TargetHost::Gateway, Place::Here | Place::Elsewhere, _) if case.is_blocked() => {
            Some(Target::Loopback { port: case.there() })
        }
        _ => None,
    }
}

/// What an engine takes for its host that is not this computer, and the way around it.
fn elsewhere(case: &Case<'_>) -> (String, &'static str, String) {
    match case.place {
        Place::Virtual(program) => (format!("{program}'s virtual machine"), "this computer", case.instead()),
        Place::RootlessPodman => {
            let help = case.instead() + " leads to this host's 127.0.0.1";
            ("the network namespace of rootless Podman".to_owned(), HERE, help)
        }
        _ => {
            let help =
                case.instead() + ", run on this host by the user of the engine, leads to its 127.0.0.1";
            ("the network namespace of the rootless engine".to_owned(), HERE, help)
        }
    }
}

/// The gateway is reached in a different way wherever the engine is.
fn gateway(case: &Case<'_>, outcome: Outcome) -> (String, String) {
    let Case { to, .. } = *case;
    let said = said(outcome);
    let (why, help) = match (case.place, case.listening) {
        (Place::Virtual(_) | Place::Rootless | Place::RootlessPodman, _) => {
            let (host, own, help) = elsewhere(case);
            (format!("the gateway is {host} and not {own}"), help)
        }
        (Place::Here | Place::Elsewhere, None | Some(Listening::Nothing | Listening::Reachable))
            if case.is_blocked() && case.publisher.is_some() =>
        {
            let name = case.publisher.unwrap_or_default();
            (
                format!(
                    "container \"{name}\" publishes port {to}, and no way leads there from the backend's network: \
                     \"userland-proxy\": false of the engine keeps its networks apart, or a firewall does"
                ),
                format!("{} goes around it", case.instead()),
            )
        }
        (Place::Here, Some(Listening::Nothing)) => {
            (format!("nothing listens on port {to} of this host"), start_service(to, HERE))
        }
        (Place::Here, Some(Listening::LoopbackOnly(ip))) => (
            format!("what listens on port {to} does so on {ip} only, which the gateway does not lead to"),
            case.instead(),
        ),
        (Place::Here, Some(Listening::V6Only)) => (
            format!("what listens on port {to} takes IPv6 only, and the gateway is IPv4"),
            format!("have the service listen on 0.0.0.0 too, or {}", case.instead()),
        ),
        (Place::Here, Some(Listening::Only(ip))) => {
            (format!("what listens on port {to} does so on {ip} only"), case.instead())
        }
        (Place::Here, Some(Listening::Reachable)) => {
            let deed = if outcome == Outcome::TimedOut { "drops" } else { "rejects" };
            (
                format!("port {to} is listened on, so a firewall {deed} traffic from the engine's bridge"),
                open(case),
            )
        }
        _ if outcome == Outcome::Refused => {
            let loopback = case.start(Some(Target::Loopback { port: case.there() }));
            (
                format!("nothing listens on port {to} of the engine's host, or on its 127.0.0.1 only"),
                format!("{}; on 127.0.0.1 only: '{loopback}'", look(to)),
            )
        }
        _ => (
            "a firewall of the engine's host is in the way of traffic from its bridge".to_owned(),
            open(case),
        ),
    };
    (format!("{said}: {why}"), help)
}

impl Case<'_> {
    /// Whether something is in the way; that nothing listens is not.
    fn is_blocked(&self) -> bool {
        match (self.outcome, self.listening) {
            (Outcome::NoGateway | Outcome::NoSuchName | Outcome::Dialer, _) => true,
            (Outcome::Refused, _) if self.is_elsewhere() => true,
            (Outcome::TimedOut | Outcome::Unreachable, Some(Listening::Nothing)) => self.publisher.is_some(),
            (Outcome::TimedOut | Outcome::Unreachable, _) => true,
            (Outcome::Refused, listening) => {
                *self.via == TargetHost::Gateway
                    && self.place == Place::Here
                    && listening == Some(&Listening::Reachable)
            }
            _ => false,
        }
    }

    /// Whether it leads to another host than the one that was meant.
    fn is_elsewhere(&self) -> bool {
        match self.via {
            TargetHost::Gateway => {
                matches!(self.place, Place::Virtual(_) | Place::Rootless | Place::RootlessPodman)
            }
            TargetHost::Loopback => matches!(self.place, Place::Virtual(_) | Place::Rootless),
            TargetHost::Address(_) | TargetHost::Name(_) => false,
        }
    }

    /// The start that takes the way that works in place of the one there is.
    fn instead(&self) -> String {
        format!("'{}'", self.start(remedy(self)))
    }

    /// The start that keeps all forwards, but for what this one leads to.
    fn start(&self, target: Option<Target>) -> String {
        let mut forwards = self.forwards.to_vec();
        if let Some(target) = target {
            forwards.retain(|forward| forward.port != self.port);
            forwards.push(Forward { port: self.port, target });
            forwards.sort();
        }
        (self.start)(&forwards)
    }

    /// The port there, which is one.
    fn there(&self) -> HostPort {
        HostPort::new(self.to).unwrap_or(self.port)
    }

    /// A name with the address it has now.
    fn named(&self, name: &str) -> String {
        self.addr.map_or_else(|| name.to_owned(), |ip| format!("{name} ({ip})"))
    }

    /// A host by a name that its user looks up.
    fn host(&self, name: &str) -> Target {
        // The command is printed with the name alone.
        Target::Host { name: name.to_owned(), addr: Ipv4Addr::UNSPECIFIED.into(), port: self.there() }
    }
}

/// The outcome in a word for people.
const fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused => "refused",
        Outcome::TimedOut => "timed out",
        Outcome::NoGateway => "no gateway",
        Outcome::Accepted => "accepted",
        Outcome::NoSuchName => "no such name",
        Outcome::Unreachable
        | Outcome::Loop
        | Outcome::NameService
        | Outcome::Descriptors
        | Outcome::Dialer
        | Outcome::ClientGone
        | Outcome::Unknown => "unreachable",
    }
}

const HERE: &str = "this host";
const THERE: &str = "that host";

fn start_service(port: u16, host: &str) -> String {
    format!("start the service; \"ss -ltn 'sport = :{port}'\" on {host} shows it once it listens")
}

fn look(port: u16) -> String {
    format!("\"ss -ltn 'sport = :{port}'\" on that host shows what listens, and on which address")
}

/// The way around a firewall, and what lets the bridge in.
fn open(case: &Case<'_>) -> String {
    let host = if case.place == Place::Here { HERE } else { THERE };
    format!("{} goes around it; {}", case.instead(), firewall::open(case.filters, case.addr, case.to, host))
}

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
