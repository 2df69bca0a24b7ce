//! Why something that was started does not serve.

use explained::Explained;

use crate::cancelled::Cancelled;
use crate::desired::ContainerName;
use crate::engine::EngineError;
use crate::observed::Container;

/// Why the wait ended badly.
#[derive(Debug, thiserror::Error, Explained)]
pub enum ReadyError {
    /// BuildKit does not run with these settings.
    #[error("container \"{name}\" ended right after its start", name = .0.name)]
    #[advice = "read its log, which is shown"]
    Ended(Container),
    /// Two commands at once.
    #[error("container \"{name}\" was removed by somebody else", name = .0)]
    #[advice = "start again"]
    Gone(ContainerName),
    /// A slow machine, or it does not run.
    #[error(
        "container \"{name}\" was not ready within {seconds} s{said}",
        name = container.name,
        said = last_words(said)
    )]
    #[advice = "`--timeout`, and its log"]
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
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
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
