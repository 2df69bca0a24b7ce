//! What the engine has, as plain data.

use std::collections::BTreeMap;

use crate::desired::{ContainerName, HostPort, ImageRef, VolumeName};

/// The engine's id of a container: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(pub String);

impl ContainerId {
    /// The first 12 digits, as docker prints ids.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// A container's state, in the engine's words (`State.Status` of a container inspection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs by its restart policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Could not be removed.
    Dead,
}

/// One container that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// The image as it was asked for at creation.
    pub image: ImageRef,
    /// The id of that image (`sha256:…`).
    pub image_id: String,
    /// What it is doing.
    pub state: State,
    /// When it was last started, RFC 3339 in UTC as the engine prints it; empty if never.
    pub started_at: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The named volume on the builder's state directory, if any.
    pub cache_volume: Option<VolumeName>,
    /// Whether it runs privileged.
    pub privileged: bool,
}

/// A sidecar that exists, with the port it forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// The port, read from its label.
    pub port: HostPort,
    /// The container.
    pub container: Container,
}

/// Everything a plan needs to know about the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The user's backend, found by label.
    pub backend: Option<Container>,
    /// The user's sidecars, found by label, ordered by port.
    pub sidecars: Vec<Sidecar>,
    /// Containers of somebody else that hold a name we would use.
    pub foreign: Vec<ContainerName>,
    /// Which of the volumes we may mount exist.
    pub volumes: Vec<VolumeName>,
    /// The id of the backend's image, when the engine has it.
    pub backend_image: Option<String>,
    /// The id of the sidecar's image, when the engine has it.
    pub proxy_image: Option<String>,
}
