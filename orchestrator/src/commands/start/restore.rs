//! What a start asks for by itself where the backend of the last one has gone without a `stop`:
//! whoever cleans up an engine does not mean to take a forward from a build.

use std::path::Path;

use anyhow::Result;

use super::last_start::left_by;
use super::words::read;
use super::{Daemon, Start, StartWarning};
use crate::commands::{Session, observe};
use crate::desired::{Desired, ImageRef};
use crate::engine::Engine;
use crate::remembered::{Last, Remembered};
use crate::spec::daemon::is_asked_for;

/// Has a start that says nothing of forwards ask for what the last one had, where that applies and nothing
/// else is said.
///
/// # Errors
/// Those of the engine.
pub(in crate::commands) async fn of_the_last<E: Engine>(
    session: Session<'_, E>,
    options: &mut Start,
    configuration: Option<&Path>,
) -> Result<()> {
    if !options.usual {
        return Ok(());
    }
    let Session { engine, user, console, .. } = session;
    let note = session.unless_cancelled(note(session, configuration)).await?;
    let Some(Last { options: last, configured, secret }) = note.recall() else { return Ok(()) };
    let Some(mut before) = read(&last) else { return Ok(()) };
    let looking = async {
        let gone = observe::ours(engine, user).await?.backend.is_none();
        if let Some(volume) = &before.settings.cache_volume
            && !engine.volume_exists(volume).await?
        {
            before.settings.cache_volume = None;
        }
        Ok(gone)
    };
    let gone = session.unless_cancelled(looking).await?;
    if gone {
        let name = user.backend();
        let how = if last.is_empty() { "anew".to_owned() } else { format!("as before: '{last}'") };
        console.note(format_args!("Backend \"{name}\" has gone without 'stop'; it is started {how}"));
        if configured && options.daemon == Daemon::default() {
            console.warning(StartWarning::NotRemembered { name });
        }
        if secret && !options.settings.chosen.has_secrets() {
            console.warning(StartWarning::SecretsNotRemembered { name: user.backend() });
        }
        options.forwards = before.forwards;
        options.settings = std::mem::take(&mut options.settings).or(before.settings);
        options.image = options.image.take().or(before.image);
        options.proxy_image = options.proxy_image.take().or(before.proxy_image);
    }
    Ok(())
}

/// Remembers a start that has succeeded. That it cannot be is no failure of the start.
pub(in crate::commands) async fn keep<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    usual: &ImageRef,
    configuration: Option<&Path>,
) {
    let keeping = async {
        let backend = session.engine.container(&session.user.backend()).await?;
        let options = left_by(desired, backend.as_ref(), usual).options();
        let secret = backend.is_some_and(|backend| backend.settings.chosen.has_secrets());
        let last = Last { options, configured: is_asked_for(&desired.files), secret };
        anyhow::Ok(note(session, configuration).await?.keep(&last)?)
    };
    if let Err(error) = keeping.await {
        tracing::debug!(%error, "the options cannot be remembered");
    }
}

/// Forgets it after a stop.
pub(in crate::commands) async fn forget<E: Engine>(session: Session<'_, E>, configuration: Option<&Path>) {
    let forgetting = async { anyhow::Ok(note(session, configuration).await?.forget()?) };
    if let Err(error) = forgetting.await {
        session.console.warning(StartWarning::NotForgotten { error: error.to_string() });
    }
}

/// Where it is kept.
async fn note<E: Engine>(session: Session<'_, E>, configuration: Option<&Path>) -> Result<Remembered> {
    let Session { engine, user, .. } = session;
    let facts = engine.facts().await?;
    Ok(Remembered::of(configuration, user, engine.endpoint(), &facts.name))
}
