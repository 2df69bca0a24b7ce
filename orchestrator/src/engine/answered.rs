//! Bollard's words to ours: pure functions, no calls.

use std::io::{self, Read};

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerStateStatusEnum, CreateImageInfo, HealthStatusEnum,
    HostConfig, ImageInspect, MountType, ProgressDetail, SystemInfoCgroupVersionEnum,
};
use bytes::Bytes;

use super::{Amount, AnswerError, Image, PullProgress};
use crate::desired::{Chosen, ContainerName, ImageRef, Settings, VolumeName};
use crate::observed::{Cgroups, Container, ContainerId, State};

/// Where images of BuildKit keep their state: the usual one and the rootless one.
const STATE_DIRECTORIES: [&str; 2] = ["/var/lib/buildkit", "/home/user/.local/share/buildkit"];

/// The network of containers that name none, and the kind of it.
const BRIDGE: &str = "bridge";

/// What an engine says of a container that never ran.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container from its inspection, in `other` state where that is one that the model does not know;
/// `None` when the answer lacks its id or name.
pub(super) fn container(inspected: ContainerInspectResponse, other: Option<String>) -> Option<Container> {
    let name = inspected.name?.trim_start_matches('/').to_owned();
    let state = inspected.state.unwrap_or_default();
    let config = inspected.config.unwrap_or_default();
    let mut host = inspected.host_config.unwrap_or_default();
    let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    if host.network_mode.as_deref() == Some(BRIDGE) && !networks.contains_key(BRIDGE) {
        // Podman tells the kind of a network here, and its name there.
        host.network_mode = networks.into_keys().min().or(host.network_mode);
    }
    let settings = settings(&config, &host);
    Some(Container {
        id: ContainerId(inspected.id?),
        name: ContainerName(name),
        image: ImageRef(config.image.unwrap_or_default()),
        image_id: inspected.image.unwrap_or_default(),
        state: other.map_or_else(|| self::state(state.status), State::Other),
        unhealthy: state.health.is_some_and(|health| health.status == Some(HealthStatusEnum::UNHEALTHY)),
        restarts: inspected.restart_count.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        started_at: state.started_at.filter(|time| time != NEVER).unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        env: config.env.unwrap_or_default(),
        settings,
    })
}

/// The settings of a container.
fn settings(config: &ContainerConfig, host: &HostConfig) -> Settings {
    let seen = || {
        let (config, fields) = (serde_json::to_value(config)?, serde_json::to_value(host)?);
        let (chosen, cache_volume) = (Chosen::seen(&config, &fields), cache_volume(host));
        Ok::<_, serde_json::Error>(Settings { chosen, cache_volume, ..serde_json::from_value(fields)? })
    };
    seen().expect("settings have the names and forms of its fields")
}

fn state(status: Option<ContainerStateStatusEnum>) -> State {
    use ContainerStateStatusEnum as Api;
    match status {
        Some(Api::RUNNING | Api::STOPPING) => State::Running,
        Some(Api::PAUSED) => State::Paused,
        Some(Api::RESTARTING) => State::Restarting,
        Some(Api::REMOVING) => State::Removing,
        Some(Api::EXITED) => State::Exited,
        Some(Api::DEAD) => State::Dead,
        Some(Api::CREATED | Api::EMPTY) | None => State::Created,
    }
}

/// The volume that was asked for on a state directory. The list of what is mounted would not
/// do: it holds the anonymous volume too that the image declares there.
fn cache_volume(host: &HostConfig) -> Option<VolumeName> {
    let is_state = |target: &str| STATE_DIRECTORIES.contains(&target.trim_end_matches('/'));
    let mounts = host.mounts.iter().flatten().filter_map(|mount| {
        let named = mount.typ == Some(MountType::VOLUME) && is_state(mount.target.as_deref()?);
        mount.source.clone().filter(|source| named && !source.is_empty())
    });
    let binds = host.binds.iter().flatten().filter_map(|bind| {
        let mut parts = bind.split(':');
        let (source, target) = (parts.next()?, parts.next()?);
        let named = is_state(target) && !source.starts_with('/') && !is_anonymous(source);
        named.then(|| source.to_owned())
    });
    mounts.chain(binds).next().map(VolumeName)
}

/// Whether an engine made this name up for a volume that an image declares. Podman lists those beside the
/// ones that were asked for, and does not tell them apart otherwise.
fn is_anonymous(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An image from its inspection.
pub(super) fn image(inspected: ImageInspect) -> Image {
    Image {
        id: inspected.id.unwrap_or_default(),
        repo_digests: inspected.repo_digests.unwrap_or_default(),
        arch: inspected.architecture.unwrap_or_default(),
        entrypoint: inspected.config.and_then(|config| config.entrypoint).unwrap_or_default(),
    }
}

/// The control groups that an engine tells of; those before API 1.41 say nothing and know v1 only.
pub(super) fn cgroups(version: Option<SystemInfoCgroupVersionEnum>) -> Cgroups {
    if version == Some(SystemInfoCgroupVersionEnum::_2) { Cgroups::V2 } else { Cgroups::V1 }
}

/// One line of a pull.
pub(super) fn progress(line: CreateImageInfo) -> PullProgress {
    let status = line.status.unwrap_or_default();
    let amount = |detail: ProgressDetail| {
        let done = u64::try_from(detail.current?).ok()?;
        match detail.total.and_then(|total| u64::try_from(total).ok()).filter(|total| *total > 0) {
            Some(all) => Some(Amount::Bytes(done, all)),
            // Its unit is "s" then, which bollard does not read.
            None => (status == "Extracting").then_some(Amount::Seconds(done)),
        }
    };
    let amount = line.progress_detail.and_then(amount);
    PullProgress { id: line.id.unwrap_or_default(), status, amount }
}

/// The content of the first file in an archive (tar).
pub(super) fn first_file(archive: &[u8]) -> io::Result<Bytes> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            return Ok(content.into());
        }
    }
    Err(io::Error::other(AnswerError::NoFile))
}

#[cfg(test)]
#[path = "answered_tests.rs"]
mod tests;
