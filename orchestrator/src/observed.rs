//! What the engine has, as plain data.

mod container;

pub use container::{Container, ContainerId, State};

use std::collections::BTreeMap;

use crate::desired::{ContainerName, File, ImageRef, Ports, UserName, VolumeName};
use crate::forward::{Forward, Target};
use crate::labels;

/// A sidecar that exists, with the ports it forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// The ports, read from its label.
    pub ports: Ports,
    /// Where the first of them leads, read from its label; none for a label that this version does not know.
    pub target: Option<Target>,
    /// Whether it serves in the network namespace that its backend has now; absent where that
    /// could not be found out.
    pub beside_backend: Option<bool>,
    /// The container.
    pub container: Container,
}

/// A dialer that is a process of the user's on this host, or what one has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDialer {
    /// Where its socket is.
    pub directory: String,
    /// The process; absent where nothing listens there.
    pub process: Option<Process>,
}

/// A process of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// Its command line.
    pub command: Vec<String>,
}

/// Which control groups the kernel of the engine has for containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cgroups {
    /// A tree for each controller (cgroup v1), or not known.
    #[default]
    V1,
    /// One tree (cgroup v2).
    V2,
}

/// Everything a plan needs to know about the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The engine's architecture in OCI's words.
    pub arch: String,
    /// Its control groups.
    pub cgroups: Cgroups,
    /// Whether the engine changes no settings of a container that is there.
    pub fixed: bool,
    /// The user's backend, found by label.
    pub backend: Option<Container>,
    /// What was made to take the place of the backend that is set aside, and was never started: that
    /// one is the user's still, and this is nobody's.
    pub unfinished: Option<Container>,
    /// The user's sidecars, found by label, ordered by their ports; no two of the same ports.
    pub sidecars: Vec<Sidecar>,
    /// The user's dialer, found by label.
    pub dialer: Option<Container>,
    /// The dialers that are processes on this host, where there is one or its directory: one for each
    /// directory for sockets that the user has had.
    pub host_dialers: Vec<HostDialer>,
    /// The user's volumes for its socket, found by label.
    pub socket_volumes: Vec<VolumeName>,
    /// The daemon's configuration and what it names, as the container of [`Self::owned_backend`] really
    /// has them; absent where that is not known. One that something else made anew has lost them.
    pub files: Option<Vec<File>>,
    /// What the note in that container says is forwarded, in the order of the ports; absent where it
    /// was not read.
    pub noted: Option<Vec<Forward>>,
    /// The user's containers that were set aside for others to take their place, found by label and
    /// name: a start that was killed leaves them.
    pub replaced: Vec<Container>,
    /// More containers with the user's labels that fit no place above, such as renamed copies.
    /// They are removed with the backend and otherwise left alone.
    pub strays: Vec<Container>,
    /// Containers of somebody else that hold a name we would use.
    pub foreign: Vec<ContainerName>,
    /// Which of the volumes we may mount exist.
    pub volumes: Vec<VolumeName>,
    /// Whether the network that a start names exists; absent where it names none.
    pub network: Option<bool>,
    /// The ids of those images that the engine has, under the names we use for them.
    pub images: BTreeMap<ImageRef, String>,
}

/// The ports that a sidecar with these labels forwards.
#[must_use]
pub fn ports(labels: &BTreeMap<String, String>) -> Option<Ports> {
    labels.get(labels::PORT)?.parse().ok()
}

/// What it forwards, where its labels tell.
#[must_use]
pub fn forward(labels: &BTreeMap<String, String>) -> Option<Forward> {
    Forward::from_label(ports(labels)?, labels.get(labels::TARGET)?)
}

impl Sidecar {
    /// The one that a container is, where it is not known yet what it is beside.
    #[must_use]
    pub fn new(ports: Ports, container: Container) -> Self {
        let target = forward(&container.labels).map(|forward| forward.target);
        Self { ports, target, beside_backend: None, container }
    }

    /// Whether it runs, but in the network of an earlier run of `backend`, which may have ended: it
    /// forwards nothing. The order of times would not tell: a clock may have been set meanwhile, and an
    /// engine may keep the namespace over a restart.
    #[must_use]
    pub fn is_stale(&self, backend: &Container) -> bool {
        self.container.state == State::Running
            && match backend.state {
                State::Running => self.beside_backend == Some(false),
                State::Paused => false,
                _ => true,
            }
    }

    /// The forward that it is for, where its label tells.
    #[must_use]
    pub fn forward(&self) -> Option<Forward> {
        Some(Forward { ports: self.ports, target: self.target.clone()? })
    }
}

impl Observed {
    /// Whether the backend was made with a configuration that its container does not have any
    /// more.
    #[must_use]
    pub fn has_lost_files(&self) -> bool {
        let had = self.backend.as_ref().is_some_and(|backend| backend.labels.contains_key(labels::CONFIG));
        had && self.files.as_ref().is_some_and(Vec::is_empty)
    }

    /// What was asked for at the last start, in the order of the ports, or what there are sidecars
    /// for where that is not known.
    #[must_use]
    pub fn wanted(&self) -> Vec<Forward> {
        self.noted.clone().unwrap_or_else(|| self.forwards())
    }

    /// What was asked for and has no sidecar, in the order of the ports.
    #[must_use]
    pub fn missing(&self) -> Vec<Forward> {
        let gone = |forward: &Forward| self.sidecars.iter().all(|sidecar| sidecar.ports != forward.ports);
        self.noted.iter().flatten().filter(|forward| gone(forward)).cloned().collect()
    }

    /// Whether a container that counts is between its creation and its start, or about to vanish, or a
    /// backend is set aside and none is in its place yet: somebody else may be at work.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        if self.backend.is_none() && self.replaced_backend().is_some() {
            return true;
        }
        let sidecars = self.sidecars.iter().map(|sidecar| &sidecar.container);
        let mut all = self.backend.iter().chain(&self.dialer).chain(sidecars);
        all.any(|container| matches!(container.state, State::Created | State::Removing))
    }

    /// Puts a container of the user's in its place, by its labels and name. The backend has to have its
    /// proper name, since sidecars join its network by it.
    pub fn place(&mut self, container: Container, user: &UserName) {
        let label = |name| container.labels.get(name).map(String::as_str);
        if container.name.back().is_some() {
            self.replaced.push(container);
            return;
        }
        match label(labels::ROLE) {
            Some(labels::ROLE_BACKEND) if container.name == user.backend() => self.backend = Some(container),
            Some(labels::ROLE_DIALER) if container.name == user.dialer() => self.dialer = Some(container),
            Some(labels::ROLE_SIDECAR) => match ports(&container.labels) {
                Some(ports) if self.sidecars.iter().all(|sidecar| sidecar.ports != ports) => {
                    self.sidecars.push(Sidecar::new(ports, container));
                    self.sidecars.sort_by_key(|sidecar| sidecar.ports);
                }
                _ => self.strays.push(container),
            },
            _ => self.strays.push(container),
        }
    }

    /// Takes up which sidecars are in the backend's network namespace: one answer for each, in their order.
    pub fn tell_beside(&mut self, beside: Vec<Option<bool>>) {
        for (sidecar, beside) in self.sidecars.iter_mut().zip(beside) {
            sidecar.beside_backend = beside;
        }
    }

    /// Tells a backend that was made and never started from the one whose place it was to take. Comes
    /// when all containers are in their places.
    pub fn tell_unfinished(&mut self) {
        let never_started =
            |new: &mut Container| matches!(new.state, State::Created | State::Removing | State::Dead);
        if self.replaced_backend().is_some() {
            self.unfinished = self.backend.take_if(never_started);
        }
    }

    /// The backend that has the user's cache and settings: the one in its place, or the one that is set
    /// aside and comes back with the next start.
    #[must_use]
    pub fn owned_backend(&self) -> Option<&Container> {
        self.backend.as_ref().or_else(|| self.replaced_backend())
    }

    /// The directories of dialers that are processes on the engine's host, which sidecars ask: first that
    /// of those in their places.
    #[must_use]
    pub fn dialer_directories(&self) -> Vec<&str> {
        let mut directories = Vec::new();
        for directory in self.containers().filter_map(|it| it.labels.get(labels::DIALER_DIRECTORY)) {
            if !directories.contains(&directory.as_str()) {
                directories.push(directory.as_str());
            }
        }
        directories
    }

    /// What is in the first of those: nothing within where nothing is there, or it is another machine's.
    #[must_use]
    pub fn asked_dialer(&self) -> Option<Option<&HostDialer>> {
        let directory = *self.dialer_directories().first()?;
        Some(self.host_dialer(directory))
    }

    /// The dialer of a directory.
    #[must_use]
    pub fn host_dialer(&self, directory: &str) -> Option<&HostDialer> {
        self.host_dialers.iter().find(|dialer| dialer.directory == directory)
    }

    /// What there are sidecars for, in the order of the ports.
    #[must_use]
    pub fn forwards(&self) -> Vec<Forward> {
        self.sidecars.iter().filter_map(Sidecar::forward).collect()
    }

    /// The image of the containers that forward, where there is one.
    #[must_use]
    pub fn helper_image(&self) -> Option<&ImageRef> {
        let mut helpers = self.sidecars.iter().map(|sidecar| &sidecar.container).chain(&self.dialer);
        helpers.next().map(|helper| &helper.image)
    }

    /// The backend that was set aside last, if any was.
    #[must_use]
    pub fn replaced_backend(&self) -> Option<&Container> {
        let is_backend =
            |old: &&Container| old.labels.get(labels::ROLE).is_some_and(|role| role == labels::ROLE_BACKEND);
        let backends = self.replaced.iter().filter(is_backend);
        backends.reduce(|one, other| if one.started_before(other) { other } else { one })
    }

    /// All containers of the user's: the backend first, then the sidecars, then the dialer, then
    /// what was set aside and what has no place.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        let sidecars = self.sidecars.iter().map(|sidecar| &sidecar.container);
        let unplaced = self.unfinished.iter().chain(&self.replaced).chain(&self.strays);
        self.backend.iter().chain(sidecars).chain(&self.dialer).chain(unplaced)
    }
}
