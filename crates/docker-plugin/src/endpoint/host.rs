//! Hosts as people write them.

use explained::Explained;

use super::{EndpointError, TCP_PORT, TLS_PORT};
use crate::authority::{Authority, AuthorityError};

/// What is wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum HostError {
    /// Its name or its port.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A scheme that docker does not know.
    #[error("want unix:///path, tcp://host:port or ssh://user@host")]
    #[advice = "write it so"]
    Scheme,
}

/// Where an engine listens when nothing else is said.
#[cfg(not(windows))]
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
#[cfg(windows)]
const DEFAULT_HOST: &str = "npipe:////./pipe/docker_engine";

/// The machine of an address that names none.
const LOCALHOST: &str = "localhost";

/// Writes out what docker lets people leave out: no host is the platform's own, no scheme means
/// TCP, no address means this machine, and no port the usual one.
pub(super) fn normalize(host: &str, tls: bool) -> Result<String, EndpointError> {
    let host = host.trim();
    if host.is_empty() {
        return Ok(DEFAULT_HOST.to_owned());
    }
    let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
    match scheme {
        "unix" if rest.is_empty() => Ok("unix:///var/run/docker.sock".to_owned()),
        "tcp" => {
            let rest = rest.trim_end_matches('/');
            let rest = if rest.is_empty() { LOCALHOST } else { rest };
            let Authority { mut host, port } =
                rest.parse().map_err(|error: AuthorityError| bad(host, error))?;
            if host.is_empty() {
                host = LOCALHOST.to_owned();
            }
            let port = port.or(Some(if tls { TLS_PORT } else { TCP_PORT }));
            Ok(format!("tcp://{}", Authority { host, port }))
        }
        "unix" | "npipe" | "ssh" | "fd" | "http" | "https" => Ok(host.to_owned()),
        _ => Err(bad(host, HostError::Scheme)),
    }
}

fn bad(host: &str, why: impl Into<HostError>) -> EndpointError {
    EndpointError::BadHost { host: host.to_owned(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_written_out() {
        let cases = [
            ("", false, DEFAULT_HOST),
            ("unix:///x.sock", false, "unix:///x.sock"),
            ("tcp://", false, "tcp://localhost:2375"),
            ("tcp://h", true, "tcp://h:2376"),
            ("h:1", false, "tcp://h:1"),
            (":1", false, "tcp://localhost:1"),
            ("tcp://[::1]", false, "tcp://[::1]:2375"),
            ("ssh://me@h", false, "ssh://me@h"),
        ];
        for (host, tls, full) in cases {
            assert_eq!(normalize(host, tls).unwrap(), full, "{host}");
        }
        for (bad, why) in [
            ("foo://x", "want unix:///path"),
            ("tcp://h:", "its port is not a number"),
            ("tcp://h:x", "its port is not a number"),
            ("tcp://h:1/x", "want host or host:port"),
        ] {
            let error = normalize(bad, false).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{bad}\": {why}")), "{error}");
        }
    }
}
