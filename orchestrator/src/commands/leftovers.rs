//! What is left of a backend that was replaced, or is gone.

use explained::Explained;

use super::start::{START, again};
use crate::desired::{ContainerName, UserName};
use crate::observed::Observed;
use crate::plan::way_back;

/// A backend that a command needs, and that is not there or does not run.
#[derive(Debug, thiserror::Error, Explained)]
pub enum BackendError {
    /// It was not started, or as another user.
    #[error("there is no backend \"{name}\"; '{command}' makes one", command = START)]
    #[advice = "start it"]
    Missing {
        /// The backend.
        name: ContainerName,
    },
    /// The same, where it has left something behind, or a builder of buildx leads to it: `{beside}` names
    /// that, and what removes it.
    #[error("{error}{beside}")]
    #[advice = "start it, or what it says"]
    Gone {
        /// That it is missing.
        error: Box<Self>,
        /// What there is still.
        beside: String,
    },
    /// A `start --recreate` was killed before the new backend was made.
    #[error(
        "backend \"{name}\" is set aside as \"{aside}\" by a start that was ended; '{start}' puts it back"
    )]
    #[advice = "that start; `stop` would remove it with its cache"]
    SetAside {
        /// The backend.
        name: ContainerName,
        /// Its name meanwhile.
        aside: ContainerName,
        /// What puts it back.
        start: String,
    },
    /// It was stopped or has crashed.
    #[error("backend \"{name}\" is not running ({state}); '{start}' starts it")]
    #[advice = "start it; `backend logs` tells why"]
    Stopped {
        /// The backend.
        name: ContainerName,
        /// What it does.
        state: String,
        /// The start that has all again.
        start: String,
    },
    /// Somebody paused it.
    #[error("backend \"{name}\" is paused; 'docker unpause {name}' wakes it")]
    #[advice = "unpause it"]
    Paused {
        /// The backend.
        name: ContainerName,
    },
}

/// What there is beside a backend that runs, or in its place.
#[derive(Clone, Debug)]
pub(super) enum Leftovers {
    /// The name of one that a start has set aside and did not live to put back. A `stop` would remove it
    /// with its cache.
    SetAside(ContainerName),
    /// The same where another one was started in its place that nobody has seen serve.
    Kept {
        /// The other one.
        backend: ContainerName,
        /// The one that is set aside.
        aside: ContainerName,
    },
    /// The names of containers that served a backend that is gone.
    Helpers {
        /// Sidecars that forward nothing, and a dialer that still has its place in the host's network.
        names: String,
        /// Whether there is something among them that no start takes the place of.
        stray: bool,
    },
}

/// What is left of a backend that was replaced, or is gone.
pub(super) fn left_behind(observed: &Observed) -> Option<Leftovers> {
    let old = observed.replaced_backend().map(|old| old.name.clone());
    if let Some(backend) = &observed.backend {
        return old.map(|aside| Leftovers::Kept { backend: backend.name.clone(), aside });
    }
    if let Some(old) = old {
        return Some(Leftovers::SetAside(old));
    }
    let in_place = observed.containers().filter(|container| container.name.back().is_none());
    let names: Vec<_> = in_place.map(|container| format!("\"{}\"", container.name)).collect();
    let stray = !observed.strays.is_empty();
    (!names.is_empty()).then(|| Leftovers::Helpers { names: names.join(", "), stray })
}

/// That a backend is missing, and the start that makes one or puts the one back that is set aside.
pub(super) fn no_backend(observed: &Observed, user: &UserName) -> BackendError {
    let (name, start) = (user.backend(), again(observed, user).command());
    match left_behind(observed) {
        Some(Leftovers::SetAside(aside)) => BackendError::SetAside { name, aside, start },
        _ => BackendError::Missing { name },
    }
}

/// What ends a replacement that was begun, one way or the other.
pub(super) fn finish(name: &ContainerName, aside: &ContainerName) -> String {
    format!("the same start once more removes that one when this one serves; {}", way_back(name, aside))
}
