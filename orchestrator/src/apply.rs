//! Runs a plan, and undoes what a run made.
//!
//! It decides nothing: what is to be done is in the plan. What a plan removed stays removed; what it set
//! aside comes back. After a failure the caller undoes, since the containers hold what there is to know
//! about it.

mod error;
mod files;
mod ledger;
mod overtaken;

pub use error::{Failure, UndoFailure};
pub use ledger::{Ledger, Made, Origin};
pub use overtaken::{ROUNDS, pause};

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::cancel::Cancel;
use crate::cancelled::Cancelled;
use crate::desired::{ContainerName, ImageRef};
use crate::dialer::{self, DialerError};
use crate::engine::{AnswerError, Engine, EngineError, LOAD, Operation, PULL, PullProgress};
use crate::labels;
use crate::observed::{self, Container, ContainerId, State};
use crate::plan::STOP_GRACE;
use crate::plan::action::{Action, Reason};
use crate::spec::{ContainerSpec, HostDialer};

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
    /// A dialer was started on this host, as this process.
    Dials(u32),
    /// A dialer on this host was ended.
    DialerEnded(&'a str),
    /// A container was removed.
    Removed(&'a ContainerName, Reason),
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

/// Takes back what a run made, newest first: new containers and volumes are removed, started
/// containers stopped, notes written as they were, and what was set aside is put back and runs again.
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
            Made::Asked(name) => remove_asked(engine, name).await,
            Made::SetAside { id, name, ran } => {
                put_back(engine, id, name, *ran).await.map_err(|error| error.about(name))
            }
            Made::Volume(name) => engine.remove_volume(name).await,
            Made::Note { id, name, before } => {
                let told = engine.upload(id, files::archive([before])).await.or_else(ignore_missing);
                told.map_err(|error| error.about(name))
            }
            Made::Dialer { dialer, before, .. } => {
                if let Err(error) = take_back_dialer(dialer, before.as_ref()).await {
                    failures.push(UndoFailure::new(left, error.into()));
                }
                continue;
            }
        };
        if let Err(error) = result {
            failures.push(UndoFailure::new(left, error.into()));
        }
    }
    failures
}

/// Puts back the dialer that had the place of this one, or leaves none. A directory that was there stays:
/// containers may have it mounted.
async fn take_back_dialer(
    now: &HostDialer,
    before: Option<&observed::HostDialer>,
) -> Result<(), DialerError> {
    let Some(before) = before else { return dialer::end(&now.directory).await };
    let process = before.process.as_ref();
    match process.and_then(|process| HostDialer::of(&now.directory, &process.command)) {
        Some(before) => dialer::start(&before).await.map(drop),
        None => dialer::stop(&now.directory).await,
    }
}

/// Removes what the engine may have made without having said so, which was never started.
async fn remove_asked<E: Engine>(engine: &E, name: &ContainerName) -> Result<(), EngineError> {
    let is_ours =
        |made: &Container| made.state == State::Created && made.labels.contains_key(labels::SETTINGS);
    match engine.container(name).await?.filter(is_ours) {
        Some(made) => engine.remove(&made.id).await,
        None => Ok(()),
    }
}

/// How long the engine may take to kill what has not ended in time.
const KILLING: Duration = Duration::from_secs(2);

/// How often a container is looked at that may be about to end.
const ENDING_PAUSE: Duration = Duration::from_millis(200);

/// Puts back what was set aside, as far as that had come: a request that was dropped may still be
/// carried out.
async fn put_back<E: Engine>(
    engine: &E,
    id: &ContainerId,
    name: &ContainerName,
    ran: Option<Duration>,
) -> Result<(), EngineError> {
    let rename = async || match engine.container(name).await? {
        Some(now) if now.id == *id => Ok(()),
        _ => engine.rename(id, name).await,
    };
    let runs = match ran {
        Some(grace) if grace.is_zero() => {
            engine.stop(id, grace).await?;
            false
        }
        Some(grace) => stays(engine, id, name, grace).await?,
        None => false,
    };
    rename().await?;
    if ran.is_some() && !runs {
        engine.start(id).await?;
        rename().await?;
    }
    Ok(())
}

/// Whether a container still runs when a stop with this grace would have ended it: the engine has not heard
/// of that one, then. It is not asked once more, as one that saves its cache has to be let do so, and one
/// that builds to go on.
async fn stays<E: Engine>(
    engine: &E,
    id: &ContainerId,
    name: &ContainerName,
    grace: Duration,
) -> Result<bool, EngineError> {
    let until = Instant::now() + grace + KILLING;
    loop {
        let now = engine.container(name).await?.filter(|now| now.id == *id);
        // What has another name had ended before it got that.
        let runs =
            now.is_some_and(|now| matches!(now.state, State::Running | State::Paused | State::Restarting));
        if !runs || Instant::now() >= until {
            return Ok(runs);
        }
        tokio::time::sleep(ENDING_PAUSE).await;
    }
}

/// What was done to a container.
enum Done<'p> {
    Started(&'p ContainerName, ContainerId),
    Removed(&'p ContainerName, Reason),
    PutBack(&'p ContainerName),
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

    async fn run<'p>(
        &self,
        candidates: &'p [ContainerSpec],
    ) -> Result<(&'p ContainerName, ContainerId), Failure> {
        let mut candidates = candidates.iter().peekable();
        let Some(mut wanted) = candidates.next() else { unreachable!("a run without candidates") };
        let mut spec = self.without_refused(wanted);
        let mut told = BTreeSet::new();
        loop {
            let error = match self.create_and_start(&spec).await {
                Ok(id) => return Ok((&wanted.name, id)),
                Err(error) => error,
            };
            // First, since what is said of a setting often sounds like missing privileges.
            if let Some((setting, less)) = error.refusal().and_then(|words| spec.without_refused(words)) {
                // The next candidate may meet it again.
                if let Some(setting) = setting.filter(|setting| !told.contains(setting)) {
                    (self.report)(Event::SettingRefused(&wanted.name, &setting, &error));
                    told.insert(setting);
                }
                self.refused
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(error.refusal().map(str::to_owned));
                spec = Cow::Owned(less);
                continue;
            }
            match candidates.next() {
                Some(next) if matches!(error, EngineError::PrivilegesRefused { .. }) => {
                    (self.report)(Event::PrivilegesRefused(&wanted.name, &error));
                    wanted = next;
                    spec = self.without_refused(next);
                }
                _ => return Err(error.into()),
            }
            self.go_on()?;
        }
    }

    /// The spec without what the engine has refused another container of this run.
    fn without_refused<'s>(&self, spec: &'s ContainerSpec) -> Cow<'s, ContainerSpec> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let less = |spec: Cow<'s, ContainerSpec>, words: &String| match spec.without_refused(words) {
            // What has a name is told of each container that goes without.
            Some((None, less)) => Cow::Owned(less),
            _ => spec,
        };
        refused.iter().fold(Cow::Borrowed(spec), less)
    }

    async fn create_and_start(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        self.ledger.asked(&spec.name);
        let created = self.engine.create(spec).await;
        // A call that was given up or broke says nothing about what the engine does.
        if !matches!(created, Err(EngineError::Timeout { .. } | EngineError::Broken { .. })) {
            self.ledger.answered(&spec.name, created.as_ref().ok());
        }
        let id = created?;
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
        self.cancel.cause().map_or(Ok(()), |cause| Err(Cancelled(cause).into()))
    }
}

fn ignore_missing(error: EngineError) -> Result<(), EngineError> {
    if matches!(error, EngineError::NotFound { .. }) { Ok(()) } else { Err(error) }
}
