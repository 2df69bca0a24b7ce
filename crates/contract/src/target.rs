//! What a port leads to, and the words for it: `gateway`, `loopback:6000`, `192.0.2.7:80`, `db:5432`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use explained::Explained;

use crate::port::PortError;
use crate::{HostName, Port};

/// The word for [`TargetHost::Gateway`].
const GATEWAY: &str = "gateway";

/// The word for [`TargetHost::Loopback`].
const LOOPBACK: &str = "loopback";

/// The host of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetHost {
    /// The default gateway of the network namespace that the relay runs in.
    Gateway,
    /// The loopback of the network namespace that a dialer runs in.
    Loopback,
    /// This address.
    Address(IpAddr),
    /// Whatever address this name has when a connection is made.
    Name(HostName),
}

/// Where connections go: a wish, not yet an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The host.
    pub host: TargetHost,
    /// The port there.
    pub port: Port,
}

/// A target as `--to` has it: its port is that of the listener when left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// The host.
    pub host: TargetHost,
    /// The port there, where it was given.
    pub port: Option<Port>,
}

/// Why words are no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "2"]
pub enum TargetError {
    /// The host of `--to`.
    #[error(
        "\"{text}\" is neither \"gateway\" nor \"loopback\" nor an IP address nor the name of a host",
        text = .0
    )]
    #[advice = "correct it; names in other alphabets are written as name services have them (`xn--…`)"]
    Host(String),
    /// The port part is no port.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl FromStr for TargetSpec {
    type Err = TargetError;

    /// Reads `gateway`, `loopback`, a name, an address of either family or `[V6]`, each but a bare
    /// address of IPv6 with `:PORT` or without. A host that is called `gateway` or `loopback` is
    /// written with other letters (`GATEWAY`) or with a dot at its end.
    ///
    /// # Errors
    /// The part that is wrong.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { host: TargetHost::Address(ip), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse()?)),
            _ => (text, None),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address = match bracketed {
            Some(v6) => v6.parse().ok().map(IpAddr::V6),
            None => host.parse().ok().map(IpAddr::V4),
        };
        let host = match address {
            Some(ip) => TargetHost::Address(ip),
            None if host == GATEWAY => TargetHost::Gateway,
            None if host == LOOPBACK => TargetHost::Loopback,
            None => TargetHost::Name(host.parse().map_err(|_| TargetError::Host(host.to_owned()))?),
        };
        Ok(Self { host, port })
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Reads a [`TargetSpec`] that names its port.
    ///
    /// # Errors
    /// The part that is wrong, or an empty port where there is none.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let TargetSpec { host, port } = text.parse()?;
        Ok(Self { host, port: port.ok_or_else(|| PortError(String::new()))? })
    }
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(port) = self.port else { return self.host.fmt(f) };
        match &self.host {
            // With the brackets of IPv6.
            TargetHost::Address(ip) => SocketAddr::new(*ip, port.get()).fmt(f),
            host => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TargetSpec { host: self.host.clone(), port: Some(self.port) }.fmt(f)
    }
}

impl fmt::Display for TargetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str(GATEWAY),
            Self::Loopback => f.write_str(LOOPBACK),
            Self::Address(ip) => ip.fmt(f),
            // Case does not matter in a name (RFC 4343), and the relay's own words have small letters.
            Self::Name(name) if matches!(name.as_str(), GATEWAY | LOOPBACK) => {
                f.write_str(&name.as_str().to_ascii_uppercase())
            }
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    fn shown(text: &str) -> String {
        let TargetSpec { host, port: given } = text.parse().unwrap();
        Target { host, port: given.unwrap_or_else(|| port(5000)) }.to_string()
    }

    #[test]
    fn every_form_of_target_is_read() {
        assert_eq!(shown("gateway"), "gateway:5000");
        assert_eq!(shown("gateway:6000"), "gateway:6000");
        assert_eq!(shown("loopback"), "loopback:5000");
        assert_eq!(shown("loopback:6000"), "loopback:6000");
        assert_eq!(shown("192.0.2.7"), "192.0.2.7:5000");
        assert_eq!(shown("192.0.2.7:80"), "192.0.2.7:80");
        assert_eq!(shown("2001:db8::7"), "[2001:db8::7]:5000");
        assert_eq!(shown("[2001:db8::7]"), "[2001:db8::7]:5000");
        assert_eq!(shown("[2001:db8::7]:80"), "[2001:db8::7]:80");
        assert_eq!(shown("db"), "db:5000");
        assert_eq!(shown("db.internal:5432"), "db.internal:5432");
        assert_eq!(shown("gateway.:80"), "gateway.:80");
        assert_eq!(shown("GATEWAY:80"), "GATEWAY:80");
    }

    #[test]
    fn what_is_no_target_is_named() {
        let bad = |text: &str| text.parse::<TargetSpec>().unwrap_err();
        assert_eq!(bad("db/internal:5432"), TargetError::Host("db/internal".into()));
        assert_eq!(bad("192.0.2.256:80"), TargetError::Host("192.0.2.256".into()));
        assert_eq!(bad("db.internal:"), TargetError::Port(PortError(String::new())));
        assert_eq!(bad("gateway:0"), TargetError::Port(PortError("0".into())));
        assert_eq!(bad("gateway:65536"), TargetError::Port(PortError("65536".into())));
        assert_eq!(bad("192.0.2.7:"), TargetError::Port(PortError(String::new())));
        assert_eq!(bad("gateway:+80"), TargetError::Port(PortError("+80".into())));
        assert_eq!(bad(""), TargetError::Host(String::new()));
        assert_eq!(bad("[192.0.2.7]:80"), TargetError::Host("[192.0.2.7]".into()));
        assert_eq!("gateway".parse::<Target>(), Err(TargetError::Port(PortError(String::new()))));
    }

    #[test]
    fn a_host_with_the_name_of_a_word_keeps_it_in_other_letters() {
        for word in [GATEWAY, LOOPBACK] {
            let target = Target { host: TargetHost::Name(word.parse().unwrap()), port: port(80) };
            assert_eq!(target.to_string(), format!("{}:80", word.to_ascii_uppercase()));
            assert!(matches!(target.to_string().parse(), Ok(Target { host: TargetHost::Name(_), .. })));
        }
    }

    fn hosts() -> impl Strategy<Value = TargetHost> {
        prop_oneof![
            Just(TargetHost::Gateway),
            Just(TargetHost::Loopback),
            any::<IpAddr>().prop_map(TargetHost::Address),
            "([a-z0-9_]{1,5}[.]){0,3}[a-z][a-z0-9]{0,5}[.]?".prop_filter_map(
                "a word of the grammar",
                |name| (![GATEWAY, LOOPBACK].contains(&&*name))
                    .then(|| TargetHost::Name(name.parse().unwrap()))
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_target_is_read_as_it_is_shown(host in hosts(), number in 1..=u16::MAX) {
            let target = Target { host: host.clone(), port: port(number) };
            prop_assert_eq!(target.to_string().parse(), Ok(target));
            for port in [None, Some(port(number))] {
                let spec = TargetSpec { host: host.clone(), port };
                prop_assert_eq!(spec.to_string().parse(), Ok(spec));
            }
        }

        /// Reading never panics, and what was read is shown in words that mean the same.
        #[test]
        fn no_text_is_read_as_two_targets(text in "[a-zA-Z0-9:.\\[\\]-]{0,24}|\\PC{0,24}") {
            if let Ok(spec) = text.parse::<TargetSpec>() {
                prop_assert_eq!(spec.to_string().parse(), Ok(spec));
            }
        }
    }
}
