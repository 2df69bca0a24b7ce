//! What builds may be using is not taken from them unasked.

use std::time::Duration;

use anyhow::Result;
use assemble_contract::Ports;
use assemble_contract::argv::Question;
use docker_plugin::cli::Refusal;
use explained::Explained;
use tokio::time::{Instant, sleep, timeout};

use super::Session;
use super::health::{answer_limit, gradually};
use super::silence::Silence;
use crate::buildkit::{Build, BuildkitError, Client};
use crate::desired::ContainerName;
use crate::engine::Engine;
use crate::forward::asked::Asked;
use crate::forward::{self, Forward, word};
use crate::health::{Answer, plain};
use crate::observed::{Container, Observed, Sidecar};
use crate::plan::{Cuts, Plan};

/// What to do where something is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenInUse {
    /// Nothing but say so.
    #[default]
    Refuse,
    /// Wait until it is not any more.
    Wait,
    /// Take it all the same.
    Force,
}

/// How often it is looked at while it is waited for.
const PAUSE: Duration = Duration::from_millis(500);

/// How many builds are told by name.
const NAMED: usize = 3;

/// Something that would be taken from builds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
pub enum InUse {
    /// `stop`, or a start with `--recreate`, while something is built.
    #[error("{builds} in flight on backend \"{name}\"; {ways}", ways = WAYS)]
    #[advice = "wait, or one of the two"]
    Backend {
        /// The builds.
        builds: String,
        /// The backend.
        name: ContainerName,
    },
    /// `port rm`, or a start that names other ports or changes where one leads, while something is built.
    #[error("{builds} in flight and may need {ports}; {ways}")]
    #[advice = "wait, or one of these; `port add` adds ports and leaves all others alone"]
    Forwards {
        /// The builds.
        builds: String,
        /// The ports, with how many connections they have.
        ports: String,
        /// What can be done.
        ways: String,
    },
    /// The same on a BuildKit before 0.11, which does not tell what it builds.
    #[error("in use: {ports}; {ways}")]
    #[advice = "wait, or one of these; `port add` adds ports and leaves all others alone"]
    Connections {
        /// The ports, with how many connections they have.
        ports: String,
        /// What can be done.
        ways: String,
    },
    /// `--wait` with `--timeout`.
    #[error("{error}; it was waited for {seconds} s")]
    #[advice = "a longer `--timeout`"]
    Late {
        /// What is in use.
        error: Box<Self>,
        /// How long it was waited for.
        seconds: u64,
    },
}

const WAYS: &str = "'--wait' waits until that is over, '--force' does it now";

/// Both of these options.
#[derive(Debug, thiserror::Error, Explained)]
#[error("conflicting options: cannot specify both --force and --wait")]
#[advice = "give one of them"]
#[status = "125"]
pub struct ForceAndWait;

impl InUse {
    /// What is in use, without what can be done about it.
    fn what(&self) -> String {
        let whole = self.to_string();
        let ways = match self {
            Self::Forwards { ways, .. } | Self::Connections { ways, .. } => ways,
            Self::Backend { .. } | Self::Late { .. } => WAYS,
        };
        whole.strip_suffix(&format!("; {ways}")).unwrap_or(&whole).to_owned()
    }
}

impl WhenInUse {
    /// What two options come to together.
    pub(super) fn of(force: bool, wait: bool) -> Result<Self, Refusal> {
        match (force, wait) {
            (false, false) => Ok(Self::Refuse),
            (false, true) => Ok(Self::Wait),
            (true, false) => Ok(Self::Force),
            (true, true) => Err(Refusal::Options(ForceAndWait.to_string())),
        }
    }

    /// Fails where the plan takes away what may be in use, unless that is wanted.
    ///
    /// # Errors
    /// That it is in use.
    pub async fn check<E: Engine>(
        self,
        session: Session<'_, E>,
        plan: &Plan,
        observed: &Observed,
    ) -> Result<(), InUse> {
        match self {
            Self::Force => Ok(()),
            Self::Refuse | Self::Wait => found(session, plan, observed).await.map_or(Ok(()), Err),
        }
    }

    /// Does the work; where something was in use and that is to be waited for, again when that is over.
    /// Nothing of the work is kept meanwhile, so that others get on.
    ///
    /// # Errors
    /// Its own.
    pub async fn obey<E: Engine, T>(
        self,
        session: Session<'_, E>,
        work: impl AsyncFn() -> Result<T>,
    ) -> Result<T> {
        let began = Instant::now();
        let mut told = None;
        loop {
            let error = match work().await {
                Err(error) if self == Self::Wait => error.downcast::<InUse>()?,
                done => return done,
            };
            if session.limit.is_some_and(|limit| began.elapsed() >= limit) {
                let seconds = began.elapsed().as_secs();
                return Err(InUse::Late { error: Box::new(error), seconds }.into());
            }
            if told.as_ref() != Some(&error) {
                session.console.note(format_args!("Waiting: {}", error.what()));
                told = Some(error);
            }
            let waiting = async {
                over(session, began).await;
                Ok(())
            };
            session.unless_cancelled(waiting).await?;
        }
    }
}

/// Waits until what is built now is done, or until the limit. Where that is not told, a moment.
async fn over<E: Engine>(session: Session<'_, E>, began: Instant) {
    let is_late = || session.limit.is_some_and(|limit| began.elapsed() >= limit);
    sleep(PAUSE).await;
    let Ok(backend) = session.running_backend().await else { return };
    let Ok(client) = Client::connect(session.engine, &backend.id).await else { return };
    while !is_late()
        && client.builds().await.is_ok_and(|builds| builds.is_some_and(|builds| !builds.is_empty()))
    {
        sleep(PAUSE).await;
    }
}

/// What the plan takes away and may be in use. What cannot be found out is taken to be in no use.
async fn found<E: Engine>(session: Session<'_, E>, plan: &Plan, observed: &Observed) -> Option<InUse> {
    let cuts = plan.cuts(observed);
    if cuts == Cuts::default() {
        return None;
    }
    let builds = builds(session.engine, observed.backend.as_ref()?).await;
    if builds.as_ref().is_some_and(Vec::is_empty) {
        // What is open still is what BuildKit keeps for the next build.
        return None;
    }
    let silence = Silence::new(session.engine, session.user, answer_limit(session.engine, None));
    let look = async |sidecar: &Sidecar| match silence.ask(sidecar, Question::Counters).await {
        Answer::Told(report) => (sidecar.ports, report.active),
        _ => (sidecar.ports, 0),
    };
    let cut = cuts.removed.iter().chain(&cuts.replaced).copied();
    let open = gradually(session.engine.at_once(), cut.map(look)).await;
    judge(&cuts, builds.as_deref(), &open)
}

/// `None` where that is not told.
async fn builds<E: Engine>(engine: &E, backend: &Container) -> Option<Vec<Build>> {
    let asking = async { Client::connect(engine, &backend.id).await?.builds().await };
    let told: Result<_, BuildkitError> = timeout(answer_limit(engine, None), asking).await.ok()?;
    told.inspect_err(|error| tracing::debug!(%error, "the builds are not known")).ok().flatten()
}

/// What is in use, where there are builds or nobody knows; `open` has the connections of the ports.
fn judge(cuts: &Cuts<'_>, builds: Option<&[Build]>, open: &[(Ports, u64)]) -> Option<InUse> {
    // A build may come to need a port that it has not used yet. One that is there again at once, it will find.
    let goes = |ports: Ports| builds.is_some() && cuts.removed.iter().any(|sidecar| sidecar.ports == ports);
    let used: Vec<_> = open.iter().filter(|(ports, active)| *active > 0 || goes(*ports)).collect();
    let ports = || {
        let word = |(ports, active): &&(Ports, u64)| match (forward::named(*ports), active) {
            (ports, 0) => ports,
            (ports, 1) => format!("{ports} (1 connection)"),
            (ports, n) => format!("{ports} ({n} connections)"),
        };
        used.iter().map(word).collect::<Vec<_>>().join(", ")
    };
    match (builds, cuts.backend) {
        (Some(builds), Some(backend)) => {
            Some(InUse::Backend { builds: named(builds), name: backend.name.clone() })
        }
        _ if used.is_empty() => None,
        (Some(builds), None) => {
            Some(InUse::Forwards { builds: named(builds), ports: ports(), ways: ways(&cuts.beside) })
        }
        (None, _) => Some(InUse::Connections { ports: ports(), ways: ways(&cuts.beside) }),
    }
}

/// What can be done, where these could come beside what is in use.
fn ways(beside: &[Forward]) -> String {
    if beside.is_empty() {
        return WAYS.to_owned();
    }
    let words = beside.iter().map(|forward| word(&Asked::from(forward))).collect::<Vec<_>>().join(" ");
    format!("'docker assemble backend port add {words}' leaves that alone, {WAYS}")
}

/// By what a person knows a build.
pub(super) fn name(build: &Build) -> String {
    format!("\"{}\"", plain(build.image.as_ref().unwrap_or(&build.id)))
}

/// Builds, with the verb behind them.
fn named(builds: &[Build]) -> String {
    let names = builds.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    match builds.len() {
        1 => format!("build {names} is"),
        all if all > NAMED => format!("builds {names} and {} more are", all - NAMED),
        _ => format!("builds {names} are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builds(names: &[&str]) -> Vec<Build> {
        let build = |name: &&str| Build { id: (*name).to_owned(), image: None };
        names.iter().map(build).collect()
    }

    #[test]
    fn what_could_come_beside_is_one_of_the_ways() {
        let range = Forward::plain("8010-8019".parse::<Ports>().unwrap());
        let error = InUse::Connections { ports: "ports 8000-8009".to_owned(), ways: ways(&[range]) };
        assert_eq!(
            error.to_string(),
            "in use: ports 8000-8009; 'docker assemble backend port add 8010-8019' leaves that alone, \
             '--wait' waits until that is over, '--force' does it now"
        );
        assert_eq!(error.what(), "in use: ports 8000-8009");
        assert_eq!(ways(&[]), WAYS);
    }

    #[test]
    fn a_few_builds_are_named() {
        assert_eq!(named(&builds(&["a"])), "build \"a\" is");
        assert_eq!(named(&builds(&["a", "b"])), "builds \"a\", \"b\" are");
        assert_eq!(named(&builds(&["a", "b", "c", "d", "e"])), "builds \"a\", \"b\", \"c\" and 2 more are");
        let hostile = Build { id: "id".to_owned(), image: Some("a\u{1b}[2Jb".to_owned()) };
        assert!(!named(&[hostile]).contains('\u{1b}'));
    }
}
