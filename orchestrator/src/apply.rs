//! Runs a plan, and undoes what a run made.
//!
//! It decides nothing: what is to be done is in the plan. What a plan removed stays removed.
//! After a failure the caller undoes, since the containers hold what there is to know about it.

mod error;
mod files;
mod ledger;
mod overtaken;

pub use error::{ApplyError, Failure, UndoFailure};
pub use ledger::{Made, Origin};
pub use overtaken::{PAUSE, ROUNDS};

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::cancel::Cancel;
use crate::desired::{ContainerName, ImageRef};
use crate::engine::{Engine, EngineError, PullProgress};
use crate::observed::ContainerId;
use crate::plan::Plan;
use crate::plan::STOP_GRACE;
use crate::plan::action::{Action, Reason};
use crate::spec::ContainerSpec;

use ledger::Ledger;

/// What happens while a plan runs, for people to see.
#[derive(Debug)]
pub enum Event<'a> {
    /// A pull goes on.
    Pulling(&'a ImageRef, &'a PullProgress),
    /// An image was pulled; its digest (`sha256:…`) when the engine told it.
    Pulled(&'a ImageRef, Option<String>),
    /// An image could not be pulled, but the engine has it.
    PullFailed(&'a ImageRef, &'a EngineError),
    /// The engine or its kernel refuses a setting that a container can do without, named second.
    SettingRefused(&'a ContainerName, &'a str, &'a EngineError),
    /// The engine refuses privileges; the next candidate is tried.
    PrivilegesRefused(&'a ContainerName, &'a EngineError),
    /// A container was started.
    Started(&'a ContainerName, &'a ContainerId),
    /// A container was removed.
    Removed(&'a ContainerName, Reason),
}

/// Takes events as they come.
pub type Report<'a> = &'a (dyn Fn(Event<'_>) + Sync);

/// Runs `plan` and returns what it made, in order, for [`undo`]. `archive` gives the built-in
/// sidecar image in `docker save` format and is asked only when the plan loads it.
///
/// # Errors
/// The first failure, with everything that was made by then. Steps of one stage run to their
/// end.
pub async fn apply<E: Engine>(
    engine: &E,
    plan: &Plan,
    archive: &(dyn Fn() -> Bytes + Sync),
    cancel: &Cancel,
    report: Report<'_>,
) -> Result<Vec<Made>, ApplyError> {
    let run = Run { engine, archive, cancel, report, ledger: Ledger::default() };
    match run.stages(plan).await {
        Ok(()) => Ok(run.ledger.into_entries()),
        Err(cause) => Err(ApplyError { cause, made: run.ledger.into_entries() }),
    }
}

/// Takes back what a run made, newest first: new containers and volumes are removed, started
/// containers stopped, notes written as they were.
/// Goes on past failures and returns them.
pub async fn undo<E: Engine>(engine: &E, made: &[Made]) -> Vec<UndoFailure> {
    let mut failures = Vec::new();
    for left in made.iter().rev() {
        let result = match left {
            Made::Container { id, name, origin: Origin::Created } => {
                engine.remove(id).await.map_err(|error| error.about(name))
            }
            Made::Container { id, name, origin: Origin::Started } => {
                // A later look may have led to its removal.
                let stopped = engine.stop(id, STOP_GRACE).await.or_else(ignore_missing);
                stopped.map_err(|error| error.about(name))
            }
            Made::Volume(name) => engine.remove_volume(name).await,
            Made::Note { id, name, before } => {
                let told = engine.upload(id, files::archive([before])).await.or_else(ignore_missing);
                told.map_err(|error| error.about(name))
            }
        };
        if let Err(error) = result {
            failures.push(UndoFailure { left: left.clone(), error });
        }
    }
    failures
}

/// What was done to a container.
enum Done<'p> {
    Started(&'p ContainerName, ContainerId),
    Removed(&'p ContainerName, Reason),
}

struct Run<'a, E> {
    engine: &'a E,
    archive: &'a (dyn Fn() -> Bytes + Sync),
    cancel: &'a Cancel,
    report: Report<'a>,
    ledger: Ledger,
}

impl<E: Engine> Run<'_, E> {
    async fn stages(&self, plan: &Plan) -> Result<(), Failure> {
        for stage in &plan.stages {
            let mut failed = Ok(());
            for result in join_all(stage.iter().map(|action| self.action(action))).await {
                match result {
                    // What was removed stays removed; what was started is taken back.
                    Ok(Some(Done::Removed(name, reason))) => (self.report)(Event::Removed(name, reason)),
                    Ok(Some(Done::Started(name, id))) if failed.is_ok() => {
                        (self.report)(Event::Started(name, &id));
                    }
                    Ok(_) => {}
                    // The first one counts.
                    Err(failure) => failed = failed.and(Err(failure)),
                }
            }
            failed?;
        }
        self.go_on()
    }

    /// Runs one action; what it did to a container is returned rather than reported, so that
    /// those of one stage are named in the plan's order.
    async fn action<'p>(&self, action: &'p Action) -> Result<Option<Done<'p>>, Failure> {
        self.go_on()?;
        match action {
            Action::Pull { image, fallback } => self.pull(image, *fallback).await?,
            Action::LoadProxyImage { .. } => self.engine.load((self.archive)()).await?,
            Action::Remove { id, name, reason, grace } => {
                if !grace.is_zero() {
                    let stopped = self.engine.stop(id, *grace).await.or_else(ignore_missing);
                    stopped.map_err(|error| error.about(name))?;
                }
                self.engine.remove(id).await.map_err(|error| error.about(name))?;
                return Ok(Some(Done::Removed(name, *reason)));
            }
            Action::Note { id, name, note, before } => {
                self.ledger.add_note(id, name, before);
                let told = self.engine.upload(id, files::archive([note])).await;
                told.map_err(|error| error.about(name))?;
            }
            Action::CreateVolume { spec } => {
                self.engine.create_volume(spec).await?;
                self.ledger.add_volume(&spec.name);
            }
            Action::RemoveVolume { name } => self.engine.remove_volume(name).await?,
            Action::Start { id, name } => {
                self.ledger.add(id, name, Origin::Started);
                self.engine.start(id).await.map_err(|error| error.about(name))?;
                return Ok(Some(Done::Started(name, id.clone())));
            }
            Action::Run { candidates } => {
                let (name, id) = self.run(candidates).await?;
                return Ok(Some(Done::Started(name, id)));
            }
        }
        Ok(None)
    }

    async fn pull(&self, image: &ImageRef, fallback: bool) -> Result<(), Failure> {
        let mut progress = self.engine.pull(image);
        let mut digest = None;
        loop {
            let next = tokio::select! {
                next = progress.next() => next,
                cause = self.cancel.cancelled() => return Err(Failure::Cancelled(cause)),
            };
            match next {
                Some(Ok(step)) => {
                    if let Some(told) = step.status.strip_prefix("Digest: ") {
                        digest = Some(told.trim().to_owned());
                    }
                    (self.report)(Event::Pulling(image, &step));
                }
                Some(Err(error)) if fallback => {
                    (self.report)(Event::PullFailed(image, &error));
                    return Ok(());
                }
                Some(Err(error)) => return Err(error.into()),
                None => {
                    (self.report)(Event::Pulled(image, digest));
                    return Ok(());
                }
            }
        }
    }

    async fn run<'p>(
        &self,
        candidates: &'p [ContainerSpec],
    ) -> Result<(&'p ContainerName, ContainerId), Failure> {
        let mut candidates = candidates.iter().peekable();
        let Some(mut wanted) = candidates.next() else { unreachable!("a run without candidates") };
        let mut spec = Cow::Borrowed(wanted);
        let mut told = BTreeSet::new();
        loop {
            let error = match self.create_and_start(&spec).await {
                Ok(id) => return Ok((&wanted.name, id)),
                Err(error) => error,
            };
            // First, since what is said of a setting often sounds like missing privileges.
            if let Some((setting, less)) = error.refusal().and_then(|words| spec.without_refused(words)) {
                // The next candidate may meet it again.
                if !told.contains(&setting) {
                    (self.report)(Event::SettingRefused(&wanted.name, &setting, &error));
                }
                told.insert(setting);
                spec = Cow::Owned(less);
                continue;
            }
            match candidates.next() {
                Some(next) if matches!(error, EngineError::PrivilegesRefused { .. }) => {
                    (self.report)(Event::PrivilegesRefused(&wanted.name, &error));
                    wanted = next;
                    spec = Cow::Borrowed(next);
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// Not cut short by a wish to end: a container whose creation was asked for could be made
    /// without anybody knowing its id.
    async fn create_and_start(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let id = self.engine.create(spec).await?;
        self.ledger.add(&id, &spec.name, Origin::Created);
        let started = async {
            let mut files = spec.files.iter().chain(&spec.note).peekable();
            if files.peek().is_some() {
                self.engine.upload(&id, files::archive(files)).await?;
            }
            self.engine.start(&id).await
        };
        match started.await {
            Ok(()) => Ok(id),
            Err(error) => {
                // Its name must be free for the next candidate. Should this fail, the ledger
                // still has it.
                if self.engine.remove(&id).await.is_ok() {
                    self.ledger.forget(&id);
                }
                Err(error.about(&spec.name))
            }
        }
    }

    fn go_on(&self) -> Result<(), Failure> {
        self.cancel.cause().map_or(Ok(()), |cause| Err(Failure::Cancelled(cause)))
    }
}

fn ignore_missing(error: EngineError) -> Result<(), EngineError> {
    if matches!(error, EngineError::NotFound { .. }) { Ok(()) } else { Err(error) }
}
