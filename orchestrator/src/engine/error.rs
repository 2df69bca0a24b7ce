//! The engine's failures in this project's words.

use std::fmt;

use explained::Explained;

use super::failure::{CREATE, PULL, START, UPDATE};
use crate::desired::{ContainerName, ImageRef};

/// What was being done, with its object: the first half of every engine error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// A verb phrase such as `create container`.
    pub verb: &'static str,
    /// Its object, such as the container's name; empty for the engine itself.
    pub object: String,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.object.is_empty() {
            f.write_str(self.verb)
        } else {
            write!(f, "{} \"{}\"", self.verb, self.object)
        }
    }
}

impl EngineError {
    /// The same about `object`: a container's name where the call knew only its id.
    #[must_use]
    pub fn about(mut self, object: &impl fmt::Display) -> Self {
        match &mut self {
            Self::Timeout { operation, .. }
            | Self::NotFound { operation, .. }
            | Self::Conflict { operation, .. }
            | Self::PrivilegesRefused { operation, .. }
            | Self::Refused { operation, .. }
            | Self::Broken { operation, .. } => operation.object = object.to_string(),
            Self::Unreachable { .. } => {}
        }
        self
    }

    /// What the engine gave as its reason, when it answered with a refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::NotFound { message, .. }
            | Self::Conflict { message, .. }
            | Self::PrivilegesRefused { message, .. }
            | Self::Refused { message, .. } => Some(message),
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Broken { .. } => None,
        }
    }

    /// Whether the engine will not have the container of this name as it was asked for.
    #[must_use]
    pub fn refuses_container(&self, name: &ContainerName) -> bool {
        let (Self::Refused { operation, .. } | Self::PrivilegesRefused { operation, .. }) = self else {
            return false;
        };
        operation.object == name.0 && [CREATE, START, UPDATE].contains(&operation.verb)
    }

    /// Whether the engine has no such image and cannot pull it.
    #[must_use]
    pub fn refuses_image(&self, image: &ImageRef) -> bool {
        let (Self::NotFound { operation, .. } | Self::Refused { operation, .. }) = self else { return false };
        operation.verb == PULL && operation.object == image.0
    }

    /// Whether a container could not be created because its name is taken.
    #[must_use]
    pub fn is_taken_name(&self) -> bool {
        matches!(self, Self::Conflict { operation, .. } if operation.verb == CREATE)
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call of the engine failed.
#[derive(Debug, thiserror::Error, Explained)]
pub enum EngineError {
    /// Nothing answers there.
    #[error("cannot reach the docker engine at \"{endpoint}\"")]
    #[advice = "see the hint behind it, below: is the engine up, may you use it, is TLS set up?"]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// The reason.
        #[source]
        source: Source,
    },
    /// The engine hangs or is overloaded.
    #[error("{operation}: the docker engine at \"{endpoint}\" did not answer within {seconds} s")]
    #[advice = "try again; look at the engine"]
    Timeout {
        /// Where it is.
        endpoint: String,
        /// The call.
        operation: Operation,
        /// The deadline.
        seconds: u64,
    },
    /// The object does not exist (HTTP 404).
    #[error("{operation}: {message}")]
    NotFound {
        /// The call.
        operation: Operation,
        /// The engine's words.
        message: String,
    },
    /// The name is taken or the object is in the wrong state (HTTP 409).
    #[error("{operation}: {message}")]
    Conflict {
        /// The call.
        operation: Operation,
        /// The engine's words.
        message: String,
    },
    /// The engine may not give the privileges that were asked for.
    #[error("{operation}: {message}")]
    PrivilegesRefused {
        /// The call.
        operation: Operation,
        /// The engine's words.
        message: String,
    },
    /// The engine refused; `{message}` is its own words.
    #[error("{operation}: {message}")]
    #[advice = "what they say"]
    Refused {
        /// The call.
        operation: Operation,
        /// The HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// The connection broke, or an answer cannot be read.
    #[error("{operation}")]
    #[advice = "see the cause behind it"]
    Broken {
        /// The call.
        operation: Operation,
        /// What broke.
        #[source]
        source: Source,
    },
}
