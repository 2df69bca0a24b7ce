//! Limits of space for a purge, and which daemons know them.

use anyhow::Result;
use explained::Explained;

use crate::buildkit::Client;

/// How much of the cache a purge leaves, in bytes. A daemon stops when it has met all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Keep at least so much.
    pub reserved_bytes: Option<u64>,
    /// Keep at most so much.
    pub max_used_bytes: Option<u64>,
    /// Remove until so much of the disk is free.
    pub min_free_bytes: Option<u64>,
}

/// The first BuildKit that knows two of the limits.
const SINCE: (u32, u32) = (0, 17);

/// An old BuildKit.
#[derive(Debug, thiserror::Error, Explained)]
#[error(
    "\"{option}\" needs BuildKit v{major}.{minor} and the backend's is \"{version}\"; \
     \"--reserved-space\" works with all of them",
    major = SINCE.0,
    minor = SINCE.1
)]
#[advice = "that option, or a newer `--image`"]
pub struct TooOld {
    option: &'static str,
    version: String,
}

impl Limits {
    /// Makes sure that the daemon knows these limits. One that does not would take no notice
    /// and remove everything.
    pub(super) async fn check(&self, client: &Client) -> Result<()> {
        let option = match (self.max_used_bytes, self.min_free_bytes) {
            (None, None) => return Ok(()),
            (Some(_), _) => "--max-used-space",
            (None, Some(_)) => "--min-free-space",
        };
        let version = client.version().await?.map(|version| version.version).unwrap_or_default();
        if number(&version).is_some_and(|number| number >= SINCE) {
            return Ok(());
        }
        let version = if version.is_empty() { "older".to_owned() } else { version };
        Err(TooOld { option, version }.into())
    }
}

/// The first two numbers of a version such as `v0.13.2`. One without a tag is built from
/// sources and taken for new: those call themselves `v0.0.0+unknown`.
fn number(version: &str) -> Option<(u32, u32)> {
    if version.starts_with("v0.0.0") {
        return Some((u32::MAX, 0));
    }
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let knows = |version: &str| number(version).is_some_and(|number| number >= SINCE);
        assert!(knows("v0.17.0") && knows("v0.20.1-rc1") && knows("1.0") && knows("v0.0.0+unknown"));
        assert!(!knows("v0.13.2+debian") && !knows("v0.9.3") && !knows("") && !knows("master"));
    }
}
