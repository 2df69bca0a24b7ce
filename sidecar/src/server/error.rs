//! Why a relay does not serve.

use std::io;

use assemble_contract::Ports;
use explained::Explained;

use crate::sys::{ListenerError, PassedError};
use crate::upstream::UpstreamError;

/// Why a relay cannot start, or cannot go on.
#[derive(Debug, thiserror::Error, Explained)]
pub enum ServerError {
    #[error(transparent)]
    Listen(#[from] ListenerError),
    #[error(transparent)]
    Passed(#[from] PassedError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// Each port of a range takes two, and each connection too.
    #[error("the limit on open descriptors is {limit}, and to serve ports {ports} takes {needed} at least")]
    #[advice = "raise it: `--ulimit nofile=`, `LimitNOFILE`"]
    Descriptors { limit: usize, ports: Ports, needed: u32 },
    /// The system refuses a descriptor or a thread.
    #[error("cannot start to serve")]
    #[advice = "raise the limits"]
    Start(#[source] io::Error),
}
