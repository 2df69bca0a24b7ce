//! BuildKit's failures in this project's words.

use std::fmt;

use explained::Explained;

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
    /// What it builds now.
    Builds,
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
            Self::Builds => "ask buildkit for its builds",
            Self::DiskUsage => "ask buildkit for its cache",
            Self::Prune => "purge buildkit's cache",
        })
    }
}

/// Why BuildKit did not answer as hoped.
#[derive(Debug, thiserror::Error, Explained)]
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
    /// It is busy or hangs.
    #[error("{call}: no answer within {seconds} s")]
    #[advice = "`--timeout`"]
    Timeout {
        /// The call.
        call: Call,
        /// The deadline.
        seconds: u64,
    },
    /// An old BuildKit does not know this call.
    #[error("{call}: the daemon is too old for it")]
    #[advice = "a newer `--image`"]
    Unsupported {
        /// The call.
        call: Call,
    },
    /// The daemon or its container ended meanwhile.
    #[error("the connection has ended")]
    #[advice = "`backend logs` tells why"]
    #[status = "part"]
    Ended,
    /// The daemon refused, or the connection broke.
    #[error("{call}: {message}")]
    #[advice = "what `{message}` says; `backend logs`"]
    Refused {
        /// The call.
        call: Call,
        /// The daemon's words.
        message: String,
    },
}
