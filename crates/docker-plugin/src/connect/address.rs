//! An endpoint's host, taken apart.

use std::path::PathBuf;

use super::error::AddressError;
use super::ssh;
use crate::authority::Authority;
use crate::endpoint::{Endpoint, TCP_PORT, TLS_PORT};

/// The way to an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// A host and its port.
    Tcp(String, u16),
    /// Another machine's engine, by way of ssh.
    Ssh(ssh::Target),
    /// By way of a program; its name and arguments.
    Program(String, Vec<String>),
}

impl Address {
    /// # Errors
    /// An address of a kind that is not spoken.
    pub(super) fn parse(endpoint: &Endpoint) -> Result<Self, AddressError> {
        if let Some((program, arguments)) = endpoint.through.as_deref().and_then(<[String]>::split_first) {
            return Ok(Self::Program(program.clone(), arguments.to_vec()));
        }
        let host = &endpoint.host;
        match host.split_once("://") {
            // Docker too keeps certificates of a socket file's context and does not use them.
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("ssh", rest)) => ssh::Target::parse(rest).map(Self::Ssh),
            Some(("https", _)) if endpoint.tls.is_none() => Err(AddressError::NoTls),
            Some(("tcp" | "http" | "https", rest)) => {
                let authority: Option<Authority> = rest.trim_end_matches('/').parse().ok();
                let usual = if endpoint.tls.is_some() { TLS_PORT } else { TCP_PORT };
                authority
                    .filter(|authority| !authority.host.is_empty() && !rest.contains('@'))
                    .map(|Authority { host, port }| Self::Tcp(host, port.unwrap_or(usual)))
                    .ok_or(AddressError::Tcp)
            }
            Some(("unix", _)) => Err(AddressError::NoPath),
            Some((scheme, _)) => Err(AddressError::Scheme { scheme: scheme.to_owned() }),
            None => Err(AddressError::NoScheme),
        }
    }

    /// Whether a connection costs a login or the start of a program.
    pub(super) const fn is_costly(&self) -> bool {
        matches!(self, Self::Ssh(_) | Self::Program(..))
    }

    /// The base of the URIs of requests, whatever lies under HTTP. Over a socket file the name is the one that docker's
    /// own client sends, since some proxies in front of an engine check it.
    pub(super) fn base_uri(&self) -> String {
        match self {
            Self::Unix(_) | Self::Ssh(_) | Self::Program(..) => "http://api.moby.localhost".to_owned(),
            Self::Tcp(host, port) => {
                format!("http://{}", Authority { host: host.clone(), port: Some(*port) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Tls;

    fn parse(host: &str) -> Result<Address, String> {
        Address::parse(&Endpoint::new(host)).map_err(|error| error.to_string())
    }

    #[test]
    fn hosts_become_addresses() {
        assert_eq!(parse("unix:///run/d.sock"), Ok(Address::Unix("/run/d.sock".into())));
        assert_eq!(parse("tcp://h:1"), Ok(Address::Tcp("h".into(), 1)));
        assert_eq!(parse("tcp://h/"), Ok(Address::Tcp("h".into(), 2375)));
        assert_eq!(parse("tcp://[::1]"), Ok(Address::Tcp("::1".into(), 2375)));
        assert_eq!(parse("tcp://[::1]:9"), Ok(Address::Tcp("::1".into(), 9)));
        assert_eq!(parse("tcp://[::1]:9").unwrap().base_uri(), "http://[::1]:9");
    }

    #[test]
    fn what_is_not_spoken_is_said() {
        assert!(parse("ssh://me:secret@host").unwrap_err().contains("no password"));
        assert!(parse("https://h:2376").unwrap_err().contains("--tlsverify"));
        assert!(parse("npipe:////./pipe/x").unwrap_err().contains("\"npipe\""));
        assert!(parse("/var/run/docker.sock").unwrap_err().contains("unix:///path"));
        assert!(parse("unix://").unwrap_err().contains("path is missing"));
        for bad in ["tcp://h/with/path", "tcp://h:port", "tcp://me@h", "tcp://"] {
            assert!(parse(bad).unwrap_err().contains("tcp://host:port"), "{bad}");
        }
        let tls = Endpoint { tls: Some(Tls::default()), ..Endpoint::new("tcp://h:2376") };
        assert_eq!(Address::parse(&tls).unwrap(), Address::Tcp("h".into(), 2376));
        let usual = Endpoint { host: "tcp://h".into(), ..tls.clone() };
        assert_eq!(Address::parse(&usual).unwrap(), Address::Tcp("h".into(), 2376));
        let socket = Endpoint { host: "unix:///s".into(), ..tls };
        assert_eq!(Address::parse(&socket).unwrap(), Address::Unix("/s".into()));
    }
}
