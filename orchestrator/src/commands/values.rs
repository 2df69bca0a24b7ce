//! The values of options that several commands have. Each function says in its error what would fit.

use crate::cli::values::Parsed;
use crate::desired::{HostPort, ImageRef};

pub(super) fn image(text: &str) -> Parsed<ImageRef> {
    if text.trim().is_empty() {
        Err("must name an image".to_owned())
    } else {
        Ok(ImageRef(text.trim().to_owned()))
    }
}

/// A port to name one sidecar by.
pub(super) fn port(text: &str) -> Parsed<HostPort> {
    HostPort::parse(text).ok_or_else(|| format!("\"{text}\" is not a port (1 to 65535)"))
}
