//! A run that failed, and an undoing that failed.

use explained::Explained;

use crate::cancelled::Cancelled;
use crate::dialer::DialerError;
use crate::engine::EngineError;

use super::Made;
use crate::desired::{ContainerName, VolumeName};

/// Why a step failed.
#[derive(Debug, thiserror::Error, Explained)]
pub enum Failure {
    /// The engine refused it or did not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no dialer on this host.
    #[error(transparent)]
    Dialer(#[from] DialerError),
    /// The user gave up.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Something a run made that could not be taken back.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum UndoFailure {
    /// The engine refuses to remove it, or has gone.
    #[error("container \"{name}\" is left behind: {error}")]
    #[advice = "`backend start` again; `backend stop` removes it"]
    Container {
        /// What is left.
        name: ContainerName,
        /// Why.
        error: Failure,
    },
    /// The engine did not answer when it was asked to make it, and does not tell whether it has.
    #[error("container \"{name}\" may be left behind: {error}")]
    #[advice = "`backend start` again; `backend stop` removes it"]
    Asked {
        /// What is perhaps left.
        name: ContainerName,
        /// Why that is not known.
        error: Failure,
    },
    /// Somebody has removed the backend that this start had set aside.
    #[error("container \"{name}\" cannot be put back, since it is gone")]
    #[advice = "`backend start` again"]
    Gone {
        /// Its name before.
        name: ContainerName,
    },
    /// The engine refuses to give the backend that this start had set aside its name again.
    #[error("container \"{name}\" is not put back and is kept as \"{aside}\": {error}")]
    #[advice = "`backend start` again puts it back"]
    SetAside {
        /// Its name before.
        name: ContainerName,
        /// Its name now.
        aside: ContainerName,
        /// Why.
        error: Failure,
    },
    /// The engine refuses to remove it, or has gone.
    #[error("volume \"{name}\" is left behind: {error}")]
    #[advice = "`backend stop` removes it"]
    Volume {
        /// What is left.
        name: VolumeName,
        /// Why.
        error: Failure,
    },
    /// It does not end, or its directory is not removed.
    #[error("the dialer in \"{directory}\" is left behind: {error}")]
    #[advice = "`backend stop` removes it"]
    Dialer {
        /// Where its socket is.
        directory: String,
        /// Why.
        error: Failure,
    },
    /// The engine did not take back the settings that it may have changed.
    #[error("container \"{name}\" may have the new settings: {error}")]
    #[advice = "`backend start` again"]
    Changed {
        /// The backend.
        name: ContainerName,
        /// Why.
        error: Failure,
    },
    /// The engine did not take back what the backend's note says of its forwards.
    #[error("the note of new forwards in \"{name}\" is left behind: {error}")]
    #[advice = "`backend start` again"]
    Note {
        /// The backend.
        name: ContainerName,
        /// Why.
        error: Failure,
    },
}

impl UndoFailure {
    pub(super) fn new(left: &Made, error: Failure) -> Self {
        match left.clone() {
            Made::Container { name, .. } => Self::Container { name, error },
            Made::Asked(name) => Self::Asked { name, error },
            Made::SetAside { name, .. } if matches!(error, Failure::Engine(EngineError::NotFound { .. })) => {
                Self::Gone { name }
            }
            Made::SetAside { id, name, .. } => {
                let aside = name.aside(id.short());
                Self::SetAside { name, aside, error }
            }
            Made::Volume(name) => Self::Volume { name, error },
            Made::Dialer { dialer, .. } => Self::Dialer { directory: dialer.directory, error },
            Made::Changed { name, .. } => Self::Changed { name, error },
            Made::Note { name, .. } => Self::Note { name, error },
        }
    }
}
