//! How each forward does: what its sidecar tells, and why its target is not reached.
//!
//! The only place where the machine's own tables are read for that; what they mean is decided in
//! the pure room `health`.

mod surroundings;

pub use surroundings::place;

use std::cell::OnceCell;
use std::time::Duration;

use assemble_contract::argv::{self, Question};
use assemble_contract::{Outcome, Status, TargetHost};
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::silence::Silence;
use crate::desired::ContainerName;
use crate::engine::{Engine, EngineError, EngineFacts};
use crate::forward::PortSet;
use crate::health::{
    self, Answer, Finding, StartWith, UNSEEN, explain, has_no_route, plain, remedied, target_now, tried,
};
use crate::observed::{Container, Observed, Sidecar, State};
use surroundings::{Group, Surroundings, filters};

/// How long a sidecar may take to answer. Its program gives up its relay after two seconds, and the target
/// after two more, or all ports of a range after four; the rest is for an engine that starts it under load.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);

/// How long one has here: what was asked for, else the usual, but no longer than the engine has for an answer of its
/// own. Either way with the time of a login, with which each of the calls may begin that it takes.
pub fn answer_limit<E: Engine>(engine: &E, asked: Option<Duration>) -> Duration {
    asked.unwrap_or_else(|| ANSWER_LIMIT.min(engine.patience())).saturating_add(engine.slack())
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
    /// Why its target is not reached, each time with the ports that this is so for: one at most where it has
    /// one port.
    pub findings: Vec<Found>,
}

/// How it becomes known how a sidecar does.
#[derive(Clone, Debug)]
pub enum Ask {
    /// It is asked this.
    Now(Question),
    /// It has told a moment ago.
    Answered(Answer),
}

impl From<Question> for Ask {
    fn from(question: Question) -> Self {
        Self::Now(question)
    }
}

/// Something that keeps builds from some ports of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// These ports, as builds see them.
    pub ports: PortSet,
    /// What.
    pub finding: Finding,
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

    /// How many ports of its target accept.
    #[must_use]
    pub fn accepting(&self) -> usize {
        self.count(Outcome::Accepted)
    }

    /// How many ports of its target were not tried, as the others took the time.
    #[must_use]
    pub fn not_tried(&self) -> usize {
        self.count(Outcome::NotTried)
    }

    fn count(&self, outcome: Outcome) -> usize {
        let tried = self.report().into_iter().flat_map(|report| tried(report, self.sidecar.ports));
        tried.filter(|(_, probe)| probe.result == outcome).count()
    }

    /// What keeps builds from ports of it. Where some of a range accept, nothing needs to listen on the
    /// others: whoever forwards a range has services in mind that come and go.
    pub fn troubles(&self) -> impl Iterator<Item = &Found> {
        let is_used = !self.sidecar.ports.is_one() && self.accepting() > 0;
        self.findings.iter().filter(move |found| !(is_used && found.finding.is_idle()))
    }

    /// What these of its ports lead to, in words.
    #[must_use]
    pub fn target(&self, report: &Status, ports: &PortSet) -> String {
        let first = report.target().map_or_else(|| self.sidecar.ports.first(), |target| target.port);
        target_now(report, &ports.outside(self.sidecar.ports, first))
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

/// Looks at all forwards; `start` is the command that has these forwards, `anew` what makes the backend anew.
/// Never an error, and no longer than `limit` and a moment for every few of them: what could not be found out is
/// part of the answer.
pub fn examine<E: Engine, A: Into<Ask>>(
    silence: &Silence<'_, E>,
    facts: Option<&EngineFacts>,
    backend: &Container,
    (observed, start, anew): (&Observed, &StartWith<'_>, &str),
    question: impl Fn(&Sidecar) -> A,
) -> impl Future<Output = Vec<Examined>> {
    // It is large, and those that wait for it have it among much else.
    Box::pin(async move {
        let Silence { engine, limit, .. } = *silence;
        let look = async |sidecar: &Sidecar| {
            let stale = sidecar.is_stale(backend);
            let answer = if sidecar.container.state == State::Running && !stale {
                Some(match question(sidecar).into() {
                    Ask::Now(question) => silence.ask(sidecar, question).await,
                    Ask::Answered(answer) => answer,
                })
            } else {
                None
            };
            Examined { sidecar: sidecar.clone(), stale, answer, findings: Vec::new() }
        };
        let mut forwards = gradually(engine.at_once(), observed.sidecars.iter().map(look)).await;
        let mut surroundings = Surroundings {
            facts: facts.cloned().unwrap_or_default(),
            is_local: engine.endpoint().starts_with("unix:"),
            host: OnceCell::new(),
            filters: UNSEEN.clone(),
            isolated: lost(engine, backend, &forwards, limit).await,
            start,
            anew,
        };
        let mut groups: Vec<Vec<Group<'_>>> = forwards
            .iter()
            .map(|forward| {
                forward.report().map_or_else(Vec::new, |report| surroundings.groups(&forward.sidecar, report))
            })
            .collect();
        let look = async |group: &mut Group<'_>| group.publisher = publisher(engine, group, limit).await;
        gradually(engine.at_once(), groups.iter_mut().flatten().map(look)).await;
        surroundings.filters = filters(&groups, limit).await;
        let cases: Vec<_> = groups.iter().flatten().map(|group| surroundings.case(group, &[])).collect();
        let mended = remedied(&observed.wanted(), &cases);
        let found: Vec<Vec<_>> = groups
            .iter()
            .map(|groups| {
                let explained = groups.iter().filter_map(|group| {
                    let finding = explain(&surroundings.case(group, &mended))?;
                    Some(Found { ports: group.tried.clone(), finding })
                });
                explained.collect()
            })
            .collect();
        for (forward, findings) in forwards.iter_mut().zip(found) {
            forward.findings = findings;
        }
        forwards
    })
}

/// Which container publishes ports to which no way leads: the first of them in a row, as what publishes a
/// port between has nothing to do with them.
async fn publisher<E: Engine>(engine: &E, group: &Group<'_>, limit: Duration) -> Option<ContainerName> {
    let is_out = matches!(group.probe.result, Outcome::TimedOut | Outcome::Unreachable);
    if !is_out || group.via != TargetHost::Gateway {
        return None;
    }
    timeout(limit, engine.publisher(group.outside().rows().next()?)).await.ok()?.ok()?
}

/// Whether no forward finds a gateway because the backend has no network.
async fn lost<E: Engine>(engine: &E, backend: &Container, forwards: &[Examined], limit: Duration) -> bool {
    let is_lost = |forward: &Examined| {
        let mut tried = forward.report().into_iter().flat_map(|report| tried(report, forward.sidecar.ports));
        tried.any(|(_, probe)| probe.result == Outcome::NoGateway)
    };
    forwards.iter().any(is_lost) && is_isolated(engine, backend, limit).await
}

/// Whether a running backend has no network; one that tells nothing, or not within `limit`, is taken to
/// have one.
pub async fn is_isolated<E: Engine>(engine: &E, backend: &Container, limit: Duration) -> bool {
    // The second table is not there without IPv6, which is told after the first.
    let command = ["cat", "/proc/net/route", "/proc/net/ipv6_route"];
    let told = timeout(limit, engine.exec(&backend.id, &command)).await;
    matches!(told, Ok(Ok(told)) if has_no_route(&String::from_utf8_lossy(&told.output)))
}

/// Asks one sidecar. An older one that serves several ports does not tell what some of them speak, but all else.
pub async fn ask<E: Engine>(engine: &E, sidecar: &Sidecar, question: Question, limit: Duration) -> Answer {
    let is_some = matches!(question, Question::Protocol(_)) && !sidecar.ports.is_one();
    match ask_once(engine, sidecar, &question, limit).await {
        Answer::Old if is_some => ask_once(engine, sidecar, &Question::Target, limit).await,
        answer => answer,
    }
}

impl<E: Engine> Silence<'_, E> {
    /// Asks a sidecar through an engine that is not known to be silent. That none answers is laid on one that is.
    pub async fn ask(&self, sidecar: &Sidecar, question: Question) -> Answer {
        if !self.is_known() {
            let answer = ask(self.engine, sidecar, question, self.limit).await;
            if !matches!(answer, Answer::Silent(_)) || !self.is_there().await {
                return answer;
            }
        }
        failed(&self.error())
    }
}

async fn ask_once<E: Engine>(engine: &E, sidecar: &Sidecar, question: &Question, limit: Duration) -> Answer {
    let command = argv::status(sidecar.ports, question);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    match timeout(limit, engine.exec(&sidecar.container.id, &command)).await {
        Ok(Ok(said)) => health::read(said.status, &said.output),
        // An engine says so with status 400 when there is no such program.
        Ok(Err(EngineError::Refused { message, .. })) if message.contains("executable file not found") => {
            Answer::Foreign
        }
        Ok(Err(EngineError::Timeout { .. })) | Err(_) => Answer::Silent(limit),
        Ok(Err(error)) => failed(&error),
    }
}

/// That the engine is why a sidecar cannot be asked.
fn failed(error: &EngineError) -> Answer {
    let why = plain(&error.to_string());
    match error.hint() {
        Some(hint) => Answer::Refused { why, help: hint.to_string() },
        None => Answer::Failed(why),
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
