//! The values of the options about the daemon's own configuration.

use std::path::PathBuf;

use docker_plugin::authority::Authority;
use docker_plugin::cli::{Offer, Typed};
use explained::Explained;

use crate::commands::complete::Source;
use crate::spec::daemon::Mirror;

/// What is wrong with an option about registries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum RegistryError {
    /// An empty path.
    #[error("must name a file")]
    #[advice = "name one"]
    NoFile,
    /// A scheme, a path or a bad port.
    #[error("\"{text}\" is not the name of a registry (host or host:port)")]
    #[advice = "write it as in an image's name"]
    Name {
        /// As it was written.
        text: String,
    },
    /// `--registry-ca`.
    #[error("must be a registry, \"=\" and a file")]
    #[advice = "write it so"]
    Authority,
    /// `--registry-mirror`.
    #[error("must be a registry, \"=\" and the address of its mirror")]
    #[advice = "write it so"]
    Mirror,
    /// Another scheme.
    #[error("the address of a mirror begins with http:// or https://")]
    #[advice = "take one of those, or none"]
    Scheme,
}

pub(super) fn file(text: &str) -> Result<PathBuf, RegistryError> {
    if text.is_empty() { Err(RegistryError::NoFile) } else { Ok(PathBuf::from(text)) }
}

/// A registry as images name it: `host` or `host:port`.
pub(super) fn registry(text: &str) -> Result<String, RegistryError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let good = |Authority { host, .. }: Authority| {
        !host.is_empty() && host.chars().all(plain) && !text.contains('@')
    };
    if text.parse().is_ok_and(good) {
        Ok(text.to_owned())
    } else {
        Err(RegistryError::Name { text: text.to_owned() })
    }
}

/// To add to the option of an authority: files behind the registry's name.
pub(super) fn certificates(typed: &Typed<'_>) -> Offer<Source> {
    Offer { files: typed.partial.contains('='), ..Offer::default() }
}

pub(super) fn authority(text: &str) -> Result<(String, PathBuf), RegistryError> {
    let (host, path) = text.split_once('=').ok_or(RegistryError::Authority)?;
    Ok((registry(host)?, file(path)?))
}

/// `docker.io=https://mirror.example/path`; without a scheme the daemon's own rule counts.
pub(super) fn mirror(text: &str) -> Result<(String, Mirror), RegistryError> {
    let (host, url) = text.split_once('=').ok_or(RegistryError::Mirror)?;
    let (tls, rest) = match url.split_once("://") {
        None => (None, url),
        Some(("http", rest)) => (Some(false), rest),
        Some(("https", rest)) => (Some(true), rest),
        Some(_) => return Err(RegistryError::Scheme),
    };
    let (mirror, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = path.trim_end_matches('/').to_owned();
    Ok((registry(host)?, Mirror { host: registry(mirror)?, path, tls }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_as_in_images() {
        for good in ["docker.io", "localhost:5000", "[::1]:5000", "[::1]", "10.0.0.1:80", "my-host"] {
            assert_eq!(registry(good), Ok(good.to_owned()));
        }
        for bad in ["", "http://r", "r/path", "r:", "r:0", "r:70000", "a b", "[x]:1", "[::1", ":5000"] {
            assert!(registry(bad) == Err(RegistryError::Name { text: bad.to_owned() }), "{bad}");
        }
    }

    #[test]
    fn mirrors_have_a_scheme_a_host_and_a_path() {
        let of = |host: &str, path: &str, tls| {
            let mirror = Mirror { host: host.to_owned(), path: path.to_owned(), tls };
            Ok(("docker.io".to_owned(), mirror))
        };
        assert_eq!(mirror("docker.io=http://m:1/p/"), of("m:1", "/p", Some(false)));
        assert_eq!(mirror("docker.io=https://m"), of("m", "", Some(true)));
        assert_eq!(mirror("docker.io=m/p"), of("m", "/p", None));
        for bad in ["docker.io", "=m", "docker.io=", "docker.io=ftp://m"] {
            assert!(mirror(bad).is_err(), "{bad}");
        }
        assert_eq!(authority("r:1=a=b.pem"), Ok(("r:1".to_owned(), "a=b.pem".into())));
        assert!(authority("r:1=").is_err());
    }
}
