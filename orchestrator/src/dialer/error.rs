//! Why there is no dialer on this host.

use std::io;
use std::path::PathBuf;

use explained::Explained;

/// What keeps a dialer from being started or ended.
#[derive(Debug, thiserror::Error, Explained)]
pub enum DialerError {
    /// The directory of its socket cannot be made, or not be removed.
    #[error("directory \"{path}\" for the dialer: {error}", path = .path.display())]
    #[advice = "see whether it is yours and has room; XDG_RUNTIME_DIR names where it is"]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It ends at once, or does not answer; programs may be forbidden where it is.
    #[error("the dialer \"{program}\" does not serve: {said}")]
    #[advice = "what it says; where programs are forbidden there, name another XDG_RUNTIME_DIR"]
    Start {
        /// Its program.
        program: String,
        /// What it or the system said.
        said: String,
    },
    /// Something listens in its place and does not end.
    #[error("process {pid}, which listens at \"{socket}\", does not end: {error}")]
    #[advice = "see what it is, and end it"]
    Stays {
        /// The process.
        pid: u32,
        /// Where it listens.
        socket: String,
        /// Why.
        error: io::Error,
    },
}
