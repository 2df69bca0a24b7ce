//! What keeps a dialer from being a process on this host.

/// Why the dialer of a rootless engine cannot be a process of this user's on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHere {
    /// The engine is on another machine, or this program in a container.
    Elsewhere,
    /// The engine runs as this other user.
    User(u32),
    /// The user has no directory for sockets.
    NoDirectory,
}

impl NotHere {
    /// The reason.
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Self::Elsewhere => "it runs on another machine".to_owned(),
            Self::User(uid) => format!("it runs as user {uid}"),
            Self::NoDirectory => "there is no XDG_RUNTIME_DIR".to_owned(),
        }
    }

    /// The command that has one where it can be, for an engine at `endpoint`; `start` is the one that was
    /// meant.
    #[must_use]
    pub fn help(self, endpoint: &str, start: &str) -> String {
        match self {
            Self::Elsewhere if endpoint.starts_with("ssh://") => {
                format!("'ssh {endpoint} {start}' has it there")
            }
            Self::Elsewhere => format!("'{start}' has it there, run by the user of the engine"),
            Self::User(uid) => format!(
                "'sudo -H -u \\#{uid} env -u USER -u LOGNAME XDG_RUNTIME_DIR=/run/user/{uid} DOCKER_HOST={endpoint} \
                 {start}' has it, for that user's own backend"
            ),
            Self::NoDirectory => format!(
                "'loginctl enable-linger' makes one, or 'XDG_RUNTIME_DIR=DIRECTORY {start}' with one of your own"
            ),
        }
    }
}
