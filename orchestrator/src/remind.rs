//! What a start asks for by itself where the backend of the last one has gone without a `stop`:
//! whoever cleans up an engine does not mean to take a forward from a build.

use std::path::Path;

use anyhow::Result;
use docker_assemble::cli::{self, Start};
use docker_assemble::commands::{Session, observe};
use docker_assemble::desired::{CacheVolume, Desired};
use docker_assemble::engine::Engine;
use docker_assemble::remembered::{self, Remembered};

/// Has a start that says nothing of forwards ask for those of the last one, where that applies.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn of_the_last<E: Engine>(
    session: Session<'_, E>,
    options: &mut Start,
    configuration: Option<&Path>,
) -> Result<()> {
    if !options.usual {
        return Ok(());
    }
    let Session { engine, user, console, .. } = session;
    let note = session.unless_cancelled(note(session, configuration)).await?;
    let Some(line) = note.recall() else { return Ok(()) };
    let Some(before) = cli::remembered(&line) else { return Ok(()) };
    let looking = async {
        let gone = observe::ours(engine, user).await?.backend.is_none();
        let kept = match &before.cache {
            CacheVolume::Named(volume) => engine.volume_exists(volume).await?,
            CacheVolume::Conventional => true,
        };
        Ok((gone, kept))
    };
    let (gone, kept) = session.unless_cancelled(looking).await?;
    if gone {
        console.note(format_args!(
            "Backend \"{}\" has gone without 'stop'; it is started as before: '{line}'",
            user.backend()
        ));
        options.forwards = before.forwards;
        if options.cache == CacheVolume::Conventional && kept {
            options.cache = before.cache;
        }
    }
    Ok(())
}

/// Remembers a start that has succeeded. That it cannot be is no failure of the start.
pub(crate) async fn keep<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    configuration: Option<&Path>,
) {
    let keeping = async {
        // A backend that was there already may have another volume than was asked for now.
        let backend = session.engine.container(&session.user.backend()).await?;
        let cache = backend.and_then(|backend| backend.cache_volume);
        let named = cache.filter(|volume| *volume != session.user.cache_volume());
        let forwards: Vec<_> = desired.forwards.iter().cloned().collect();
        let options = remembered::options(&forwards, named.as_ref());
        anyhow::Ok(note(session, configuration).await?.keep(&options)?)
    };
    if let Err(error) = keeping.await {
        tracing::debug!(%error, "the forwards cannot be remembered");
    }
}

/// Forgets it after a stop.
pub(crate) async fn forget<E: Engine>(session: Session<'_, E>, configuration: Option<&Path>) {
    let forgetting = async { anyhow::Ok(note(session, configuration).await?.forget()?) };
    if let Err(error) = forgetting.await {
        session.console.warning(format_args!("the next start may have the same forwards: {error}"));
    }
}

/// Where it is kept.
async fn note<E: Engine>(session: Session<'_, E>, configuration: Option<&Path>) -> Result<Remembered> {
    let Session { engine, user, .. } = session;
    let facts = engine.facts().await?;
    Ok(Remembered::of(configuration, user, engine.endpoint(), &facts.name))
}
