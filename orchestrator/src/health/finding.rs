//! What keeps builds from a target, in words, and what helps.

use std::fmt;
use std::net::IpAddr;

use explained::Explained;

use super::NoNetwork;
use super::firewall::Door;
use crate::desired::Ports;
use crate::forward::named;

/// What is the matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What happened, and why as far as that can be told.
    pub cause: Cause,
    /// Whether something is in the way, which a service that starts later does not mend.
    pub blocked: bool,
}

impl Finding {
    /// Why the target is not reached.
    #[must_use]
    pub fn why(&self) -> String {
        self.cause.to_string()
    }

    /// Whether it may be no more than that no service is there yet.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(
            self.cause,
            Cause::NothingListens { .. } | Cause::NothingOrLoopback { .. } | Cause::MetItself { .. }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        self.cause.advice().unwrap_or_default()
    }
}

/// The ports of a target that something is the matter with. Several are told beside it, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct There(pub Ports);

impl fmt::Display for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_one() { f.write_str(&named(self.0)) } else { f.write_str("these ports") }
    }
}

/// How many connections nobody has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting(pub u32);

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 connection waits"),
            n => write!(f, "{n} connections wait"),
        }
    }
}

/// The command that shows what listens on them (ss(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ss(pub Ports);

impl fmt::Display for Ss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0.first(), self.0.last());
        match self.0.is_one() {
            true => write!(f, "\"ss -ltn 'sport = :{first}'\""),
            false => write!(f, "\"ss -ltn 'sport >= :{first} and sport <= :{last}'\""),
        }
    }
}

/// Why a target is not reached. `said` is the outcome in a word, `words` what the relay said of it in
/// brackets, `start` the command that helps, which keeps all other forwards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum Cause {
    /// The engine's `daemon.json` has `"bridge": "none"`, and the backend was made without a network.
    #[error("no gateway: {lost}")]
    #[advice("{help}")]
    NoNetwork { lost: NoNetwork, help: String },
    /// The network of the backend leads nowhere else.
    #[error("no gateway: the backend's network has no default route")]
    #[advice("{anew} give the backend a new network")]
    NoRoute { anew: String },
    /// The dialer has ended, or refuses.
    #[error("the dialer on the host does not help{words}")]
    #[advice("'{start}' makes it anew")]
    Dialer { words: String, start: String },
    /// The relay has no descriptors, or its program is of a later version.
    #[error("not reached{words}")]
    #[advice("'docker assemble backend logs --proxy {ports}' tells more")]
    Unclear { words: String, ports: Ports },
    /// A name that the backend's network knows for its own.
    #[error("\"{name}\" means the backend itself{words}")]
    #[advice("'{start}' goes by an address")]
    Itself { name: String, words: String, start: String },
    /// The kernel has joined the connection to itself, since the port is free.
    #[error("the connection met itself: nothing listens on {to} there")]
    #[advice("start the service; {ss} on that host shows it once it listens")]
    MetItself { to: There, ss: Ss },
    /// The service is not up, or listens elsewhere.
    #[error("{said}: nothing listens on {to} of {host}")]
    #[advice("start the service; {ss} on {there} shows it once it listens")]
    NothingListens { said: &'static str, to: There, host: String, ss: Ss, there: &'static str },
    /// The engine's host cannot be looked at from here.
    #[error("{said}: nothing listens on {to} of the engine's host, or on its 127.0.0.1 only")]
    #[advice(
        "{ss} on that host shows what listens, and on which address; on 127.0.0.1 only: '{start}'; if \
         the service is on another machine or in a container, as in CI, by the name that the engine's containers know: \
         '{other}'"
    )]
    NothingOrLoopback { said: &'static str, to: There, ss: Ss, start: String, other: String },
    /// A filter on the loopback, or a service that hangs.
    #[error("{said}: the host's loopback does not answer on {to}{words}")]
    #[advice("{ss} on that host shows what listens, and on which address")]
    SilentLoopback { said: &'static str, to: There, words: String, ss: Ss },
    /// The name is wrong, or belongs to a service that is not up.
    #[error("{text}")]
    #[advice("see whether the name is right and its service up; '{start}' goes by an address")]
    NoSuchName { text: String, start: String },
    /// The name servers that the backend was made with do not answer, or fail.
    #[error("the name service of the backend's network does not tell{words}")]
    #[advice("{anew} give the backend the name servers that the engine has now")]
    NameService { words: String, anew: String },
    /// A host that is down, or a firewall on the way.
    #[error("{said}: there is no way from the backend's network to {to} of {host}{words}")]
    #[advice("see whether {name} is up and its firewall lets {to} in")]
    NoWay { said: &'static str, to: There, host: String, words: String, name: String },
    /// The engine's networks have IPv4 alone.
    #[error("unreachable: the backend's network has no IPv6, and {ip} is an address of IPv6")]
    #[advice(
        "give an IPv4 address of that host, or the engine's networks IPv6 (\"ipv6\" of its daemon.json)"
    )]
    NoIpv6 { ip: IpAddr },
    /// `@loopback` with Docker Desktop and its kind.
    #[error("{said}: the loopback is that of {program}'s virtual machine and not of this computer")]
    #[advice("'{start}'")]
    VirtualLoopback { said: &'static str, program: &'static str, start: String },
    /// `@loopback` with a dialer that is not on the host.
    #[error(
        "{said}: the loopback is that of the network namespace of the rootless engine and not of this host"
    )]
    #[advice("'{start}', run on this host by the user of the engine, leads to its 127.0.0.1")]
    RootlessLoopback { said: &'static str, start: String },
    /// A plain port with Docker Desktop and its kind.
    #[error("{said}: the gateway is {program}'s virtual machine and not this computer")]
    #[advice("'{start}'")]
    VirtualGateway { said: &'static str, program: &'static str, start: String },
    /// A plain port with a rootless engine.
    #[error("{said}: the gateway is the network namespace of the rootless engine and not this host")]
    #[advice("'{start}', run on this host by the user of the engine, leads to its 127.0.0.1")]
    RootlessGateway { said: &'static str, start: String },
    /// A plain port with rootless Podman.
    #[error("{said}: the gateway is the network namespace of rootless Podman and not this host")]
    #[advice("'{start}' leads to this host's 127.0.0.1")]
    PodmanGateway { said: &'static str, start: String },
    /// A container of another network has the port, and the engine's networks are kept apart.
    #[error(
        "{said}: container \"{name}\" publishes {to}, and no way leads there from the backend's network: \
         \"userland-proxy\": false of the engine keeps its networks apart, or a firewall does"
    )]
    #[advice("'{start}' goes around it")]
    Published { said: &'static str, name: String, to: There, start: String },
    /// The service listens on 127.0.0.1 or ::1 alone.
    #[error("{said}: what listens on {to} does so on {ip} only, which the gateway does not lead to")]
    #[advice("'{start}'")]
    LoopbackOnly { said: &'static str, to: There, ip: IpAddr, start: String },
    /// The service listens on `::` with `IPV6_V6ONLY`.
    #[error("{said}: what listens on {to} takes IPv6 only, and the gateway is IPv4")]
    #[advice("have the service listen on 0.0.0.0 too, or '{start}'")]
    V6Only { said: &'static str, to: There, start: String },
    /// The service listens on another address of this host alone.
    #[error("{said}: what listens on {to} does so on {ip} only")]
    #[advice("'{start}'")]
    Only { said: &'static str, to: There, ip: IpAddr, start: String },
    /// The service is there, and the packets do not reach it.
    #[error("{said}: {to} is listened on, so a firewall {deed} traffic from the engine's bridge")]
    #[advice("'{start}' goes around it; {door}")]
    Firewall { said: &'static str, to: There, deed: &'static str, start: String, door: Door },
    /// The same, on a host that cannot be looked at from here. What hangs and has as many connections waiting
    /// as it may is silent too.
    #[error("{said}: a firewall of the engine's host is in the way of traffic from its bridge{or}")]
    #[advice("'{start}' goes around it; {door}")]
    FirewallThere { said: &'static str, or: &'static str, start: String, door: Door },
    /// The service is there and has left connections waiting, as one that hangs; or the packets do not reach it.
    #[error(
        "{said}: {waiting} on {to} to be accepted, so the service hangs, or a firewall drops traffic from the \
         engine's bridge"
    )]
    #[advice(
        "see to the service; {ss} on this host shows under Recv-Q how many wait. If it accepts, '{start}' goes around \
         the firewall; {door}"
    )]
    Hangs { said: &'static str, to: There, waiting: Waiting, ss: Ss, start: String, door: Door },
}
