//! Hosts as people write them.

use super::EndpointError;

/// Where an engine listens when nothing else is said.
#[cfg(not(windows))]
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
#[cfg(windows)]
const DEFAULT_HOST: &str = "npipe:////./pipe/docker_engine";

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
            let port = if tls { 2376 } else { 2375 };
            // The last colon begins a port only behind an IPv6 address's bracket.
            let name_end = rest.rfind(']').map_or(0, |bracket| bracket + 1);
            Ok(match rest.get(name_end..).and_then(|tail| tail.split_once(':')) {
                Some((_, "")) => return Err(bad(host, "the port is missing")),
                Some(("", _)) if name_end == 0 => format!("tcp://localhost{rest}"),
                Some(_) => format!("tcp://{rest}"),
                None if rest.is_empty() => format!("tcp://localhost:{port}"),
                None => format!("tcp://{rest}:{port}"),
            })
        }
        "unix" | "npipe" | "ssh" | "fd" | "http" | "https" => Ok(host.to_owned()),
        _ => Err(bad(host, "want unix:///path, tcp://host:port or ssh://user@host")),
    }
}

fn bad(host: &str, why: &'static str) -> EndpointError {
    EndpointError::BadHost { host: host.to_owned(), why }
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
        assert!(normalize("foo://x", false).unwrap_err().to_string().contains("\"foo://x\""));
    }
}
