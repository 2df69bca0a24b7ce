//! What one run made so far.

use std::sync::{Mutex, PoisonError};

use crate::desired::{ContainerName, File, VolumeName};
use crate::observed::ContainerId;

/// Something that exists or runs because of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A container.
    Container {
        /// Its id.
        id: ContainerId,
        /// Its name, for messages.
        name: ContainerName,
        /// How it came about.
        origin: Origin,
    },
    /// A volume, which was created.
    Volume(VolumeName),
    /// A note in a container that was there.
    Note {
        /// The container.
        id: ContainerId,
        /// Its name, for messages.
        name: ContainerName,
        /// What it said before.
        before: File,
    },
}

impl Made {
    /// Whether it is this container.
    #[must_use]
    pub fn is(&self, container: &ContainerId) -> bool {
        matches!(self, Self::Container { id, .. } if id == container)
    }
}

/// How a container came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was created.
    Created,
    /// It was there and was started.
    Started,
}

/// A list that the concurrent steps of a stage add to.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Vec<Made>>);

impl Ledger {
    pub(super) fn add(&self, id: &ContainerId, name: &ContainerName, origin: Origin) {
        self.push(Made::Container { id: id.clone(), name: name.clone(), origin });
    }

    pub(super) fn add_volume(&self, name: &VolumeName) {
        self.push(Made::Volume(name.clone()));
    }

    pub(super) fn add_note(&self, id: &ContainerId, name: &ContainerName, before: &File) {
        self.push(Made::Note { id: id.clone(), name: name.clone(), before: before.clone() });
    }

    fn push(&self, made: Made) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    pub(super) fn forget(&self, id: &ContainerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| !made.is(id));
    }

    pub(super) fn into_entries(self) -> Vec<Made> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
