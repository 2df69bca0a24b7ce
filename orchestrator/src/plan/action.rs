//! What a plan is made of.

use std::fmt;
use std::time::Duration;

use crate::desired::{Chosen, ContainerName, File, ImageRef, VolumeName};
use crate::observed::{self, ContainerId};
use crate::spec::{Candidates, HostDialer, Mount, Network, Privileges, VolumeSpec};

/// One step of a plan, complete: whoever carries it out decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pull an image; when `fallback` is set a failure is only a warning, since the engine has it.
    Pull {
        /// The image.
        image: ImageRef,
        /// Whether the engine has an older copy.
        fallback: bool,
    },
    /// Load the built-in sidecar image under its content-addressed name.
    LoadProxyImage {
        /// That name.
        image: ImageRef,
    },
    /// Remove a container of ours, running or not, with its anonymous volumes.
    Remove {
        /// The container.
        id: ContainerId,
        /// Its name, for messages.
        name: ContainerName,
        /// Why.
        reason: Reason,
        /// How long it may take to end by itself before it is killed.
        grace: Duration,
    },
    /// Stop a container of ours and let go of its name, so that another one can take its place. It
    /// keeps everything and is put back if that one will not serve.
    SetAside {
        /// The container.
        id: ContainerId,
        /// Its name.
        name: ContainerName,
        /// Why.
        reason: Reason,
        /// How long it may take to end by itself before it is killed.
        grace: Duration,
        /// Whether it runs, and has to again when it is put back.
        runs: bool,
    },
    /// Give a container that a start has set aside and not lived to put back its name again.
    PutBack {
        /// The container.
        id: ContainerId,
        /// The name that it had.
        name: ContainerName,
    },
    /// Tell a backend of ours what its forwards are from now on.
    Note {
        /// The backend.
        id: ContainerId,
        /// Its name, for messages.
        name: ContainerName,
        /// The note.
        note: File,
        /// What it says until then.
        before: File,
    },
    /// Give a container of ours other settings while it goes on.
    Change {
        /// The container.
        id: ContainerId,
        /// Its name, for messages.
        name: ContainerName,
        /// The settings.
        change: Chosen,
        /// What it has of them until then.
        before: Chosen,
    },
    /// Make a volume; one that is there already is as good.
    CreateVolume {
        /// The volume.
        spec: VolumeSpec,
    },
    /// Remove a volume of ours.
    RemoveVolume {
        /// The volume.
        name: VolumeName,
    },
    /// Start a container of ours that ended, with everything it kept.
    Start {
        /// The container.
        id: ContainerId,
        /// Its name, for messages.
        name: ContainerName,
    },
    /// Create and start one container from the first of these specs that the engine accepts.
    Run {
        /// The specs.
        candidates: Box<Candidates>,
    },
    /// Run a dialer as a process of the user's on this host.
    Dial {
        /// The process.
        dialer: HostDialer,
        /// What there is in its place, which ends first.
        before: Option<observed::HostDialer>,
    },
    /// End that process, if there is one, and remove its directory.
    EndDialer {
        /// The directory.
        directory: String,
    },
}

impl Action {
    /// Create and start a container.
    pub(super) fn run(candidates: Candidates) -> Self {
        Self::Run { candidates: Box::new(candidates) }
    }
}

/// What the action is, for people, in words that follow `would`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull { image, fallback: false } => write!(f, "pull image \"{image}\""),
            Self::Pull { image, fallback: true } => {
                write!(f, "pull image \"{image}\", or use the engine's copy")
            }
            Self::LoadProxyImage { image } => write!(f, "load the built-in image \"{image}\""),
            Self::Remove { id, name, reason, .. } => {
                write!(f, "remove container \"{name}\" ({}), which {}", id.short(), reason.words())
            }
            Self::SetAside { id, name, reason, .. } => write!(
                f,
                "stop container \"{name}\" ({}), which {}, and keep it until what replaces it serves",
                id.short(),
                reason.words()
            ),
            Self::PutBack { id, name } => {
                write!(
                    f,
                    "put back container \"{name}\" ({}), whose replacement was not finished",
                    id.short()
                )
            }
            Self::Note { name, .. } => write!(f, "note the new forwards in container \"{name}\""),
            Self::Change { name, change, .. } => {
                write!(f, "change container \"{name}\" to {change}")
            }
            Self::CreateVolume { spec } => write!(f, "create volume \"{}\"", spec.name),
            Self::RemoveVolume { name } => write!(f, "remove volume \"{name}\""),
            Self::Dial { dialer, before } => {
                let runs = before.as_ref().is_some_and(|there| there.process.is_some());
                let verb = if runs { "replace" } else { "start" };
                write!(
                    f,
                    "{verb} a process on this host that connects to its loopback, in \"{}\"",
                    dialer.directory
                )
            }
            Self::EndDialer { directory } => {
                write!(f, "end the process on this host that connects to its loopback, in \"{directory}\"")
            }
            Self::Start { id, name } => write!(f, "start container \"{name}\" ({})", id.short()),
            Self::Run { candidates } => {
                let Candidates { preferred: spec, fallback } = &**candidates;
                write!(f, "create and start container \"{}\" from image \"{}\"", spec.name, spec.image)?;
                for mount in &spec.mounts {
                    if let Mount::Volume { name, .. } | Mount::Own { volume: VolumeSpec { name, .. }, .. } =
                        mount
                    {
                        write!(f, " with volume \"{name}\"")?;
                    }
                }
                if !spec.settings.chosen.is_empty() {
                    write!(f, " with {}", spec.settings.chosen)?;
                }
                if let Some(file) = spec.files.first() {
                    write!(f, " with its own \"{}\"", file.path)?;
                }
                match (&spec.privileges, fallback) {
                    (Privileges::Privileged, None) => f.write_str(", privileged"),
                    (Privileges::Privileged, Some(_)) => {
                        f.write_str(", privileged where the engine allows it")
                    }
                    (Privileges::Builder { .. }, _) => f.write_str(", with a restricted set of privileges"),
                    (Privileges::Nothing, _) if spec.network == Network::Host => {
                        f.write_str(", without privileges, in the host's network")
                    }
                    (Privileges::Nothing, _) => f.write_str(", without privileges"),
                }
            }
        }
    }
}

/// Why a container is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user asked for it.
    Asked,
    /// It is not running.
    Ended,
    /// Its own health check says that it does not serve.
    Unhealthy,
    /// It belongs to an earlier run of the backend, whose network is gone.
    Stale,
    /// What it asks for connections to this host is not where it looks any more.
    Cut,
    /// It was made from other settings.
    Changed,
    /// Its ports are not wanted any more.
    Unwanted,
    /// Some of its ports are wanted still, from sidecars that listen on other ranges: it is in their way.
    Divided,
    /// No forward needs it any more.
    Idle,
    /// Another one serves in its place.
    Replaced,
}

impl Reason {
    /// The reason in words that follow `which`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Asked => "was asked for",
            Self::Ended => "is not running",
            Self::Unhealthy => "fails its health check",
            Self::Stale => "belongs to an earlier run of the backend",
            Self::Cut => "is cut off from the dialer on this host",
            Self::Changed => "was made from other settings",
            Self::Idle => "no forward needs any more",
            Self::Replaced => "was replaced",
            Self::Unwanted => "forwards a port that is not wanted any more",
            Self::Divided => "leaves its ports to others",
        }
    }
}
