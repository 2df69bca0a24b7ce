//! BuildKit's failures in this project's words.

use std::fmt;

use crate::engine::EngineError;

/// What BuildKit was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The first contact.
    Connect,
    /// Its workers.
    Workers,
    /// Its version.
    Version,
    /// What is in the cache.
    DiskUsage,
    /// Throwing records away.
    Prune,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect to buildkit",
            Self::Workers => "ask buildkit for its workers",
            Self::Version => "ask buildkit for its version",
            Self::DiskUsage => "ask buildkit for its cache",
            Self::Prune => "purge buildkit's cache",
        })
    }
}

/// Why BuildKit did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum BuildkitError {
    /// The engine could not run the command that connects.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The connection broke, or the command that connects failed.
    #[error("{call}: {message}")]
    Broken {
        /// The call.
        call: Call,
        /// What the command or the connection said.
        message: String,
    },
    /// No answer in time.
    #[error("{call}: no answer within {seconds} s")]
    Timeout {
        /// The call.
        call: Call,
        /// The deadline.
        seconds: u64,
    },
    /// The daemon does not know this call: it is too old.
    #[error("{call}: the daemon is too old for it")]
    Unsupported {
        /// The call.
        call: Call,
    },
    /// The daemon refused.
    #[error("{call}: {message}")]
    Refused {
        /// The call.
        call: Call,
        /// The daemon's words.
        message: String,
    },
}
