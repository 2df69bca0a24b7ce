//! The BuildKit container.

use std::collections::BTreeMap;

use super::daemon::{self, CONFIG_FILE};
use super::{Candidates, ContainerSpec, Mount, Network, Privileges, RESERVED_PORTS, Restart, note};
use crate::desired::{Choice, Desired, LAST_OWN_ARGUMENT, NETWORK_HOST, Security, Settings, VolumeName};
use crate::labels;
use crate::observed::Cgroups;

/// Where the images of BuildKit keep their state, the build cache above all.
pub const STATE_DIRECTORY: &str = "/var/lib/buildkit";

/// The socket that it listens on, wherever its image has it, unless its configuration says otherwise.
pub(super) const SOCKET: &str = "buildkitd.sock";

/// The argument that labels the daemon's worker with the commit of the program that made it, by
/// which `info` and clients of BuildKit tell backends apart. Those of the user's come behind it.
pub(super) const COMMIT_ARGUMENT: &str = LAST_OWN_ARGUMENT;

/// The commit that this program was built from.
const COMMIT: &str = env!("DOCKER_ASSEMBLE_COMMIT");

/// The capabilities beyond the engine's default ones without which whole builds do not run:
/// mounts and namespaces, the network of RUN steps, and runc's look at its children. The rest BuildKit
/// gives to each RUN step, as Docker does to containers; they are no default ones of Podman's.
const CAPABILITIES: [&str; 6] = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "AUDIT_WRITE", "MKNOD", "NET_RAW"];

/// The specs of the wished backend; `cache` is the volume that the
/// wish comes down to on this engine, which has these control groups.
#[must_use]
pub fn backend(desired: &Desired, cache: Option<&VolumeName>, cgroups: Cgroups) -> Candidates {
    let mut settings = desired.settings.clone();
    settings.cache_volume = cache.cloned();
    let privileged = || {
        let settings = Settings { security: Security::Privileged, ..settings.clone() };
        spec(desired, settings, Privileges::Privileged)
    };
    let restricted = || {
        let settings = Settings { security: Security::Restricted, ..settings.clone() };
        let add = CAPABILITIES.map(str::to_owned).to_vec();
        spec(desired, settings, Privileges::Builder { add, cgroups })
    };
    match desired.settings.security {
        Security::Auto => Candidates { preferred: privileged(), fallback: Some(restricted()) },
        Security::Privileged => privileged().into(),
        Security::Restricted => restricted().into(),
    }
}

/// The argument that gives builds what they may ask for where nobody says otherwise.
pub(crate) fn usual_entitlement() -> String {
    format!("--allow-insecure-entitlement={NETWORK_HOST}")
}

fn spec(desired: &Desired, settings: Settings, privileges: Privileges) -> ContainerSpec {
    let mut mounts = Vec::new();
    if let Some(name) = &settings.cache_volume {
        mounts.push(Mount::Volume { name: name.clone(), target: STATE_DIRECTORY.to_owned() });
    }
    if matches!(privileges, Privileges::Builder { cgroups: Cgroups::V1, .. }) {
        // RUN steps get cgroups of their own, and without privileges the engine mounts the
        // trees read-only.
        let cgroups = "/sys/fs/cgroup".to_owned();
        mounts.push(Mount::Bind { source: cgroups.clone(), target: cgroups, read_only: false });
    }
    // RUN steps then live in the backend's own network and see its forwarded ports. The
    // default, `auto`, means the same only as long as an image brings no CNI settings.
    let mut args = vec!["--oci-worker-net=host".to_owned()];
    let mut own_labels = BTreeMap::new();
    if !desired.files.is_empty() {
        // Said in so many words, since an image without root looks for it elsewhere.
        args.push(format!("--config={CONFIG_FILE}"));
        own_labels.insert(labels::CONFIG.to_owned(), daemon::fingerprint(&desired.files));
    }
    // As buildx does unless the user names some: `host` is no more than the backend's own network.
    if settings.chosen.get(Choice::Entitlements).is_none() && !daemon::names_entitlements(&desired.files) {
        args.push(usual_entitlement());
    }
    args.push(format!("{COMMIT_ARGUMENT}{COMMIT}"));
    if !desired.proxies.is_empty() {
        // Their names alone: a proxy's address may have a password in it.
        let names: Vec<&str> =
            desired.proxies.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        own_labels.insert(labels::PROXIES.to_owned(), names.join(","));
    }
    let mut spec = ContainerSpec {
        name: desired.user.backend(),
        image: desired.image.clone(),
        args,
        env: super::proxies::environment(&desired.proxies),
        labels: own_labels,
        user: None,
        sysctls: sysctls(desired),
        network: Network::Own,
        mounts,
        settings,
        privileges,
        read_only: false,
        pids: None,
        descriptors: None,
        // As buildx does: a builder that was running comes back with the engine, and a
        // sidecar that then fails without its network is started again beside it.
        restart: Restart::UnlessStopped,
        files: desired.files.clone(),
        note: Some(note(&desired.forwards)),
    }
    .with_labels(labels::ROLE_BACKEND, &desired.user);
    // Behind the fingerprint: the same configuration may come of other files.
    if !desired.config_options.is_empty() {
        spec.labels.insert(labels::CONFIG_OPTIONS.to_owned(), desired.config_options.clone());
    }
    spec
}

/// The first port for outgoing connections.
pub(super) const FIRST_PORT: u16 = 10_000;

/// The last one.
pub(super) const LAST_PORT: u16 = 65_000;

/// Settings of the network namespace that the sidecars share. The first two let them make tens
/// of thousands of short connections to one gateway address without running out of ports
/// (a tenfold difference where that was measured). The third keeps an outgoing connection from
/// taking a port before its sidecar listens there. It is fixed at creation; a port added later
/// goes without, and a sidecar that finds its port taken fails and is started again. The fourth
/// lets a sidecar, which has no capabilities, listen below 1024; engines since 20.10 do the same,
/// those before and others need to be told.
fn sysctls(desired: &Desired) -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::from([
        ("net.ipv4.tcp_tw_reuse".to_owned(), "1".to_owned()),
        ("net.ipv4.ip_local_port_range".to_owned(), format!("{FIRST_PORT} {LAST_PORT}")),
        ("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned()),
    ]);
    if !desired.forwards.is_empty() {
        let ports: Vec<String> = desired.forwards.iter().map(|forward| forward.ports.to_string()).collect();
        sysctls.insert(RESERVED_PORTS.to_owned(), ports.join(","));
    }
    sysctls
}
