//! Work that was not finished because the user gave up.

use docker_plugin::cancel::Cause;
use explained::Explained;

/// A signal, or the docker command has ended.
#[derive(Clone, Copy, Debug, thiserror::Error, Explained)]
#[error("cancelled")]
#[advice = "nothing"]
#[status = "128 + N"]
pub struct Cancelled(pub Cause);
