//! A wish turned into complete container specs: nothing is left to decide when one is run.

mod buildkit;
mod canonical;
pub mod daemon;
mod dialer;
mod fingerprint;
mod host_dialer;
mod note;
pub mod proxies;
mod sidecar;

pub(crate) use buildkit::usual_entitlement;
pub use buildkit::{STATE_DIRECTORY, backend};
pub use canonical::same as same_settings;
pub use dialer::{dialer, socket_volume};
pub use host_dialer::{HostDialer, host_dialer, socket as dialer_socket};
pub use note::{note, noted};
pub use sidecar::sidecar;

use std::collections::BTreeMap;

use assemble_contract::limits::descriptors_for;
use buildkit::{FIRST_PORT, LAST_PORT};

use crate::desired::{ContainerName, File, ImageRef, Settings, UserName, VolumeName};
use crate::labels;
use crate::observed::Cgroups;

/// Most threads and processes: the relay's few threads and the health checks run beside them.
const PIDS: u32 = 64;

/// For as many connections as the backend's network has ports for, and the listeners of so many ports.
fn descriptors(ports: usize) -> u32 {
    descriptors_for((LAST_PORT - FIRST_PORT + 1).into(), u32::try_from(ports).unwrap_or(u32::MAX))
}

/// How a container may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// What is tried first.
    pub preferred: ContainerSpec,
    /// What is tried where the engine refuses the privileges of that.
    pub fallback: Option<ContainerSpec>,
}

impl Candidates {
    /// In the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &ContainerSpec> {
        std::iter::once(&self.preferred).chain(&self.fallback)
    }
}

impl From<ContainerSpec> for Candidates {
    fn from(preferred: ContainerSpec) -> Self {
        Self { preferred, fallback: None }
    }
}

/// A container to be made, in the terms of `POST /containers/create`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Its name.
    pub name: ContainerName,
    /// Its image.
    pub image: ImageRef,
    /// Arguments to the image's entry point.
    pub args: Vec<String>,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `uid:gid` to run as; the image's own when absent.
    pub user: Option<String>,
    /// `HostConfig.Sysctls`, set in the container's own network namespace.
    pub sysctls: BTreeMap<String, String>,
    /// Which network namespace it lives in.
    pub network: Network,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// The settings that are options of a start. Each is compared with what a container has, so they
    /// are no part of a fingerprint.
    pub settings: Settings,
    /// What it may do.
    pub privileges: Privileges,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// Limit on processes and threads; none when absent.
    ///
    /// Beside it there is none on memory. With cgroup v2 buffers of sockets count against such a
    /// limit, so that some hundred streams whose readers are slow would have the kernel kill a
    /// relay that itself needs a few MiB. The kernel has a soft limit of its own for those of the
    /// whole host (`net.ipv4.tcp_mem`, tcp(7)): near it streams wait, and few are reset.
    pub pids: Option<u32>,
    /// Limit on open descriptors; the engine's own when absent or refused.
    pub descriptors: Option<u32>,
    /// When the engine starts it again.
    pub restart: Restart,
    /// Files that it is given before its first start.
    pub files: Vec<File>,
    /// The note about the forwards, which comes with the files. They may change while the backend
    /// runs, so it is no part of a fingerprint.
    pub note: Option<File>,
}

/// A volume to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its name.
    pub name: VolumeName,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A container's network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Its own, on the engine's default bridge.
    Own,
    /// That of another container.
    Container(ContainerName),
    /// The host's.
    Host,
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A named volume at a path.
    Volume {
        /// The volume, which exists.
        name: VolumeName,
        /// Where it appears.
        target: String,
    },
    /// A volume of ours at a path. An engine that finds it missing makes it with its labels: what
    /// a killed start has asked for may come after the next stop has removed the volume.
    Own {
        /// The volume.
        volume: VolumeSpec,
        /// Where it appears.
        target: String,
        /// Nothing in it may be made, removed or renamed.
        read_only: bool,
    },
    /// A path of the engine's host.
    Bind {
        /// The path on the host.
        source: String,
        /// Where it appears.
        target: String,
        /// Nothing in it may be made, removed or renamed.
        read_only: bool,
    },
}

/// What a container may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Privileges {
    /// Everything, as its settings tell the engine.
    Privileged,
    /// The builder's smallest working set: these capabilities besides the engine's default
    /// ones, seccomp and AppArmor unconfined, no masked or read-only system paths, and control groups
    /// that it may divide among its RUN steps.
    Builder {
        /// Capabilities to add, without `CAP_`.
        add: Vec<String>,
        /// With one tree it has a branch of its own, in a namespace of its own; of several trees
        /// it has the host's.
        cgroups: Cgroups,
    },
    /// None: all capabilities dropped, no new privileges.
    Nothing,
}

/// A container's restart policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    No,
    /// When it ends with an error.
    OnFailure,
    /// Always, unless a person stopped it.
    UnlessStopped,
}

/// Where a backend keeps the note about its forwards.
pub const NOTE_FILE: &str = "/etc/docker-assemble/forwards";

/// The sysctl that keeps outgoing connections off the forwarded ports. Which ports are
/// forwarded may change while the backend runs, so it is no part of a fingerprint.
const RESERVED_PORTS: &str = "net.ipv4.ip_local_reserved_ports";

impl ContainerSpec {
    /// The settings-hash this spec was labelled with.
    #[must_use]
    pub fn settings(&self) -> &str {
        self.labels.get(labels::SETTINGS).map_or("", String::as_str)
    }

    /// The same without the optional setting that these words of an engine refuse, and the name of a
    /// setting that is missed from then on; `None` when they are about something else.
    ///
    /// All sysctls are optional: a kernel may be built without one, and an engine without privileges
    /// may not write it. So is the limit on descriptors, which an engine without `CAP_SYS_RESOURCE`
    /// cannot raise above its own. That one has no name: the engine's is nearly always enough, and a
    /// relay tells where it is not. The labels stay, so that a later start sees no difference.
    #[must_use]
    pub fn without_refused(&self, words: &str) -> Option<(Option<String>, Self)> {
        let mut less = self.clone();
        // "error setting rlimit type 7" (runc), "setrlimit `RLIMIT_NOFILE`" (crun), "ulimit option".
        let limit = words.to_ascii_lowercase();
        if (limit.contains("rlimit") || limit.contains("ulimit")) && less.descriptors.take().is_some() {
            return Some((None, less));
        }
        // Engines write the dotted name, runtimes the file's.
        let named = |name: &&String| words.contains(*name) || words.contains(&name.replace('.', "/"));
        let name = self.sysctls.keys().find(named)?.clone();
        less.sysctls.remove(&name);
        Some((Some(name), less))
    }

    /// Adds the labels that every container of ours carries. Comes last: the fingerprint
    /// covers everything else but the name, so that equal settings give equal fingerprints.
    fn with_labels(mut self, role: &str, user: &UserName) -> Self {
        let fingerprint = fingerprint::of(&self);
        self.labels.extend(user.labels());
        let own = [
            (labels::ROLE, role),
            (labels::SETTINGS, &fingerprint),
            (labels::VERSION, env!("CARGO_PKG_VERSION")),
        ];
        let all = own.into_iter().chain(labels::UPDATERS);
        self.labels.extend(all.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }
}
