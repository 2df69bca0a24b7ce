//! The engine's failures in this project's words.

use std::fmt;
use std::io;

use explained::Explained;

use super::failure::{CREATE, PULL};

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

    /// Whether a container could not be created because its name is taken.
    #[must_use]
    pub fn is_taken_name(&self) -> bool {
        matches!(self, Self::Conflict { operation, .. } if operation.verb == CREATE)
    }

    /// What a person can do about it, where that is known: one line without a full stop.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { endpoint, source } => unreachable_hint(endpoint, source.as_ref()),
            Self::Timeout { operation, .. } if operation.verb == PULL => {
                Some("the registry may hang; another try goes on from the layers that are there".to_owned())
            }
            Self::Timeout { .. } => {
                Some("the engine may be overloaded, or something else listens there".to_owned())
            }
            Self::Refused { status: 403, .. } => {
                Some("an authorization plugin or a proxy in front of the engine forbids it".to_owned())
            }
            Self::Refused { status: 400, message, .. } if message.contains("client version") => {
                Some("unset \"DOCKER_API_VERSION\" to let the version be negotiated".to_owned())
            }
            _ => None,
        }
    }
}

fn unreachable_hint(endpoint: &str, source: &(dyn std::error::Error + 'static)) -> Option<String> {
    let words = source.to_string();
    for (sign, hint) in TLS_HINTS {
        if words.contains(sign) {
            return Some((*hint).to_owned());
        }
    }
    if endpoint.starts_with("ssh:") {
        let host = endpoint.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        return Some(format!("does 'ssh {host} docker version' work?"));
    }
    let hint = match source.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::PermissionDenied => {
            "is your user in the group \"docker\"? a new member must log in again".to_owned()
        }
        io::ErrorKind::NotFound if endpoint.starts_with("unix:") => {
            "is the docker engine installed and running?".to_owned()
        }
        io::ErrorKind::ConnectionRefused => "is the docker engine running?".to_owned(),
        io::ErrorKind::TimedOut => "is the host up, and does a firewall drop the connection?".to_owned(),
        _ => return None,
    };
    Some(hint)
}

/// Words of rustls, and what a person can do about them.
const TLS_HINTS: &[(&str, &str)] = &[
    ("invalid peer certificate: UnknownIssuer", "name the CA of the engine's certificate with --tlscacert"),
    ("invalid peer certificate", "is it this host's certificate, and still valid?"),
    (
        "received fatal alert",
        "the engine wants a client certificate that its CA signed (--tlscert, --tlskey)",
    ),
    ("corrupt message", "the engine does not speak tls there; leave the tls options out"),
];

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call of the engine failed.
#[derive(Debug, thiserror::Error, Explained)]
pub enum EngineError {
    /// Nothing answers there.
    #[error("cannot reach the docker engine at \"{endpoint}\"")]
    #[advice = "see the hint behind it: is the engine up, may you use it, is TLS set up?"]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// The reason.
        #[source]
        source: Source,
    },
    /// The engine hangs or is overloaded.
    #[error("the docker engine at \"{endpoint}\" did not answer within {seconds} s: {operation}")]
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
