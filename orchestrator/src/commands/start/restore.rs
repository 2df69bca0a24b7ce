//! What a start asks for by itself where the backend of the last one has gone without a `stop`:
//! whoever cleans up an engine does not mean to take a forward from a build.

use std::path::Path;

use anyhow::Result;

use super::last_start::without_files;
use super::words::read;
use super::{Daemon, Start, StartWarning};
use crate::commands::{Session, observe};
use crate::desired::{Choice, Chosen, Desired, ImageRef};
use crate::engine::{Engine, Network};
use crate::remembered::{Last, Remembered};
use crate::spec::daemon::is_asked_for;

/// Has a start ask for what the last one had, where that applies and nothing else is said.
///
/// # Errors
/// Those of the engine.
pub(in crate::commands) async fn of_the_last<E: Engine>(
    session: Session<'_, E>,
    options: &mut Start,
    configuration: Option<&Path>,
) -> Result<()> {
    // The engine is asked only where there is something to bring back.
    if !Remembered::is_any(configuration) {
        return Ok(());
    }
    let Session { engine, user, console, .. } = session;
    let note = session.unless_cancelled(note(session, configuration)).await?;
    let Some(Last { options: last, configured, secret }) = note.recall() else { return Ok(()) };
    let looking = async { Ok(observe::has_backend(engine, user).await?) };
    if session.unless_cancelled(looking).await? {
        return Ok(());
    }
    let name = user.backend();
    let Some(mut before) = read(&last) else {
        console.warning(StartWarning::NotRead { name, options: last });
        return Ok(());
    };
    let mut no_volume = None;
    let looking = async {
        if let Some(volume) = &before.settings.cache_volume
            && !engine.volume_exists(volume).await?
        {
            no_volume = before.settings.cache_volume.take();
        }
        let is_in_doubt = before.settings.chosen.get(Choice::Network).is_some();
        Ok(if is_in_doubt { engine.networks().await? } else { Vec::new() })
    };
    let networks = session.unless_cancelled(looking).await?;
    let lost = without_lost_network(&mut before.settings.chosen, &networks);
    let (asked, usual) = (options.clone(), options.usual);
    take_over(options, before);
    if usual || *options != asked {
        let how = match (last.is_empty(), usual) {
            (true, _) => "anew".to_owned(),
            (_, true) => format!("as before: '{last}'"),
            (_, false) => format!("as before but for the ports: '{last}'"),
        };
        console.note(format_args!("Backend \"{name}\" has gone without 'stop'; it is started {how}"));
    }
    if let Some(volume) = no_volume.filter(|_| asked.settings.cache_volume.is_none()) {
        console.warning(StartWarning::VolumeGone { name: name.clone(), volume });
    }
    if let Some(network) = lost.filter(|_| !asked.settings.chosen.names(Choice::Network)) {
        console.warning(StartWarning::NetworkGone { name: name.clone(), network });
    }
    if configured && options.daemon == Daemon::default() {
        console.warning(StartWarning::NotRemembered { name: name.clone() });
    }
    if secret && !options.settings.chosen.has_secrets() {
        console.warning(StartWarning::SecretsNotRemembered { name });
    }
    Ok(())
}

/// Takes a network away that is none of these, which the engine has, and tells which. Whoever cleans up an
/// engine removes those that no container is in.
fn without_lost_network(chosen: &mut Chosen, networks: &[Network]) -> Option<String> {
    let name = chosen.words(Choice::Network).pop()?;
    if networks.iter().any(|network| network.is(&name)) {
        return None;
    }
    let others: Vec<_> = Choice::all().filter(|choice| *choice != Choice::Network).collect();
    *chosen = chosen.only(&others);
    Some(name)
}

/// What these options leave open is as it was before.
fn take_over(options: &mut Start, before: Start) {
    if options.usual {
        options.forwards = before.forwards;
    }
    let security = options.settings.security;
    options.settings = std::mem::take(&mut options.settings).or(before.settings);
    if options.names_security {
        options.settings.security = security;
    }
    options.names_security |= before.names_security;
    options.image = options.image.take().or(before.image);
    options.proxy_image = options.proxy_image.take().or(before.proxy_image);
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
        let options = without_files(desired, backend.as_ref(), usual).options();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Security;

    fn taken_over(options: &str, before: &str) -> Start {
        let mut options = read(options).unwrap();
        take_over(&mut options, read(before).unwrap());
        options
    }

    #[test]
    fn a_start_that_names_ports_keeps_the_rest() {
        let before = "--allow-host-port 6000 --memory 2g --security restricted --image i --proxy-image p";
        assert_eq!(taken_over("", before).forwards, read("--allow-host-port 6000").unwrap().forwards);
        let mut named = taken_over("--allow-host-port 7000 --cpus 1", before);
        let want =
            "--allow-host-port 7000 --cpus 1 --memory 2g --security restricted --image i --proxy-image p";
        assert_eq!(named, read(want).unwrap());
        assert_eq!(taken_over("--security auto", before).settings.security, Security::Auto);
        named = taken_over("--allow-host-port 7000 --memory 3g", "--memory 2g");
        assert_eq!(named, read("--allow-host-port 7000 --memory 3g").unwrap());
    }

    #[test]
    fn a_network_that_has_gone_too_is_done_without() {
        let network = Network { name: "builds".to_owned(), id: "n1".to_owned(), internal: false };
        let mut chosen = read("--network builds --memory 2g").unwrap().settings.chosen;
        assert_eq!(without_lost_network(&mut chosen, &[network]), None);
        assert_eq!(without_lost_network(&mut chosen, &[]).as_deref(), Some("builds"));
        assert_eq!(chosen, read("--memory 2g").unwrap().settings.chosen);
        assert_eq!(without_lost_network(&mut chosen, &[]), None);
    }
}
