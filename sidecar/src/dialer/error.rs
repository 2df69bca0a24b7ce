//! What a relay hears of a dialer that does not help.

use std::io;
use std::path::PathBuf;

use explained::Explained;

use crate::connect::ConnectError;
use crate::sys::Impostor;

/// Why there is no connection from a dialer.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "log"]
pub enum DialerError {
    /// The dialer has ended, or may not be asked.
    #[error("no dialer at \"{path}\": {cause}", path = .path.display())]
    #[advice = "start it, look at `--peer-uid`"]
    #[status = "log, and 1 from `health`"]
    Absent {
        /// Where it should listen.
        path: PathBuf,
        /// The kernel's reason, part of the message already.
        cause: io::Error,
    },
    /// It is not in its `--allow`.
    #[error("the dialer does not allow port \"{port}\"", port = .0)]
    #[advice = "add it"]
    NotAllowed(u16),
    /// Something else listens at its socket.
    #[error("the dialer answered nonsense")]
    #[advice = "look who does"]
    #[status = "log, and 1 from `health`"]
    Nonsense,
    /// The attempt to connect failed, or took too long.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Something else listens at its socket.
    #[error("the dialer handed over something else than a socket for port \"{port}\": {cause}")]
    #[advice = "look who does"]
    Impostor {
        port: u16,
        /// What it is instead, part of the message already.
        cause: Impostor,
    },
}
