//! How each forward does: what its sidecar tells, and why its target is not reached.
//!
//! The only place where the machine's own tables are read for that; what they mean is decided in
//! the pure room `health`.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::engine::{Engine, EngineError, EngineFacts};
use crate::forward::Forward;
use crate::health::{
    self, Answer, Case, Finding, Listening, Outcome, Place, Report, Via, explain, listeners, listening, plain,
};
use crate::observed::{Container, Sidecar, State};
use crate::spec::HEALTH_COMMAND;

/// How long a sidecar may take to answer. Its program gives up its relay and the target after two
/// seconds each; the rest is for an engine that starts it under load.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// What to ask of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Its counters.
    Counters,
    /// Whether its target accepts, too.
    Target,
    /// What the target speaks, too.
    Protocol,
}

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
    pub fn report(&self) -> Option<&Report> {
        match &self.answer {
            Some(Answer::Told(report)) => Some(report),
            _ => None,
        }
    }
}

/// Whether a sidecar runs, but in the network of an earlier run of its backend: it forwards
/// nothing.
#[must_use]
pub fn is_stale(backend: &Container, sidecar: &Container) -> bool {
    sidecar.state == State::Running && backend.state == State::Running && sidecar.started_before(backend)
}

/// Looks at all forwards at once. Never an error and never longer than `limit` and a moment: what
/// could not be found out is part of the answer.
pub async fn examine<E: Engine>(
    engine: &E,
    facts: Option<&EngineFacts>,
    backend: &Container,
    sidecars: &[Sidecar],
    question: impl Fn(&Sidecar) -> Question,
    limit: Duration,
) -> Vec<Examined> {
    let look = async |sidecar: &Sidecar| {
        let stale = is_stale(backend, &sidecar.container);
        let asked = sidecar.container.state == State::Running && !stale;
        let answer = if asked { Some(ask(engine, sidecar, question(sidecar), limit).await) } else { None };
        Examined { sidecar: sidecar.clone(), stale, answer, finding: None }
    };
    let mut forwards = join_all(sidecars.iter().map(look)).await;
    let all: Vec<Forward> = sidecars.iter().filter_map(Sidecar::forward).collect();
    let facts = facts.cloned().unwrap_or_default();
    for forward in &mut forwards {
        forward.finding =
            forward.report().and_then(|report| finding(forward, report, &facts, engine.endpoint(), &all));
    }
    forwards
}

/// Asks one sidecar.
pub async fn ask<E: Engine>(engine: &E, sidecar: &Sidecar, question: Question, limit: Duration) -> Answer {
    let port = sidecar.port.to_string();
    let mut command = vec![HEALTH_COMMAND[0], "status", "--port", &port, "--format", "json"];
    command.extend::<&[&str]>(match question {
        Question::Counters => &[],
        Question::Target => &["--probe"],
        Question::Protocol => &["--probe", "--speak"],
    });
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

fn finding(
    forward: &Examined,
    report: &Report,
    facts: &EngineFacts,
    endpoint: &str,
    forwards: &[Forward],
) -> Option<Finding> {
    let (attempt, (via, to)) = (report.probe.as_ref()?, report.way()?);
    let addr = report.addr().filter(|_| via == Via::Gateway);
    let place = Place::of(
        &facts.security_options,
        &facts.operating_system,
        &facts.name,
        endpoint.starts_with("unix:") && addr.is_some_and(is_ours),
    );
    let wanted = place == Place::Here && attempt.result != Outcome::Accepted;
    let found = if wanted { addr.and_then(|gateway| on_this_host(to, gateway)) } else { None };
    explain(&Case {
        port: forward.sidecar.port,
        via,
        to,
        addr,
        outcome: attempt.result,
        text: attempt.text.as_deref(),
        place,
        listening: found.as_ref(),
        forwards,
    })
}

/// Whether an address belongs to the network namespace of this process: within a container that
/// was given the engine's socket the host's tables are not to be seen.
fn is_ours(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// How a port of this host is listened on; `None` where there are no tables to tell.
fn on_this_host(port: u16, gateway: IpAddr) -> Option<Listening> {
    let mut sockets = listeners(&std::fs::read_to_string("/proc/net/tcp").ok()?);
    // Without IPv6 there is no such table.
    sockets.extend(listeners(&std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default()));
    let v6only =
        std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|text| text.trim() == "1");
    Some(listening(&sockets, port, gateway, v6only))
}
