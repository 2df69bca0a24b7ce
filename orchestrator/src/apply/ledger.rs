//! What one run made so far.

use std::sync::{Mutex, PoisonError};

use crate::desired::ContainerName;
use crate::observed::ContainerId;

/// A container that exists or runs because of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub id: ContainerId,
    /// Its name, for messages.
    pub name: ContainerName,
    /// How it came about.
    pub origin: Origin,
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
        let made = Made { id: id.clone(), name: name.clone(), origin };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    pub(super) fn forget(&self, id: &ContainerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| made.id != *id);
    }

    pub(super) fn into_entries(self) -> Vec<Made> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
