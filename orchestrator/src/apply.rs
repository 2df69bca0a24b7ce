//! Runs a plan, and undoes what a run made.
//!
//! It decides nothing: what is to be done is in the plan. What a plan removed stays removed; what it set
//! aside comes back. After a failure the caller undoes, since the containers hold what there is to know
//! about it.

mod container;
mod error;
mod files;
mod ledger;
mod overtaken;
mod undo;

pub use error::{Failure, UndoFailure};
pub use ledger::{Ledger, Made, Origin};
pub use overtaken::{ROUNDS, pause};
pub use undo::undo;

use std::sync::Mutex;

use bytes::Bytes;
use docker_plugin::cancel::Cancel;
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::cancelled::Cancelled;
use crate::desired::{Chosen, ContainerName, ImageRef};
use crate::dialer;
use crate::engine::{AnswerError, Engine, EngineError, LOAD, Operation, PULL, PullProgress};
use crate::observed::ContainerId;
use crate::plan::action::{Action, Reason};

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
    /// The engine passes over settings of a container, in these words.
    PassedOver(&'a ContainerName, &'a str),
    /// A container was started.
    Started(&'a ContainerName, &'a ContainerId),
    /// A dialer was started on this host, as this process.
    Dials(u32),
    /// A dialer on this host was ended.
    DialerEnded(&'a str),
    /// A container was removed.
    Removed(&'a ContainerName, Reason),
    /// A container has other settings.
    Changed(&'a ContainerName, &'a Chosen),
    /// A container that an earlier run had set aside is in its place again.
    PutBack(&'a ContainerName),
}

/// Takes events as they come.
pub type Report<'a> = &'a (dyn Fn(Event<'_>) + Sync);

/// Runs the stages of a plan. What there is because of it, in order, is in `ledger` for [`undo`], also
/// when this is dropped before its end. `archive` gives the built-in sidecar image in `docker save`
/// format and is asked only when the plan loads it.
///
/// # Errors
/// The first failure. Steps of one stage run to their end; none begins once the end is asked for.
pub async fn apply<E: Engine>(
    engine: &E,
    stages: &[Vec<Action>],
    archive: &(dyn Fn() -> Bytes + Sync),
    cancel: &Cancel,
    report: Report<'_>,
    ledger: &Ledger,
) -> Result<(), Failure> {
    let refused = Mutex::default();
    Run { engine, archive, cancel, report, ledger, refused }.stages(stages).await
}

/// What was done to a container.
enum Done<'p> {
    Started(&'p ContainerName, ContainerId),
    Removed(&'p ContainerName, Reason),
    PutBack(&'p ContainerName),
    Changed(&'p ContainerName, &'p Chosen),
    Dials(u32),
    DialerEnded(&'p str),
}

struct Run<'a, E> {
    engine: &'a E,
    archive: &'a (dyn Fn() -> Bytes + Sync),
    cancel: &'a Cancel,
    report: Report<'a>,
    ledger: &'a Ledger,
    /// In what words the engine has refused settings that containers can do without.
    refused: Mutex<Vec<String>>,
}

impl<E: Engine> Run<'_, E> {
    async fn stages(&self, stages: &[Vec<Action>]) -> Result<(), Failure> {
        for stage in stages {
            let mut failed = Ok(());
            for result in join_all(stage.iter().map(|action| self.action(action))).await {
                match result {
                    // What was removed stays removed; what was started is taken back.
                    Ok(Some(Done::Removed(name, reason))) => (self.report)(Event::Removed(name, reason)),
                    Ok(Some(Done::PutBack(name))) => (self.report)(Event::PutBack(name)),
                    Ok(Some(Done::Changed(name, change))) => (self.report)(Event::Changed(name, change)),
                    Ok(Some(Done::DialerEnded(directory))) => (self.report)(Event::DialerEnded(directory)),
                    Ok(Some(Done::Dials(process))) if failed.is_ok() => (self.report)(Event::Dials(process)),
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
            Action::LoadProxyImage { image } => {
                self.engine.load((self.archive)()).await?;
                self.must_have(LOAD, image).await?;
            }
            Action::Remove { id, name, reason, grace } => {
                if !grace.is_zero() {
                    let stopped = self.engine.stop(id, *grace).await.or_else(ignore_missing);
                    stopped.map_err(|error| error.about(name))?;
                }
                self.engine.remove(id).await.map_err(|error| error.about(name))?;
                return Ok(Some(Done::Removed(name, *reason)));
            }
            Action::SetAside { id, name, grace, runs, .. } => {
                let ran = runs.then_some(*grace);
                self.ledger.push(Made::SetAside { id: id.clone(), name: name.clone(), ran });
                let moved = async {
                    if *runs {
                        self.engine.stop(id, *grace).await?;
                    }
                    self.engine.rename(id, &name.aside(id.short())).await
                };
                moved.await.map_err(|error| error.about(name))?;
            }
            Action::PutBack { id, name } => {
                self.engine.rename(id, name).await.map_err(|error| error.about(name))?;
                return Ok(Some(Done::PutBack(name)));
            }
            Action::Note { id, name, note, before } => {
                self.ledger.add_note(id, name, before);
                let told = self.engine.upload(id, files::archive([note])).await;
                told.map_err(|error| error.about(name))?;
            }
            Action::Change { id, name, change, before } => {
                self.ledger.push(Made::Changed {
                    id: id.clone(),
                    name: name.clone(),
                    before: before.clone(),
                });
                let changed = self.engine.update(id, change).await;
                if !matches!(changed, Ok(()) | Err(EngineError::Timeout { .. } | EngineError::Broken { .. }))
                {
                    self.ledger.forget_change(id);
                }
                changed.map_err(|error| error.about(name))?;
                return Ok(Some(Done::Changed(name, change)));
            }
            Action::CreateVolume { spec } => {
                self.ledger.add_volume(&spec.name);
                self.engine.create_volume(spec).await?;
            }
            Action::RemoveVolume { name } => self.engine.remove_volume(name).await?,
            Action::Start { id, name } => {
                self.ledger.add(id, name, Origin::Started);
                self.engine.start(id).await.map_err(|error| error.about(name))?;
                return Ok(Some(Done::Started(name, id.clone())));
            }
            Action::Dial { dialer, before } => {
                self.ledger.asked_dialer(dialer, before.as_ref());
                let started = dialer::start(dialer).await;
                self.ledger.answered_dialer();
                return Ok(Some(Done::Dials(started?)));
            }
            Action::EndDialer { directory } => {
                dialer::end(directory).await?;
                return Ok(Some(Done::DialerEnded(directory)));
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
            match progress.next().await {
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
                    self.must_have(PULL, image).await?;
                    (self.report)(Event::Pulled(image, digest));
                    return Ok(());
                }
            }
        }
    }

    /// An engine that says nothing went wrong is held to it.
    async fn must_have(&self, verb: &'static str, image: &ImageRef) -> Result<(), Failure> {
        if self.engine.image(image).await?.is_some() {
            return Ok(());
        }
        let operation = Operation { verb, object: image.to_string() };
        let source = AnswerError::NoImage.into();
        Err(EngineError::Broken { operation, source }.into())
    }

    fn go_on(&self) -> Result<(), Failure> {
        self.cancel.cause().map_or(Ok(()), |cause| Err(Cancelled(cause).into()))
    }
}

fn ignore_missing(error: EngineError) -> Result<(), EngineError> {
    if matches!(error, EngineError::NotFound { .. }) { Ok(()) } else { Err(error) }
}
