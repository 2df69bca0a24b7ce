//! Our words to bollard's and back: pure functions, no calls.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use bollard::auth::DockerCredentials;
use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum,
    ContainerUpdateBody, CreateImageInfo, HealthStatusEnum, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, ImageInspect, Mount as ApiMount, MountType, MountVolumeOptions, ProgressDetail,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum, SystemInfoCgroupVersionEnum,
};
use bytes::Bytes;
use docker_plugin::credentials::Credentials;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::users::{are_remapped, shifted};
use super::{Amount, AnswerError, EngineFacts, Image, PullProgress};
use crate::desired::{Chosen, ContainerName, ImageRef, Settings, VolumeName};
use crate::observed::{Cgroups, Container, ContainerId, State};
use crate::spec::{ContainerSpec, Mount, Network, Privileges, Restart};

/// Where images of BuildKit keep their state: the usual one and the rootless one.
const STATE_DIRECTORIES: [&str; 2] = ["/var/lib/buildkit", "/home/user/.local/share/buildkit"];

/// The network of containers that name none, and the kind of it.
const BRIDGE: &str = "bridge";

/// What an engine says of a container that never ran.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A login for a registry.
pub(super) fn credentials(found: Credentials) -> DockerCredentials {
    DockerCredentials {
        username: found.username,
        password: found.password,
        identitytoken: found.identity_token,
        registrytoken: found.registry_token,
        serveraddress: found.server_address,
        ..DockerCredentials::default()
    }
}

/// The body of `POST /containers/create`. The image is looked at where the spec
/// [replaces its entry point](replaces_entrypoint).
pub(super) fn create_body(
    spec: &ContainerSpec,
    facts: &EngineFacts,
    image: Option<&Image>,
) -> ContainerCreateBody {
    let body = ContainerCreateBody {
        image: Some(spec.image.0.clone()),
        entrypoint: image.filter(|_| replaces_entrypoint(spec)).map(with_writable_cgroups),
        cmd: non_empty(&spec.args),
        env: non_empty(&spec.env),
        labels: Some(hash_map(&spec.labels)),
        user: spec.user.as_ref().map(|user| shifted(user, facts).unwrap_or_else(|| user.clone())),
        host_config: Some(with_settings(host_config(spec, facts), &spec.settings)),
        ..ContainerCreateBody::default()
    };
    with_chosen(body, &spec.settings.chosen)
}

/// The same with the settings that a start has named, wherever in it they are.
fn with_chosen(body: ContainerCreateBody, chosen: &Chosen) -> ContainerCreateBody {
    if chosen.is_empty() {
        return body;
    }
    let body = serde_json::to_value(body).and_then(|mut body| {
        chosen.put(&mut body);
        serde_json::from_value(body)
    });
    body.expect("settings have the names and forms of its fields")
}

/// The body of `POST /containers/{id}/update`.
pub(super) fn update_body(change: &Chosen, wanted: &Chosen, facts: &EngineFacts) -> ContainerUpdateBody {
    serde_json::from_value(change.update(wanted, facts.podman))
        .expect("settings have the names and forms of its fields")
}

/// Whether something has to be done in the container before the image's own program runs.
pub(super) fn replaces_entrypoint(spec: &ContainerSpec) -> bool {
    matches!(spec.privileges, Privileges::Builder { cgroups: Cgroups::V2, .. })
}

/// The entry point of an image behind one that makes the container's own control groups writable.
///
/// Engines mount them read-only in containers without all privileges; Docker has an option from version
/// 28 on (`writable-cgroups`). It is done at each start, since the engine mounts them anew; to this mount
/// alone (`bind`), since the file system behind it is the host's, which a rootless engine may not change.
fn with_writable_cgroups(image: &Image) -> Vec<String> {
    let mut words = strings(&["sh", "-c", "mount -o remount,bind,rw /sys/fs/cgroup && exec \"$@\"", "sh"]);
    words.extend_from_slice(&image.entrypoint);
    words
}

/// The same with the settings that are fields of it.
fn with_settings(plain: HostConfig, settings: &Settings) -> HostConfig {
    #[derive(Serialize)]
    struct Both<'a> {
        #[serde(flatten)]
        plain: HostConfig,
        #[serde(flatten)]
        settings: &'a Settings,
    }
    let both = serde_json::to_value(Both { plain, settings });
    both.and_then(serde_json::from_value).expect("settings have the names and forms of its fields")
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

fn host_config(spec: &ContainerSpec, facts: &EngineFacts) -> HostConfig {
    let plain = HostConfig {
        network_mode: match &spec.network {
            Network::Own => None,
            Network::Host => Some("host".to_owned()),
            Network::Container(name) => Some(format!("container:{name}")),
        },
        mounts: (!spec.mounts.is_empty()).then(|| spec.mounts.iter().map(mount).collect()),
        sysctls: (!spec.sysctls.is_empty()).then(|| hash_map(&spec.sysctls)),
        readonly_rootfs: Some(spec.read_only),
        pids_limit: spec.pids.map(i64::from),
        ulimits: spec.descriptors.map(|most| vec![descriptors(most.into())]),
        restart_policy: Some(restart(spec.restart)),
        log_config: log_config(&facts.logging_driver),
        userns_mode: are_remapped(facts).then(|| "host".to_owned()),
        ..HostConfig::default()
    };
    match &spec.privileges {
        Privileges::Privileged => HostConfig { security_opt: Some(strings(&[GAIN_PRIVILEGES])), ..plain },
        Privileges::Builder { add, cgroups } => HostConfig {
            cap_add: Some(add.clone()),
            security_opt: Some(strings(&["seccomp=unconfined", "apparmor=unconfined", GAIN_PRIVILEGES])),
            // Empty lists unmask; leaving the fields out would mean the engine's own lists.
            masked_paths: Some(Vec::new()),
            readonly_paths: Some(Vec::new()),
            cgroupns_mode: Some(match cgroups {
                Cgroups::V1 => HostConfigCgroupnsModeEnum::HOST,
                Cgroups::V2 => HostConfigCgroupnsModeEnum::PRIVATE,
            }),
            ..plain
        },
        Privileges::Nothing => HostConfig {
            cap_drop: Some(strings(&["ALL"])),
            security_opt: Some(confined(spec, facts)),
            ..plain
        },
    }
}

/// Programs in `RUN` steps may change their user, as `sudo` and `ping` do, though the engine denies it
/// to containers in general (dockerd's `--no-new-privileges`).
const GAIN_PRIVILEGES: &str = "no-new-privileges=false";

/// What holds a container that needs no privileges.
///
/// Where SELinux is in force, each container has a level of its own and may not connect to another
/// one's socket. Those that share a volume of ours, a dialer and its sidecars, get one level, which
/// keeps them apart from everybody else.
fn confined(spec: &ContainerSpec, facts: &EngineFacts) -> Vec<String> {
    let mut options = strings(&["no-new-privileges"]);
    let shared = spec.mounts.iter().find_map(|mount| match mount {
        Mount::Own { volume, .. } => Some(&volume.name),
        Mount::Volume { .. } | Mount::Bind { .. } => None,
    });
    if let Some(volume) = shared.filter(|_| has_selinux(facts)) {
        options.push(format!("label=level:{}", level(volume)));
    }
    options
}

fn has_selinux(facts: &EngineFacts) -> bool {
    facts.security_options.iter().any(|option| option == "name=selinux")
}

/// An SELinux level with two of the 1,024 categories that container policies have (container-selinux
/// and Fedora's `mcs`), always the same for one volume.
fn level(volume: &VolumeName) -> String {
    const CATEGORIES: u16 = 1024;
    let digest = Sha256::digest(&volume.0);
    let first = u16::from_be_bytes([digest[0], digest[1]]) % CATEGORIES;
    // Two different ones: a level with one category alone is no level of a container.
    let distance = 1 + u16::from_be_bytes([digest[2], digest[3]]) % (CATEGORIES - 1);
    let second = (first + distance) % CATEGORIES;
    format!("s0:c{},c{}", first.min(second), first.max(second))
}

/// Both limits are one, since a process may raise the one to the other.
fn descriptors(most: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some("nofile".to_owned()), soft: Some(most), hard: Some(most) }
}

/// A limit on the log of a container, where the engine's own driver has none by itself and takes
/// one. Others have theirs, keep nothing or refuse to be told; the driver stays the engine's. So do its
/// other options: an engine adds those of its `log-opts` that a container does not name, and tells
/// nobody which they are.
fn log_config(driver: &str) -> Option<HostConfigLogConfig> {
    (driver == "json-file").then(|| HostConfigLogConfig {
        typ: None,
        config: Some(
            [("max-size", "10m"), ("max-file", "3")].map(|(key, value)| (key.into(), value.into())).into(),
        ),
    })
}

fn mount(mount: &Mount) -> ApiMount {
    let (typ, source, target, labels, read_only) = match mount {
        Mount::Volume { name, target } => (MountType::VOLUME, name.0.clone(), target, None, false),
        Mount::Own { volume, target, read_only } => {
            (MountType::VOLUME, volume.name.0.clone(), target, Some(hash_map(&volume.labels)), *read_only)
        }
        Mount::Bind { source, target, read_only } => {
            (MountType::BIND, source.clone(), target, None, *read_only)
        }
    };
    let volume_options =
        labels.map(|labels| MountVolumeOptions { labels: Some(labels), ..MountVolumeOptions::default() });
    ApiMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(target.clone()),
        read_only: read_only.then_some(true),
        volume_options,
        ..ApiMount::default()
    }
}

fn restart(restart: Restart) -> RestartPolicy {
    let name = match restart {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    RestartPolicy { name: Some(name), maximum_retry_count: None }
}

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

fn non_empty(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().copied().map(str::to_owned).collect()
}

fn hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
