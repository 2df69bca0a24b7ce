//! `backend start`: makes the backend what the user wants, with the least that it takes.

mod bar;
mod blocked;
mod certificates;
mod chosen;
mod command;
mod daemon;
mod error;
mod failed;
mod last_start;
mod names;
mod next;
mod options;
mod registries;
mod report;
pub(in crate::commands) mod restore;
mod round_error;
mod waiting;
mod warning;
mod words;

pub use blocked::{warn_of_blocked, warn_of_proxies};
pub use certificates::certificates_of_the_engine;
pub(in crate::commands) use chosen::DRIVER_OPT;
pub use chosen::DriverOptionError;
pub(in crate::commands) use command::attain;
pub use command::{Around, How, command, dialed};
pub use daemon::{Daemon, FileError};
pub use error::StartError;
pub(in crate::commands) use last_start::{START, again, more_options, proxies_in_vain};
pub use names::{NameError, resolve};
pub(in crate::commands) use options::Options;
pub use options::{NoVolumeName, NothingLoads, Start};
pub use registries::RegistryError;
pub use waiting::READY_LIMIT;
pub use warning::StartWarning;
pub(in crate::commands) use words::StartLine;

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use docker_plugin::output::Progress;

use super::{Cancelled, Session, WhenInUse, damage, observe};
use crate::apply::{Failure, Ledger, Made, Origin, ROUNDS, apply, pause};
use crate::desired::Desired;
use crate::engine::{Engine, EngineError};
use crate::observed::{ContainerId, Observed};
use crate::plan::action::Action;
use crate::plan::{Plan, plan, prepare, way_back};
use crate::ready::{ReadyError, Told};
use failed::{explain, quote, take_back};
use report::{Reporter, mention};
use round_error::RoundError;
use waiting::{settled, wait};

/// Says what [`run`] would do, one line for each action, and changes nothing.
///
/// # Errors
/// Those of the engine, and a wish that cannot be had.
pub async fn preview<E: Engine>(session: Session<'_, E>, desired: &Desired, in_use: WhenInUse) -> Result<()> {
    let Session { engine, console, .. } = session;
    let observed = observe::all(engine, desired).await?;
    let first = prepare(desired, &observed);
    let observed = observed.after(&first);
    let plan = plan(desired, &observed)?;
    mention(session, &plan, desired, &observed);
    if let Err(why) = in_use.check(session, &plan, &observed).await {
        console.note(format_args!("Not now: {why}"));
    }
    for action in first.actions().chain(plan.actions()) {
        console.line(format_args!("Would {action}"))?;
    }
    if plan.is_empty() {
        console.line(nothing_to_do(desired))?;
    }
    Ok(())
}

fn nothing_to_do(desired: &Desired) -> String {
    let done = if desired.forwards_only { "forwards all of these already" } else { "is already running" };
    format!("Backend \"{}\" {done}", desired.user.backend())
}

/// Runs the command. `archive` gives the built-in sidecar image. A wish to end is heard wherever it
/// waits.
///
/// # Errors
/// Whatever keeps the backend from serving. What this run made is removed again then, and what it
/// set aside is put back; what could not be is named in the error.
pub async fn run<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    progress: Progress,
    archive: &(dyn Fn() -> Bytes + Sync),
) -> Result<()> {
    let how = How { progress, ..How::default() };
    run_and(session, desired, how, archive, async || ()).await.map(drop)
}

/// What a start has come to.
#[derive(Clone, Debug)]
pub struct Served {
    /// What serves.
    pub state: Observed,
    /// What its sidecars told already.
    pub told: Told,
    /// Whether the backend is new, and in nobody's place.
    pub is_first: bool,
}

/// The same, and returns what serves then. `served` is done as soon as all of it does, and to its end even
/// where the user gives up then: from that moment nothing is taken back.
///
/// # Errors
/// Those of [`run`].
pub async fn run_and<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    how: How,
    archive: &(dyn Fn() -> Bytes + Sync),
    served: impl AsyncFn(),
) -> Result<Served> {
    let ledger = Ledger::default();
    let report = Reporter::new(session.console, how.progress);
    let run = Run { session, desired, in_use: how.in_use, archive, report: &report, ledger: &ledger, served };
    let heard = || {
        session.console.settle();
        session.console.note(if ledger.is_kept() {
            "Cancelled; the backend serves, and another start removes what was to go"
        } else {
            "Cancelled; what this start made is removed again"
        });
    };
    let done = session.cancel.heed(run.to_the_end(), heard, || ledger.is_settled()).await;
    session.console.settle();
    let error = match done {
        Ok(Ok(serves)) => return Ok(serves),
        Ok(Err(error)) => {
            // A step that was about to begin was the first to hear of it.
            if error.is::<Cancelled>() {
                heard();
            }
            error
        }
        Err(cause) => Cancelled(cause).into(),
    };
    Err(take_back(session, &ledger.entries(), error).await)
}

/// One start.
struct Run<'a, E, S> {
    session: Session<'a, E>,
    desired: &'a Desired,
    in_use: WhenInUse,
    archive: &'a (dyn Fn() -> Bytes + Sync),
    report: &'a Reporter<'a>,
    ledger: &'a Ledger,
    served: S,
}

impl<E: Engine, S: AsyncFn()> Run<'_, E, S> {
    async fn to_the_end(&self) -> Result<Served> {
        let (session, desired, ledger) = (self.session, self.desired, self.ledger);
        let mut look = Some(self.prepare().await?);
        let mut round = 1;
        loop {
            let observed = match look.take() {
                Some(observed) => observed,
                None => settled(session, desired).await?,
            };
            let plan = plan(&self.wish(&observed), &observed)?;
            self.in_use.check(session, &plan, &observed).await?;
            if round == 1 {
                mention(session, &plan, desired, &observed);
            }
            let done = self.carry_out(&plan, &observed).await;
            session.console.settle();
            let made = ledger.entries();
            let error = match done {
                Ok((state, told)) => {
                    // Whatever comes now, that does.
                    ledger.keep();
                    (self.served)().await;
                    ledger.settle();
                    match self.apply(&plan.finally).await {
                        Err(Failure::Engine(error)) => self.warn_of_leftovers(&plan, &error).await,
                        Err(Failure::Dialer(error)) => {
                            let (error, names) = (error.to_string(), "the dialer on this host".to_owned());
                            session.console.warning(StartWarning::Replaced { error, names });
                        }
                        done => done.map_err(|cause| explain(desired, cause))?,
                    }
                    if plan.is_empty() && made.is_empty() {
                        session.console.done(nothing_to_do(desired));
                    }
                    let is_first = next::is_first(&made, &desired.user.backend());
                    return Ok(Served { state, told, is_first });
                }
                Err(error) => error.traced(session, &observed, &made).await,
            };
            if round < ROUNDS && error.is_overtaken(&made) {
                tokio::time::sleep(pause(round)).await;
                round += 1;
                continue;
            }
            return Err(match error {
                RoundError::Step(cause) => explain(desired, cause),
                RoundError::Wait(error) => {
                    let help = self.answer_for(&error, &observed).await;
                    quote(session, desired, &ledger.entries(), error, help).await
                }
            });
        }
    }

    /// What is wished for of this state: what `auto` has come to in this run is not tried once more.
    fn wish(&self, observed: &Observed) -> Desired {
        let mut desired = self.desired.clone();
        desired.named.security &=
            !observed.backend.as_ref().is_some_and(|backend| self.has_created(&backend.id));
        desired
    }

    fn has_created(&self, container: &ContainerId) -> bool {
        let is_it = |made: &Made| matches!(made, Made::Container { id, origin: Origin::Created, .. } if id == container);
        self.ledger.entries().iter().any(is_it)
    }

    /// The engine's state, once what may change it before there is anything to plan for is done.
    async fn prepare(&self) -> Result<Observed> {
        let (session, desired) = (self.session, self.desired);
        let observed = settled(session, desired).await?;
        let first = prepare(desired, &observed);
        if first.is_empty() {
            return Ok(observed);
        }
        self.apply(&first.stages).await.map_err(|cause| explain(desired, cause))?;
        settled(session, desired).await
    }

    /// Names what should have gone and has not: no reason to fail where everything serves.
    async fn warn_of_leftovers(&self, plan: &Plan, error: &EngineError) {
        let Session { engine, user, console, .. } = self.session;
        let observed = observe::ours(engine, user).await.ok();
        let is_left = |action: &Action| match (action, &observed) {
            (Action::Remove { name, .. }, None) => Some(name.to_string()),
            (Action::Remove { id, .. }, Some(observed)) => {
                let left = observed.containers().find(|container| container.id == *id);
                left.map(|container| container.name.to_string())
            }
            (Action::RemoveVolume { name }, Some(observed)) => {
                observed.socket_volumes.contains(name).then(|| name.to_string())
            }
            (Action::RemoveVolume { name }, None) => Some(name.to_string()),
            _ => None,
        };
        let left: Vec<_> =
            plan.finally.iter().flatten().filter_map(is_left).map(|name| format!("\"{name}\"")).collect();
        // Removed after all.
        if !left.is_empty() {
            let names = left.join(", ");
            let error = error.to_string();
            console.warning(StartWarning::Replaced { error, names });
        }
    }

    /// Runs the plan and waits until everything that was wished for serves.
    async fn carry_out(&self, plan: &Plan, observed: &Observed) -> Result<(Observed, Told), RoundError> {
        self.apply(&plan.stages).await.map_err(RoundError::Step)?;
        // What was just seen and is not changed needs no second look.
        let seen = plan.stages.is_empty().then(|| observed.clone());
        let (serves, told) = wait(self.session, self.desired, seen).await.map_err(RoundError::Wait)?;
        self.apply(std::slice::from_ref(&plan.changes)).await.map_err(RoundError::Step)?;
        Ok((serves.after(&Plan { changes: plan.changes.clone(), ..Plan::default() }), told))
    }

    /// A backend that an earlier start has put in another one's place and did not live to see serve: it
    /// is this start's to take back. One that has served, or may have, has a cache of its own, and stays;
    /// how that other one comes back is told then.
    async fn answer_for(&self, error: &ReadyError, observed: &Observed) -> Option<String> {
        let failed = error.container().filter(|failed| failed.name == self.desired.user.backend())?;
        let old = observed.replaced_backend()?;
        if self.has_created(&failed.id) {
            return None;
        }
        let (name, aside, origin) = (failed.name.clone(), &old.name, Origin::Created);
        if !matches!(error, ReadyError::Ended(_)) {
            return Some(format!("a longer '--timeout' may do; \"{aside}\" is kept until it serves"));
        }
        if !damage::has_never_served(self.session.engine, failed).await {
            return Some(way_back(&name, aside));
        }
        self.ledger.push(Made::SetAside {
            id: old.id.clone(),
            name: name.clone(),
            ran: Some(Duration::ZERO),
        });
        self.ledger.push(Made::Container { id: failed.id.clone(), name, origin });
        None
    }

    async fn apply(&self, stages: &[Vec<Action>]) -> Result<(), Failure> {
        let Self { session, archive, report, ledger, .. } = self;
        apply(session.engine, stages, archive, session.cancel, &|event| report.show(&event), ledger).await
    }
}
