//! `host` and `host:port`, as URLs and docker's options have them.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use explained::Explained;
use http::uri;

/// A host and maybe a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A name or an address; one of IPv6 without its brackets. Empty in `:5000`.
    pub host: String,
    /// The port, 1 to 65535.
    pub port: Option<u16>,
}

/// What is no host with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum AuthorityError {
    /// Something else in the place of a host.
    #[error("want host or host:port")]
    #[advice = "write it so"]
    Host,
    /// A bad port in it.
    #[error("its port is not a number from 1 to 65535")]
    #[advice = "correct it"]
    Port,
}

impl FromStr for Authority {
    type Err = AuthorityError;

    /// Reads the authority of a URL (RFC 3986, 3.2); a user's name and password in front of the host
    /// are passed over. The `http` crate takes `h:` and `h:x` for a host without a port, and `[x]` for a
    /// host; here they are errors.
    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let authority: uri::Authority = text.parse().map_err(|_| AuthorityError::Host)?;
        let host = authority.host();
        let behind_user = authority.as_str().rsplit('@').next().unwrap_or_default();
        let port = match behind_user.strip_prefix(host) {
            Some("") => None,
            Some(port) => {
                let port = port.strip_prefix(':').ok_or(AuthorityError::Host)?;
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port != 0);
                Some(port.ok_or(AuthorityError::Port)?)
            }
            None => return Err(AuthorityError::Host),
        };
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => {
                let (number, _zone) = address.split_once('%').unwrap_or((address, ""));
                number.parse::<Ipv6Addr>().map_err(|_| AuthorityError::Host)?;
                address
            }
            None => host,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Authority {
    /// As in a URL: an address of IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_may_have_a_port() {
        for (text, host, port) in [
            ("h", "h", None),
            ("my_host.example:5000", "my_host.example", Some(5000)),
            ("[::1]", "::1", None),
            ("[fe80::1%eth0]:5", "fe80::1%eth0", Some(5)),
            (":5", "", Some(5)),
            ("me:pw@h:2", "h", Some(2)),
        ] {
            let authority: Authority = text.parse().unwrap();
            assert_eq!((authority.host.as_str(), authority.port), (host, port), "{text}");
            assert_eq!(authority.to_string(), text.rsplit('@').next().unwrap());
        }
        for bad in ["h:", "h:h", "h:0", "h:+1", "h:70000"] {
            assert_eq!(bad.parse::<Authority>(), Err(AuthorityError::Port), "{bad}");
        }
        for bad in ["", "h:1:2", "::1", "[::1", "[::1]x", "[x]:1", "h/x", "a b", "me@"] {
            assert_eq!(bad.parse::<Authority>(), Err(AuthorityError::Host), "{bad}");
        }
    }
}
