//! Our words to bollard's: pure functions, no calls.

use std::collections::{BTreeMap, HashMap};

use bollard::auth::DockerCredentials;
use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount as ApiMount, MountType, MountVolumeOptions, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use docker_plugin::credentials::Credentials;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::users::{are_remapped, shifted};
use super::{EngineFacts, Image};
use crate::desired::{Chosen, Settings, VolumeName};
use crate::observed::Cgroups;
use crate::spec::{ContainerSpec, Mount, Network, Privileges, Restart};

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
            security_opt: Some(unconfined(facts)),
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

/// What would keep a builder from mounting, capabilities or not.
fn unconfined(facts: &EngineFacts) -> Vec<String> {
    let mut options = strings(&["seccomp=unconfined", "apparmor=unconfined", GAIN_PRIVILEGES]);
    if has_selinux(facts) {
        options.push("label=disable".to_owned());
    }
    options
}

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
