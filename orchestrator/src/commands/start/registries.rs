//! The values of the options about the daemon's own configuration.

use std::path::PathBuf;

use docker_plugin::authority::Authority;

use crate::spec::daemon::Mirror;

pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("must name a file".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// A registry as images name it: `host` or `host:port`.
pub(super) fn registry(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let good = |Authority { host, .. }: Authority| {
        !host.is_empty() && host.chars().all(plain) && !text.contains('@')
    };
    if text.parse().is_ok_and(good) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{text}\" is not the name of a registry (host or host:port)"))
    }
}

pub(super) fn authority(text: &str) -> Result<(String, PathBuf), String> {
    let (host, path) = text.split_once('=').ok_or("must be a registry, \"=\" and a file")?;
    Ok((registry(host)?, file(path)?))
}

/// `docker.io=https://mirror.example/path`; without a scheme the daemon's own rule counts.
pub(super) fn mirror(text: &str) -> Result<(String, Mirror), String> {
    let (host, url) =
        text.split_once('=').ok_or("must be a registry, \"=\" and the address of its mirror")?;
    let (tls, rest) = match url.split_once("://") {
        None => (None, url),
        Some(("http", rest)) => (Some(false), rest),
        Some(("https", rest)) => (Some(true), rest),
        Some(_) => return Err("the address of a mirror begins with http:// or https://".to_owned()),
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
            assert_eq!(registry(good).as_deref(), Ok(good));
        }
        for bad in ["", "http://r", "r/path", "r:", "r:0", "r:70000", "a b", "[x]:1", "[::1", ":5000"] {
            assert!(registry(bad).unwrap_err().contains("is not the name of a registry"), "{bad}");
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
