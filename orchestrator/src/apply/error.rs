//! A run that failed, and an undoing that failed.

use std::fmt;

use explained::Explained;

use crate::cancelled::Cancelled;
use crate::dialer::DialerError;
use crate::engine::EngineError;

use super::Made;

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
#[derive(Debug)]
pub struct UndoFailure {
    /// What is left.
    pub left: Made,
    /// Why.
    pub error: Failure,
}

impl fmt::Display for UndoFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.left {
            Made::Container { name, .. } => write!(f, "container \"{name}\"")?,
            Made::Asked(name) => {
                return write!(f, "container \"{name}\" may be left behind: {}", self.error);
            }
            Made::SetAside { name, .. }
                if matches!(self.error, Failure::Engine(EngineError::NotFound { .. })) =>
            {
                return write!(f, "container \"{name}\" cannot be put back, since it is gone");
            }
            Made::SetAside { id, name, .. } => {
                let aside = name.aside(id.short());
                return write!(
                    f,
                    "container \"{name}\" is not put back and is kept as \"{aside}\": {}",
                    self.error
                );
            }
            Made::Volume(name) => write!(f, "volume \"{name}\"")?,
            Made::Dialer { dialer, .. } => write!(f, "the dialer in \"{}\"", dialer.directory)?,
            Made::Note { name, .. } => write!(f, "the note of new forwards in \"{name}\"")?,
        }
        write!(f, " is left behind: {}", self.error)
    }
}
