//! What one run made so far.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::desired::{Chosen, ContainerName, File, VolumeName};
use crate::observed::{self, ContainerId};
use crate::spec::HostDialer;

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
    /// A container whose creation was asked for, and whose id is not known.
    Asked(ContainerName),
    /// A container that was set aside.
    SetAside {
        /// Its id.
        id: ContainerId,
        /// The name that it had.
        name: ContainerName,
        /// How long it was given to end, if it ran.
        ran: Option<Duration>,
    },
    /// A volume, which was created.
    Volume(VolumeName),
    /// A dialer on this host.
    Dialer {
        /// The process.
        dialer: HostDialer,
        /// What there was in its place.
        before: Option<observed::HostDialer>,
        /// Whether it is known what has become of it.
        known: bool,
    },
    /// Settings of a container that was there.
    Changed {
        /// The container.
        id: ContainerId,
        /// Its name, for messages.
        name: ContainerName,
        /// What it had of them before.
        before: Chosen,
    },
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
    /// Whether it is this container, which was made or started.
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

/// A list that the concurrent steps of a stage add to. It outlives the work, which may be dropped
/// wherever it waits: what is asked for is in it before the engine hears of it.
#[derive(Debug, Default)]
pub struct Ledger {
    list: Mutex<Vec<Made>>,
    kept: AtomicBool,
    due: AtomicBool,
}

impl Ledger {
    /// What there is because of this run, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<Made> {
        self.list().clone()
    }

    /// Whether the engine, or a dialer that was started, owes no answer without which it is not known what was made, and what is due
    /// once everything serves was done.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.due.load(Ordering::Relaxed)
            && !self
                .list()
                .iter()
                .any(|made| matches!(made, Made::Asked(_) | Made::Dialer { known: false, .. }))
    }

    /// Nothing of it is to be taken back any more; something is due until [`Self::settle`].
    pub fn keep(&self) {
        self.list().clear();
        self.kept.store(true, Ordering::Relaxed);
        self.due.store(true, Ordering::Relaxed);
    }

    /// What was due then was done.
    pub fn settle(&self) {
        self.due.store(false, Ordering::Relaxed);
    }

    /// Whether [`Self::keep`] was called.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Adds to the list.
    pub fn push(&self, made: Made) {
        self.list().push(made);
    }

    pub(super) fn asked(&self, name: &ContainerName) {
        self.push(Made::Asked(name.clone()));
    }

    /// The answer to [`Self::asked`]; without an id nothing was made.
    pub(super) fn answered(&self, name: &ContainerName, id: Option<&ContainerId>) {
        self.list().retain(|made| !matches!(made, Made::Asked(asked) if asked == name));
        if let Some(id) = id {
            self.add(id, name, Origin::Created);
        }
    }

    pub(super) fn add(&self, id: &ContainerId, name: &ContainerName, origin: Origin) {
        self.push(Made::Container { id: id.clone(), name: name.clone(), origin });
    }

    pub(super) fn add_volume(&self, name: &VolumeName) {
        self.push(Made::Volume(name.clone()));
    }

    pub(super) fn add_note(&self, id: &ContainerId, name: &ContainerName, before: &File) {
        self.push(Made::Note { id: id.clone(), name: name.clone(), before: before.clone() });
    }

    pub(super) fn asked_dialer(&self, dialer: &HostDialer, before: Option<&observed::HostDialer>) {
        self.push(Made::Dialer { dialer: dialer.clone(), before: before.cloned(), known: false });
    }

    /// The answer to [`Self::asked_dialer`].
    pub(super) fn answered_dialer(&self) {
        for made in self.list().iter_mut() {
            if let Made::Dialer { known, .. } = made {
                *known = true;
            }
        }
    }

    /// The engine has refused to change this one.
    pub(super) fn forget_change(&self, container: &ContainerId) {
        self.list().retain(|made| !matches!(made, Made::Changed { id, .. } if id == container));
    }

    pub(super) fn forget(&self, id: &ContainerId) {
        self.list().retain(|made| !made.is(id));
    }

    fn list(&self) -> MutexGuard<'_, Vec<Made>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
