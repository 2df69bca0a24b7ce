//! What keeps a dialer from being a process on this host.

use explained::Explained;

/// Why the dialer of a rootless engine cannot be a process of this user's on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum NotHere {
    /// The engine is on another machine, or this program in a container.
    #[error("it runs on another machine")]
    #[advice = "the hint behind it"]
    Elsewhere,
    /// The engine runs as this other user.
    #[error("it runs as user {uid}", uid = .0)]
    #[advice = "the hint behind it"]
    User(u32),
    /// The user has no directory for sockets.
    #[error("there is no XDG_RUNTIME_DIR")]
    #[advice = "the hint behind it"]
    NoDirectory,
}

/// The command that has such a dialer where it can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[hints]
pub enum DialerHint {
    /// The engine is reached by ssh.
    #[error("'ssh {endpoint} {start}' has it there")]
    Ssh { endpoint: String, start: String },
    /// The engine is on another machine.
    #[error("'{start}' has it there, run by the user of the engine")]
    Elsewhere { start: String },
    /// The engine is another user's.
    #[error(
        "'sudo -H -u \\#{uid} env -u USER -u LOGNAME XDG_RUNTIME_DIR=/run/user/{uid} DOCKER_HOST={endpoint} \
         {start}' has it, for that user's own backend"
    )]
    User { uid: u32, endpoint: String, start: String },
    /// The user has not logged in by way of systemd.
    #[error(
        "'loginctl enable-linger' makes one, or 'XDG_RUNTIME_DIR=DIRECTORY {start}' with one of your own"
    )]
    NoDirectory { start: String },
}

impl NotHere {
    /// The command that has one where it can be, for an engine at `endpoint`; `start` is the one that was
    /// meant.
    #[must_use]
    pub fn hint(self, endpoint: &str, start: &str) -> DialerHint {
        let (endpoint, start) = (endpoint.to_owned(), start.to_owned());
        match self {
            Self::Elsewhere if endpoint.starts_with("ssh://") => DialerHint::Ssh { endpoint, start },
            Self::Elsewhere => DialerHint::Elsewhere { start },
            Self::User(uid) => DialerHint::User { uid, endpoint, start },
            Self::NoDirectory => DialerHint::NoDirectory { start },
        }
    }
}
