//! The values of options that several commands have. Each function says in its error what would fit.

use explained::Explained;

use crate::desired::{ImageRef, Ports};

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum ArgumentError {
    /// An empty name.
    #[error("must name an image")]
    #[advice = "name one"]
    NoImage,
    /// `--proxy` with something else.
    #[error("\"{port}\" is not a port (1 to 65535)")]
    #[advice = "name a forwarded port"]
    Port {
        /// What was given.
        port: String,
    },
}

pub(super) fn image(text: &str) -> Result<ImageRef, ArgumentError> {
    if text.trim().is_empty() { Err(ArgumentError::NoImage) } else { Ok(ImageRef(text.trim().to_owned())) }
}

/// A port, or all that one sidecar has, to name it by.
pub(super) fn ports(text: &str) -> Result<Ports, ArgumentError> {
    text.parse().map_err(|_| ArgumentError::Port { port: text.to_owned() })
}
