//! How each forward does: what its sidecar tells, and why its target is not reached.
//!
//! The only place where the machine's own tables are read for that; what they mean is decided in
//! the pure room `health`.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use assemble_contract::argv::{self, Question};
use assemble_contract::{Outcome, Status, TargetHost};
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::desired::{ContainerName, Port};
use crate::dialer;
use crate::engine::{Engine, EngineError, EngineFacts};
use crate::health::{
    self, Answer, Case, Chain, Finding, Listening, Place, StartWith, closing_chains, explain, has_no_route,
    listeners, listening, plain, remedy,
};
use crate::labels;
use crate::observed::{Container, Observed, Sidecar, State};

/// How long a sidecar may take to answer. Its program gives up its relay and the target after two
/// seconds each; the rest is for an engine that starts it under load.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(8);

/// One forward, looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// The container.
    pub sidecar: Sidecar,
    /// Whether it serves a network that its backend has left.
    pub stale: bool,
    /// What it says; `None` when it does not run or is stale.
    pub answer: Option<Answer>,
    /// Why its target is not reached.
    pub finding: Option<Finding>,
}

impl Examined {
    /// What the sidecar told.
    #[must_use]
    pub fn report(&self) -> Option<&Status> {
        match &self.answer {
            Some(Answer::Told(report)) => Some(report),
            _ => None,
        }
    }
}

/// All of the work, in its order, a few at a time. For what has a deadline of its own, which it must
/// not spend on waiting for its turn with the engine.
pub async fn gradually<T>(at_once: usize, work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let turns = Semaphore::new(at_once);
    let in_turn = async |work| {
        let _turn = turns.acquire().await;
        work.await
    };
    join_all(work.map(in_turn)).await
}

/// Looks at all forwards; `start` is the command that has these forwards. Never an error, and no longer than `limit` and a moment for every few of
/// them: what could not be found out is part of the answer.
pub async fn examine<E: Engine>(
    engine: &E,
    facts: Option<&EngineFacts>,
    backend: &Container,
    (observed, start): (&Observed, &StartWith<'_>),
    question: impl Fn(&Sidecar) -> Question,
    limit: Duration,
) -> Vec<Examined> {
    let look = async |sidecar: &Sidecar| {
        let stale = sidecar.is_stale(backend);
        let asked = sidecar.container.state == State::Running && !stale;
        let answer = if asked { Some(ask(engine, sidecar, question(sidecar), limit).await) } else { None };
        Examined { sidecar: sidecar.clone(), stale, answer, finding: None }
    };
    let mut forwards = gradually(engine.at_once(), observed.sidecars.iter().map(look)).await;
    let surroundings = Surroundings {
        facts: facts.cloned().unwrap_or_default(),
        is_local: engine.endpoint().starts_with("unix:"),
        host: OnceCell::new(),
        filters: OnceCell::new(),
        publishers: publishers(engine, &forwards, limit).await,
        isolated: lost(engine, backend, &forwards, limit).await,
        start,
    };
    let kept = observed.wanted();
    // Each command that changes a target changes all that want it: whoever tries one after the
    // other would take the first change back with the second.
    let mut mended = kept.clone();
    for forward in &forwards {
        let remedy = surroundings.case(forward, |case| remedy(&case)).flatten();
        let own = mended.iter_mut().find(|own| own.port == forward.sidecar.port);
        if let (Some(target), Some(own)) = (remedy, own) {
            own.target = target;
        }
    }
    for forward in &mut forwards {
        forward.finding = surroundings
            .case(forward, |case| {
                let forwards = if remedy(&case).is_some() { &mended } else { &kept };
                explain(&Case { forwards, ..case })
            })
            .flatten();
    }
    forwards
}

/// Which containers publish the ports to which no way leads.
async fn publishers<E: Engine>(
    engine: &E,
    forwards: &[Examined],
    limit: Duration,
) -> BTreeMap<u16, ContainerName> {
    let blocked = |report: &Status| {
        let attempt = report.probe.as_ref()?;
        let target = report.target()?;
        let out = matches!(attempt.result, Outcome::TimedOut | Outcome::Unreachable);
        (out && target.host == TargetHost::Gateway).then_some(target.port)
    };
    let ports: BTreeSet<Port> = forwards.iter().filter_map(Examined::report).filter_map(blocked).collect();
    let look = async |port: Port| {
        let name = timeout(limit, engine.publisher(port)).await.ok()?.ok()??;
        Some((port.get(), name))
    };
    gradually(engine.at_once(), ports.into_iter().map(look)).await.into_iter().flatten().collect()
}

/// Whether no forward finds a gateway because the backend has no network.
async fn lost<E: Engine>(engine: &E, backend: &Container, forwards: &[Examined], limit: Duration) -> bool {
    let is_lost =
        |report: &Status| report.probe.as_ref().is_some_and(|probe| probe.result == Outcome::NoGateway);
    forwards.iter().filter_map(Examined::report).any(is_lost) && is_isolated(engine, backend, limit).await
}

/// Whether a running backend has no network; one that tells nothing, or not within `limit`, is taken to
/// have one.
pub async fn is_isolated<E: Engine>(engine: &E, backend: &Container, limit: Duration) -> bool {
    // The second table is not there without IPv6, which is told after the first.
    let command = ["cat", "/proc/net/route", "/proc/net/ipv6_route"];
    let told = timeout(limit, engine.exec(&backend.id, &command)).await;
    matches!(told, Ok(Ok(told)) if has_no_route(&String::from_utf8_lossy(&told.output)))
}

/// Asks one sidecar.
pub async fn ask<E: Engine>(engine: &E, sidecar: &Sidecar, question: Question, limit: Duration) -> Answer {
    let command = argv::status(sidecar.port.into(), question);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    match timeout(limit, engine.exec(&sidecar.container.id, &command)).await {
        Ok(Ok(said)) => health::read(said.status, &said.output),
        // An engine says so with status 400 when there is no such program.
        Ok(Err(EngineError::Refused { message, .. })) if message.contains("executable file not found") => {
            Answer::Foreign
        }
        Ok(Err(EngineError::Timeout { .. })) | Err(_) => Answer::Silent(limit),
        Ok(Err(error)) => Answer::Failed(plain(&error.to_string())),
    }
}

/// What all forwards have in common.
struct Surroundings<'a> {
    facts: EngineFacts,
    /// Whether the engine's socket is one of this machine.
    is_local: bool,
    /// Read when first needed, and once: on a busy host the tables are long.
    host: OnceCell<Option<Tables>>,
    /// The same of what filters.
    filters: OnceCell<Vec<Chain>>,
    /// Who publishes the ports that are not reached.
    publishers: BTreeMap<u16, ContainerName>,
    /// Whether the backend has no network.
    isolated: bool,
    /// The command with these forwards, and all else as it is.
    start: &'a StartWith<'a>,
}

impl Surroundings<'_> {
    /// What is known of a forward that was tried, for `judge`.
    fn case<T>(&self, forward: &Examined, judge: impl FnOnce(Case<'_>) -> T) -> Option<T> {
        let report = forward.report()?;
        let (attempt, target) = (report.probe.as_ref()?, report.target()?);
        let (via, to) = (&target.host, target.port.get());
        let addr = report.addr().filter(|_| *via == TargetHost::Gateway);
        let place = match place(&self.facts, self.is_local && addr.is_some_and(is_ours)) {
            // Its dialer is not in that namespace.
            Place::Rootless if forward.sidecar.container.labels.contains_key(labels::DIALER_DIRECTORY) => {
                Place::Elsewhere
            }
            place => place,
        };
        let wanted = place == Place::Here && attempt.result != Outcome::Accepted;
        let found = addr.filter(|_| wanted).and_then(|gateway| self.on_this_host(to, gateway));
        Some(judge(Case {
            port: forward.sidecar.port,
            via,
            to,
            addr,
            outcome: attempt.result,
            text: attempt.text.as_deref(),
            place,
            listening: found.as_ref(),
            publisher: self.publishers.get(&to).map(|name| name.0.as_str()),
            filters: if found == Some(Listening::Reachable) {
                self.filters.get_or_init(filters)
            } else {
                &[]
            },
            isolated: self.isolated,
            forwards: &[],
            start: self.start,
        }))
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

/// What filters on this host; nothing where it may not be looked at.
fn filters() -> Vec<Chain> {
    let told = Command::new("nft").args(["--json", "list", "ruleset"]).stdin(Stdio::null()).output();
    told.map(|told| closing_chains(&told.stdout)).unwrap_or_default()
}

/// Who listens on this host.
struct Tables {
    sockets: Vec<SocketAddr>,
    /// `net.ipv6.bindv6only`.
    v6only: bool,
}

impl Tables {
    fn read() -> Option<Self> {
        let mut sockets = listeners(&std::fs::read_to_string("/proc/net/tcp").ok()?);
        // Without IPv6 there is no such table.
        sockets.extend(listeners(&std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default()));
        let v6only =
            std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|text| text.trim() == "1");
        Some(Self { sockets, v6only })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn many_are_asked_a_few_at_a_time_and_answer_in_their_order() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let answer = async |number: usize| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            // The later ones are done first.
            for _ in number..100 {
                tokio::task::yield_now().await;
            }
            now.set(now.get() - 1);
            number
        };
        let numbers = gradually(7, (0..100).map(answer)).await;
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert_eq!(most.get(), 7);
    }
}
