//! The engine's state, as far as it matters to one user's backend.

use std::collections::BTreeMap;

use futures_util::future::{join_all, try_join_all};

use crate::desired::{BackendName, Choice, ContainerName, Desired, File, ImageRef, UserName, VolumeName};
use crate::dialer;
use crate::engine::{Engine, EngineError};
use crate::forward::Forward;
use crate::labels;
use crate::observed::{Container, Observed, State};
use crate::spec::daemon::{CONFIG_FILE, certificates};
use crate::spec::{NOTE_FILE, noted};

use super::namespaces;

/// The user's containers and the volume of the dialer, found by their labels. The other fields
/// stay empty: that is enough for everything but a start.
///
/// # Errors
/// Those of the engine.
pub async fn ours<E: Engine>(engine: &E, user: &UserName) -> Result<Observed, EngineError> {
    let label = BTreeMap::from([(labels::USER.to_owned(), user.to_string())]);
    let mut socket = label.clone();
    socket.insert(labels::ROLE.to_owned(), labels::ROLE_DIALER.to_owned());
    // One after the other: two at once are two connections, and over ssh two logins.
    let containers = engine.containers(&label).await?;
    let socket_volumes = engine.volumes(&socket).await?;
    let mut observed = Observed { socket_volumes, ..Observed::default() };
    containers.into_iter().for_each(|container| observed.place(container, user));
    observed.tell_unfinished();
    let mut host_dialers = Vec::new();
    for directory in observed.dialer_directories() {
        host_dialers.extend(dialer::look(user, engine.endpoint(), directory).await);
    }
    observed.host_dialers = host_dialers;
    Ok(observed)
}

/// Whether the user has a backend in its place. One that runs is known by its name alone.
///
/// # Errors
/// Those of the engine.
pub async fn has_backend<E: Engine>(engine: &E, user: &UserName) -> Result<bool, EngineError> {
    let label =
        |container: &Container, name, value: &str| container.labels.get(name).is_some_and(|it| it == value);
    let is_running = engine.container(&user.backend()).await?.is_some_and(|named| {
        named.state == State::Running
            && label(&named, labels::USER, &user.to_string())
            && label(&named, labels::ROLE, labels::ROLE_BACKEND)
    });
    Ok(is_running || ours(engine, user).await?.backend.is_some())
}

/// All backends of a user, by their names: the containers of each. What older versions of this program
/// have made is the usual one's.
///
/// # Errors
/// Those of the engine.
pub async fn backends<E: Engine>(
    engine: &E,
    user: &UserName,
) -> Result<BTreeMap<BackendName, Observed>, EngineError> {
    let mut found: BTreeMap<_, Observed> = BTreeMap::new();
    for label in [labels::USER, labels::OWNER] {
        let label = BTreeMap::from([(label.to_owned(), user.owner().to_owned())]);
        for container in engine.containers(&label).await? {
            let name = container
                .labels
                .get(labels::NAME)
                .map_or_else(|| Ok(BackendName::usual()), |name| name.parse());
            let Ok(name) = name else { continue };
            let owner = user.with_backend(&name);
            if owner.labels().iter().all(|(label, value)| container.labels.get(label) == Some(value)) {
                found.entry(name).or_default().place(container, &owner);
            }
        }
    }
    found.values_mut().for_each(Observed::tell_unfinished);
    Ok(found)
}

/// The same, what the backend's note says of its forwards, and its configuration.
///
/// # Errors
/// Those of the engine, but for files that cannot be read: these are not known, then.
pub async fn with_note<E: Engine>(engine: &E, user: &UserName) -> Result<Observed, EngineError> {
    let observed = ours(engine, user).await?;
    let Some(backend) = observed.owned_backend() else { return Ok(observed) };
    let (noted, files) = (note(engine, backend).await?, files(engine, backend).await?);
    Ok(Observed { noted, files, ..observed })
}

/// The same, and which sidecars are in the network namespace of the backend.
///
/// # Errors
/// Those of [`with_note`].
pub async fn closely<E: Engine>(engine: &E, user: &UserName) -> Result<Observed, EngineError> {
    let observed = ours(engine, user).await?;
    let Some(backend) = observed.owned_backend() else { return Ok(observed) };
    let seeing = async {
        let namespaces::Found { beside, note: text, .. } = namespaces::find(engine, &observed).await;
        let noted = match text {
            Some(text) => Some(noted(&text)),
            None => note(engine, backend).await?,
        };
        Ok((noted, beside))
    };
    let ((noted, beside), files) = tokio::try_join!(seeing, files(engine, backend))?;
    let mut observed = Observed { noted, files, ..observed };
    observed.tell_beside(beside);
    Ok(observed)
}

async fn note<E: Engine>(engine: &E, backend: &Container) -> Result<Option<Vec<Forward>>, EngineError> {
    Ok(read(engine, backend, NOTE_FILE).await?.flatten().map(|file| noted(&file.content)))
}

/// The daemon's configuration, and the certificates that it names.
async fn files<E: Engine>(engine: &E, backend: &Container) -> Result<Option<Vec<File>>, EngineError> {
    if !backend.labels.contains_key(labels::CONFIG) {
        return Ok(Some(Vec::new()));
    }
    let Some(config) = read(engine, backend, CONFIG_FILE).await? else { return Ok(None) };
    let Some(config) = config else { return Ok(Some(Vec::new())) };
    let paths = certificates(&config.content);
    let mut files = vec![config];
    for path in paths {
        files.extend(read(engine, backend, &path).await?.flatten());
    }
    Ok(Some(files))
}

/// A file of the backend: `None` when it cannot be read, and `Some(None)` when there is none.
async fn read<E: Engine>(
    engine: &E,
    backend: &Container,
    path: &str,
) -> Result<Option<Option<File>>, EngineError> {
    match engine.read_file(&backend.id, path).await {
        Ok(found) => Ok(Some(found.map(|text| {
            let content = String::from_utf8_lossy(&text).into_owned();
            File { path: path.to_owned(), content }
        }))),
        Err(error @ (EngineError::Unreachable { .. } | EngineError::Timeout { .. })) => Err(error),
        Err(error) => {
            tracing::debug!(%error, path, "a file of the backend cannot be read");
            Ok(None)
        }
    }
}

/// Everything that a plan for `desired` needs to know.
///
/// # Errors
/// Those of the engine.
pub async fn all<E: Engine>(engine: &E, desired: &Desired) -> Result<Observed, EngineError> {
    let stored = stored(engine, desired);
    let (facts, observed, stored) = tokio::try_join!(engine.facts(), closely(engine, &desired.user), stored)?;
    let Stored { images, volumes, network } = stored;
    let fixed = !facts.updates();
    let mut observed =
        Observed { arch: facts.arch, cgroups: facts.cgroups, fixed, images, volumes, network, ..observed };
    // A start that was killed may have left one before there was a sidecar to name it.
    if let Some(directory) = &desired.dialer_directory
        && observed.host_dialer(directory).is_none()
    {
        observed.host_dialers.extend(dialer::look(&desired.user, engine.endpoint(), directory).await);
    }
    observed.foreign = foreign(engine, desired, &observed).await?;
    Ok(observed)
}

/// What an engine has of what a start asks for by name.
struct Stored {
    images: BTreeMap<ImageRef, String>,
    volumes: Vec<VolumeName>,
    network: Option<bool>,
}

async fn stored<E: Engine>(engine: &E, desired: &Desired) -> Result<Stored, EngineError> {
    let mut images = BTreeMap::new();
    let names = [&desired.image, desired.proxy_image.image()];
    for (name, image) in names.iter().zip(join_all(names.map(|name| engine.image(name))).await) {
        if let Some(image) = image? {
            images.insert((*name).clone(), image.id);
        }
    }
    let mut volumes = vec![desired.user.cache_volume(), desired.user.dialer_volume()];
    volumes.extend(desired.settings.cache_volume.clone());
    let there = try_join_all(volumes.iter().map(|name| engine.volume_exists(name))).await?;
    let volumes = volumes.into_iter().zip(there).filter_map(|(name, is_there)| is_there.then_some(name));
    let network = match desired.settings.chosen.words(Choice::Network).first() {
        Some(name) => Some(engine.networks().await?.iter().any(|network| network.is(name))),
        None => None,
    };
    Ok(Stored { images, volumes: volumes.collect(), network })
}

/// The names we would use that belong to containers of somebody else.
async fn foreign<E: Engine>(
    engine: &E,
    desired: &Desired,
    observed: &Observed,
) -> Result<Vec<ContainerName>, EngineError> {
    let sidecars = observed.sidecars.iter().map(|sidecar| &sidecar.container);
    let known = observed.backend.iter().chain(&observed.unfinished).chain(sidecars).chain(&observed.dialer);
    let known: Vec<_> = known.map(|container| &container.name).collect();
    let wanted: Vec<_> =
        desired.container_names().into_iter().filter(|name| !known.contains(&name)).collect();
    let holders = try_join_all(wanted.iter().map(|name| engine.container(name))).await?;
    // One with our label was made after the others were listed; whoever wants its name runs into it
    // and looks again.
    let user = desired.user.to_string();
    let is_foreign = |holder: &Container| {
        let was_listed = observed.strays.iter().any(|stray| stray.id == holder.id);
        was_listed || holder.labels.get(labels::USER) != Some(&user)
    };
    let taken = wanted.into_iter().zip(holders).filter(|(_, holder)| holder.as_ref().is_some_and(is_foreign));
    Ok(taken.map(|(name, _)| name).collect())
}
