//! Takes back what a run made.

use std::time::Duration;

use tokio::time::Instant;

use super::{Made, Origin, UndoFailure, files, ignore_missing};
use crate::desired::ContainerName;
use crate::dialer::{self, DialerError};
use crate::engine::{Engine, EngineError};
use crate::labels;
use crate::observed::{self, Container, ContainerId, State};
use crate::plan::STOP_GRACE;
use crate::spec::HostDialer;

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
            // A limit that there was not cannot be taken back.
            Made::Changed { before, .. } if before.is_empty() => Ok(()),
            Made::Changed { id, name, before } => {
                let told = engine.update(id, before).await.or_else(ignore_missing);
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
