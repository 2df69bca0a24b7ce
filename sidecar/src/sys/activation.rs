//! Sockets that whoever started the process listens on: sd_listen_fds(3).

use std::net::TcpListener;

use explained::Explained;
use listenfd::ListenFd;
use socket2::SockRef;

/// What was passed is of no use.
#[derive(Debug, thiserror::Error, Explained)]
pub enum PassedError {
    /// A file, a socket of another kind, or one that is connected or idle.
    #[error("socket {number} of LISTEN_FDS is none of TCP that listens")]
    #[advice = "correct the unit of the socket"]
    Kind {
        /// Counted from 1.
        number: usize,
    },
    /// The sockets and `--port` are not about the same ports.
    #[error("the sockets of LISTEN_FDS do not listen on each port of --port and no other")]
    #[advice = "correct the unit of the socket"]
    Ports,
}

/// Takes them over, once, with the variables that tell of them: before there is a second thread.
///
/// # Errors
/// One is not what a relay listens on.
pub fn passed() -> Result<Vec<TcpListener>, PassedError> {
    let mut passed = ListenFd::from_env();
    let count = passed.len();
    let take = |at| match passed.take_tcp_listener(at) {
        Ok(Some(socket)) if SockRef::from(&socket).is_listener().unwrap_or(false) => Ok(socket),
        _ => Err(PassedError::Kind { number: at + 1 }),
    };
    (0..count).map(take).collect()
}
