//! Why a target is not reached, and the command that helps.

use std::net::{IpAddr, Ipv4Addr};

use assemble_contract::{Outcome, TargetHost};
use explained::Explained;

use super::finding::{Cause, Finding};
use super::finding::{Ss, There, Waiting};
use super::firewall::{self, Door, Filters};
use super::mended::mended;
use super::{Listening, NoNetwork, Place};
use crate::desired::{Port, Ports};
use crate::forward::{Forward, PortSet, Target};

/// The command of a start with these forwards.
pub type StartWith<'a> = dyn Fn(&[Forward]) -> String + 'a;

/// All that is known of one forward, or of some ports of it for which the same was found.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The ports that builds see, all of the forward.
    pub ports: Ports,
    /// Those of them that this is about.
    pub tried: &'a PortSet,
    /// The way the sidecar takes.
    pub via: &'a TargetHost,
    /// The ports there, all of the forward.
    pub outside: Ports,
    /// Those of them that this is about, from the lowest to the highest.
    pub to: Ports,
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
    pub filters: &'a Filters,
    /// Whether the backend has no network at all.
    pub isolated: bool,
    /// All of the user's forwards, this one among them, as a command that helps has to keep them.
    pub forwards: &'a [Forward],
    /// The command that has these forwards, and all else as it is.
    pub start: &'a StartWith<'a>,
    /// The commands that make the backend anew, with all that it has.
    pub anew: &'a str,
}

/// Puts the facts together; `None` for a target that accepts, or was not tried.
#[must_use]
pub fn explain(case: &Case<'_>) -> Option<Finding> {
    Some(Finding { cause: cause(case)?, blocked: case.is_blocked() })
}

fn cause(case: &Case<'_>) -> Option<Cause> {
    let Case { outcome, .. } = *case;
    let (to, ss, said) = (There(case.to), Ss(case.to), said(outcome));
    let words = case.text.map(|text| format!(" ({text})")).unwrap_or_default();
    let nothing_listens = |host: String| Cause::NothingListens { said, to, host, ss, there: THERE };
    let no_way = |host: String, name: String, words| Cause::NoWay { said, to, host, words, name };
    Some(match (outcome, case.via) {
        (Outcome::Accepted | Outcome::NotTried, _) => return None,
        (Outcome::NoGateway, _) if case.isolated => {
            let lost = NoNetwork::new(case.anew);
            Cause::NoNetwork { help: lost.advice().unwrap_or_default(), lost }
        }
        (Outcome::NoGateway, _) => Cause::NoRoute { anew: case.anew.to_owned() },
        (Outcome::Dialer, _) => Cause::Dialer { words, start: case.start(None) },
        (Outcome::Descriptors | Outcome::ClientGone | Outcome::Unknown, _) => {
            Cause::Unclear { words, ports: case.ports }
        }
        (Outcome::Loop, TargetHost::Name(name)) => {
            Cause::Itself { name: name.to_string(), words, start: case.start(Some(case.host("ADDRESS"))) }
        }
        (Outcome::Loop, _) => Cause::MetItself { to, ss },
        (_, TargetHost::Loopback) if case.is_elsewhere() => {
            let start = case.start(remedy(case));
            match case.place {
                Place::Virtual(program) => Cause::VirtualLoopback { said, program, start },
                _ => Cause::RootlessLoopback { said, start },
            }
        }
        (Outcome::Refused, TargetHost::Loopback) => nothing_listens("the host's 127.0.0.1".to_owned()),
        (_, TargetHost::Loopback) => Cause::SilentLoopback { said, to, words, ss },
        (Outcome::NoSuchName, _) => Cause::NoSuchName {
            // The relay says the same.
            text: case.text.unwrap_or("no such name").to_owned(),
            start: case.start(Some(case.host("ADDRESS"))),
        },
        (Outcome::NameService, _) => Cause::NameService { words, anew: case.anew.to_owned() },
        (Outcome::Refused, TargetHost::Name(name)) => nothing_listens(case.named(name.as_str())),
        (_, TargetHost::Name(name)) => no_way(case.named(name.as_str()), name.to_string(), words),
        (Outcome::Refused, TargetHost::Address(ip)) => nothing_listens(ip.to_string()),
        // What connect(2) says of an address of a family that the network has none of.
        (_, TargetHost::Address(ip))
            if ip.is_ipv6()
                && ["Cannot assign requested address", "Network is unreachable"]
                    .iter()
                    .any(|words| case.text.is_some_and(|text| text.contains(words))) =>
        {
            Cause::NoIpv6 { ip: *ip }
        }
        (_, TargetHost::Address(ip)) => no_way(ip.to_string(), ip.to_string(), words),
        (_, TargetHost::Gateway) => gateway(case, said),
    })
}

/// These forwards with what the ports of all cases had better lead to, where that is known: commands that
/// each change the ports of one case would take back what the others did.
#[must_use]
pub fn remedied(forwards: &[Forward], cases: &[Case<'_>]) -> Vec<Forward> {
    let changes = cases.iter().filter_map(|case| Some(case.leading_to(remedy(case)?)));
    mended(forwards, &changes.flatten().collect::<Vec<_>>())
}

/// What a forward that is not reached had better lead to, where that is known: its first port.
fn remedy(case: &Case<'_>) -> Option<Target> {
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

/// The gateway is reached in a different way wherever the engine is.
fn gateway(case: &Case<'_>, said: &'static str) -> Cause {
    let (to, ss) = (There(case.to), Ss(case.to));
    let instead = || case.start(remedy(case));
    match (case.place, case.listening) {
        (Place::Virtual(program), _) => Cause::VirtualGateway { said, program, start: instead() },
        (Place::Rootless, _) => Cause::RootlessGateway { said, start: instead() },
        (Place::RootlessPodman, _) => Cause::PodmanGateway { said, start: instead() },
        (Place::Here | Place::Elsewhere, None | Some(Listening::Nothing | Listening::Reachable))
            if case.is_blocked() && case.publisher.is_some() =>
        {
            let name = case.publisher.unwrap_or_default().to_owned();
            Cause::Published { said, name, to, start: instead() }
        }
        (Place::Here, Some(Listening::Nothing)) => {
            Cause::NothingListens { said, to, host: HERE.to_owned(), ss, there: HERE }
        }
        (Place::Here, Some(Listening::LoopbackOnly(ip))) => {
            Cause::LoopbackOnly { said, to, ip: *ip, start: instead() }
        }
        (Place::Here, Some(Listening::V6Only)) => Cause::V6Only { said, to, start: instead() },
        (Place::Here, Some(Listening::Only(ip))) => Cause::Only { said, to, ip: *ip, start: instead() },
        (Place::Here, Some(Listening::Waiting(waiting))) if case.outcome == Outcome::TimedOut => {
            Cause::Hangs { said, to, waiting: Waiting(*waiting), ss, start: instead(), door: door(case) }
        }
        (Place::Here, Some(Listening::Reachable | Listening::Waiting(_))) => {
            let deed = if case.outcome == Outcome::TimedOut { "drops" } else { "rejects" };
            Cause::Firewall { said, to, deed, start: instead(), door: door(case) }
        }
        _ if case.outcome == Outcome::Refused => {
            let start = case.start(Some(Target::Loopback { port: case.there() }));
            let other = case.start(Some(case.host("NAME")));
            Cause::NothingOrLoopback { said, to, ss, start, other }
        }
        _ => {
            let or = if case.outcome == Outcome::TimedOut { ", or the service hangs" } else { "" };
            Cause::FirewallThere { said, or, start: instead(), door: door(case) }
        }
    }
}

/// What lets the bridge in.
fn door(case: &Case<'_>) -> Door {
    let host = if case.place == Place::Here { HERE } else { THERE };
    firewall::open(case.filters, case.addr, case.outside, host)
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
                    && matches!(listening, Some(Listening::Reachable | Listening::Waiting(_)))
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

    /// The start that keeps all forwards, but for what these ports lead to; `target` is that of the first of
    /// their forward.
    fn start(&self, target: Option<Target>) -> String {
        let changes = target.map(|target| self.leading_to(target)).unwrap_or_default();
        (self.start)(&mended(self.forwards, &changes))
    }

    /// These ports alone, as others of their forward may be reached.
    fn leading_to(&self, target: Target) -> Vec<Forward> {
        let all = Forward { ports: self.ports, target };
        self.tried.rows().filter_map(|row| all.part(row)).collect()
    }

    /// The first port there.
    const fn there(&self) -> Port {
        self.outside.first()
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
        | Outcome::NotTried
        | Outcome::Unknown => "unreachable",
    }
}

const HERE: &str = "this host";
const THERE: &str = "that host";

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
