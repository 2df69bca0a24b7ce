//! Why something that was started does not serve.

use crate::cancel::Cause;
use crate::desired::ContainerName;
use crate::engine::EngineError;
use crate::observed::Container;

/// Why the wait ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// The container ended, or was started again meanwhile.
    #[error("container \"{}\" ended right after its start", .0.name)]
    Ended(Container),
    /// The container is gone.
    #[error("container \"{0}\" was removed by somebody else")]
    Gone(ContainerName),
    /// It did not serve in time.
    #[error("container \"{}\" was not ready within {seconds} s{}", container.name, last_words(said))]
    Late {
        /// The container.
        container: Container,
        /// The limit.
        seconds: u64,
        /// What the last probe said; may be empty.
        said: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The user gave up.
    #[error("cancelled")]
    Cancelled(Cause),
}

impl ReadyError {
    /// The container whose log may tell more.
    #[must_use]
    pub const fn container(&self) -> Option<&Container> {
        match self {
            Self::Ended(container) | Self::Late { container, .. } => Some(container),
            Self::Gone(_) | Self::Engine(_) | Self::Cancelled(_) => None,
        }
    }
}

fn last_words(said: &str) -> String {
    said.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .map_or_else(String::new, |line| format!(": {}", line.trim()))
}
