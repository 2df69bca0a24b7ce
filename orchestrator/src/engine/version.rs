//! Versions of the engine's API: which one to speak.

use std::fmt;
use std::str::FromStr;

use explained::Explained;

/// A version of the engine's API, such as `1.41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion {
    major: u16,
    minor: u16,
}

/// The newest version that this client was tried with (Engine 28.5). A newer engine speaks
/// older versions too, and its changes cannot surprise us then.
const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 51 };

impl ApiVersion {
    /// The version to speak with a daemon that offers `lowest` to `newest`: the newest that
    /// both know. A daemon that dropped all versions we were tried with is spoken to in its
    /// oldest, which is nearest to them.
    pub(super) fn choose(newest: Self, lowest: Option<Self>) -> Self {
        let common = newest.min(NEWEST);
        lowest.map_or(common, |lowest| common.max(lowest))
    }
}

/// `DOCKER_API_VERSION`, or what the engine says of itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("\"{text}\" is no API version, want one like \"1.41\"")]
#[advice = "unset it"]
#[status = "part"]
pub struct VersionError {
    text: String,
}

impl FromStr for ApiVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        text.trim_start_matches('v')
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }))
            .ok_or_else(|| VersionError { text: text.to_owned() })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(newest: &str, lowest: Option<&str>) -> String {
        let lowest = lowest.map(|text| text.parse().unwrap());
        ApiVersion::choose(newest.parse().unwrap(), lowest).to_string()
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(choose("1.41", Some("1.12")), "1.41");
        assert_eq!(choose("1.53", Some("1.44")), "1.51");
        assert_eq!(choose("1.41", None), "1.41");
        assert_eq!(choose("1.70", Some("1.60")), "1.60");
        assert_eq!(choose("1.9", Some("1.1")), "1.9");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!("1".parse::<ApiVersion>().is_err());
        assert!("1.x".parse::<ApiVersion>().is_err());
        assert!("".parse::<ApiVersion>().is_err());
    }
}
