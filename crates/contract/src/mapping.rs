//! Which ports lead where, and the words for it: those of `--port`, beside those of `--to`.

use std::fmt;
use std::str::FromStr;

use explained::Explained;

use crate::ports::PortsError;
use crate::{Port, Ports, Target, TargetHost, TargetSpec, limits};

/// Ports that a relay listens on, and what they lead to: the first to the port of a target, those behind it
/// to the ports behind that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    ports: Ports,
    outside: Ports,
    host: TargetHost,
}

/// Ports as `--port` has them: `5000`, `8000-8099`, and `8000-8099:9000-9099` where those of the target are
/// others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortsSpec {
    ports: Ports,
    outside: Option<Ports>,
}

/// Why ports lead nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "2"]
pub enum MappingError {
    /// The words are no ports.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// A range that no relay serves.
    #[error("\"{ports}\" are {count} ports, and one relay serves {most} at most", count = .ports.count(), most = limits::PORTS)]
    #[advice = "several relays"]
    Many {
        /// All of them.
        ports: Ports,
    },
    /// Two ranges, of which one is longer.
    #[error("\"{ports}\" and \"{outside}\" are not as many ports")]
    #[advice = "correct one of them"]
    Lengths {
        /// Those that are listened on.
        ports: Ports,
        /// Those of the target.
        outside: Ports,
    },
    /// The target's port is too high for a range.
    #[error("\"{ports}\" from port {first} of the target on would end beyond 65535")]
    #[advice = "a lower one"]
    Beyond {
        /// Those that are listened on.
        ports: Ports,
        /// The port that the first of them leads to.
        first: Port,
    },
    /// `--port` says it already, as a range always does.
    #[error("port \"{port}\" of the target is not for --to beside --port {ports}")]
    #[advice = "say it in `--port`, as 5000:6000 or 8000-8099:9000-9099"]
    Twice {
        /// What `--port` has.
        ports: PortsSpec,
        /// The one of `--to`.
        port: Port,
    },
}

impl Mapping {
    /// Ports that lead to those of the target's host from the target's port on.
    ///
    /// # Errors
    /// They are too many, or would end beyond 65535.
    pub fn new(ports: Ports, target: Target) -> Result<Self, MappingError> {
        let Target { host, port: first } = target;
        let outside = ports.moved_to(first).ok_or(MappingError::Beyond { ports, first })?;
        Ok(PortsSpec::new(ports, Some(outside))?.at(host))
    }

    /// One port that leads to a target.
    #[must_use]
    pub fn one(port: Port, target: Target) -> Self {
        Self { ports: port.into(), outside: target.port.into(), host: target.host }
    }

    /// The ports on the loopback of the relay's network namespace.
    #[must_use]
    pub const fn ports(&self) -> Ports {
        self.ports
    }

    /// The ports that they lead to, as many.
    #[must_use]
    pub const fn outside(&self) -> Ports {
        self.outside
    }

    /// The host that they lead to.
    #[must_use]
    pub const fn host(&self) -> &TargetHost {
        &self.host
    }

    /// Where connections to the first port go.
    #[must_use]
    pub fn target(&self) -> Target {
        Target { host: self.host.clone(), port: self.outside.first() }
    }

    /// Where connections to this port go; `None` where it is not among them.
    #[must_use]
    pub fn target_of(&self, port: Port) -> Option<Target> {
        let mut pairs = self.ports.iter().zip(self.outside.iter());
        let (_, outside) = pairs.find(|(inside, _)| *inside == port)?;
        Some(Target { host: self.host.clone(), port: outside })
    }

    /// The ports as `--port` is given them. Of a single one it says only what is listened on.
    #[must_use]
    pub fn spec(&self) -> PortsSpec {
        let elsewhere = !self.ports.is_one() && self.ports != self.outside;
        PortsSpec { ports: self.ports, outside: elsewhere.then_some(self.outside) }
    }

    /// The target as `--to` is given it, that of a range without a port. A single one that is equal to the
    /// one listened on is left out behind `gateway` and `loopback`, and nowhere else: it is told to people
    /// in labels, and a name or an address without a port says too little.
    #[must_use]
    pub fn to(&self) -> TargetSpec {
        let understood = matches!(self.host, TargetHost::Gateway | TargetHost::Loopback)
            && self.ports == self.outside
            || !self.ports.is_one();
        TargetSpec { host: self.host.clone(), port: (!understood).then_some(self.outside.first()) }
    }
}

impl PortsSpec {
    /// These ports, and those of the target where they are others.
    ///
    /// # Errors
    /// They are too many, or not as many.
    pub fn new(ports: Ports, outside: Option<Ports>) -> Result<Self, MappingError> {
        match outside {
            Some(outside) if outside.count() != ports.count() => {
                Err(MappingError::Lengths { ports, outside })
            }
            _ if ports.count() > limits::PORTS => Err(MappingError::Many { ports }),
            _ => Ok(Self { ports, outside }),
        }
    }

    /// Those that are listened on.
    #[must_use]
    pub const fn ports(self) -> Ports {
        self.ports
    }

    /// What they lead to where `to` is given beside them.
    ///
    /// # Errors
    /// Both have ports, or these are a range and `to` has one.
    pub fn to(self, to: TargetSpec) -> Result<Mapping, MappingError> {
        match to.port {
            None => Ok(self.at(to.host)),
            Some(outside) if self.outside.is_none() && self.ports.is_one() => {
                Ok(Mapping { ports: self.ports, outside: outside.into(), host: to.host })
            }
            Some(port) => Err(MappingError::Twice { ports: self, port }),
        }
    }

    fn at(self, host: TargetHost) -> Mapping {
        Mapping { ports: self.ports, outside: self.outside.unwrap_or(self.ports), host }
    }
}

impl From<Port> for PortsSpec {
    fn from(port: Port) -> Self {
        Self { ports: port.into(), outside: None }
    }
}

impl FromStr for PortsSpec {
    type Err = MappingError;

    /// Reads [`Ports`], and others behind a colon.
    ///
    /// # Errors
    /// The part that is wrong; they are too many, or not as many.
    fn from_str(text: &str) -> Result<Self, MappingError> {
        match text.split_once(':') {
            None => Self::new(text.parse()?, None),
            Some((ports, outside)) => Self::new(ports.parse()?, Some(outside.parse()?)),
        }
    }
}

impl fmt::Display for PortsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ports.fmt(f)?;
        self.outside.map_or(Ok(()), |outside| write!(f, ":{outside}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mapped(ports: &str, to: &str) -> Result<Mapping, MappingError> {
        ports.parse::<PortsSpec>()?.to(to.parse().unwrap())
    }

    fn words(ports: &str, target: &str) -> String {
        let mapping = Mapping::new(ports.parse().unwrap(), target.parse().unwrap()).unwrap();
        format!("{} {}", mapping.spec(), mapping.to())
    }

    #[test]
    fn a_mapping_says_no_more_than_a_relay_needs() {
        assert_eq!(words("5000", "gateway:5000"), "5000 gateway");
        assert_eq!(words("5000", "gateway:80"), "5000 gateway:80");
        assert_eq!(words("5000", "loopback:5000"), "5000 loopback");
        assert_eq!(words("5000", "192.0.2.7:5000"), "5000 192.0.2.7:5000");
        assert_eq!(words("5000", "[2001:db8::7]:1"), "5000 [2001:db8::7]:1");
        assert_eq!(words("5000", "db:5000"), "5000 db:5000");
        assert_eq!(words("8000-8099", "gateway:8000"), "8000-8099 gateway");
        assert_eq!(words("8000-8099", "loopback:9000"), "8000-8099:9000-9099 loopback");
        assert_eq!(words("8000-8099", "[2001:db8::7]:8000"), "8000-8099 2001:db8::7");
        assert_eq!(words("8000-8099", "db:1"), "8000-8099:1-100 db");
    }

    #[test]
    fn each_port_leads_to_one_of_the_target() {
        let mapping = mapped("8000-8002:9000-9002", "db").unwrap();
        let to = |port| mapping.target_of(Port::new(port).unwrap()).map(|target| target.to_string());
        assert_eq!(to(8000).as_deref(), Some("db:9000"));
        assert_eq!(to(8002).as_deref(), Some("db:9002"));
        assert_eq!((to(7999), to(8003)), (None, None));
        assert_eq!(
            (mapping.target().to_string(), mapping.outside().to_string()),
            ("db:9000".into(), "9000-9002".into())
        );
        for (ports, to) in [("5000", "gateway:6000"), ("5000:6000", "gateway")] {
            let target = Target { host: TargetHost::Gateway, port: Port::new(6000).unwrap() };
            assert_eq!(mapped(ports, to), Ok(Mapping::one(Port::new(5000).unwrap(), target)));
        }
    }

    #[test]
    fn ports_that_lead_nowhere_are_named() {
        let refused = |ports, to| mapped(ports, to).unwrap_err().to_string();
        assert_eq!(refused("1-4097", "db"), "\"1-4097\" are 4097 ports, and one relay serves 4096 at most");
        assert_eq!(refused("8000-8001:9000", "db"), "\"8000-8001\" and \"9000\" are not as many ports");
        let twice = "port \"7\" of the target is not for --to beside --port 5000:6000";
        assert_eq!(refused("5000:6000", "db:7"), twice);
        assert_eq!(refused("8000-8001", "db:7"), twice.replace("5000:6000", "8000-8001"));
        for bad in ["5000:", ":5000", "1:2:3", "0:1"] {
            assert!(matches!(mapped(bad, "db"), Err(MappingError::Ports(_))), "{bad}");
        }
        assert_eq!(mapped("1-4096", "db").map(|mapping| mapping.ports().count()), Ok(4096));
        let beyond = Mapping::new("1-3".parse().unwrap(), "db:65534".parse().unwrap());
        assert!(matches!(beyond, Err(MappingError::Beyond { .. })));
    }

    proptest! {
        /// Whatever a relay is told it reads as it was meant.
        #[test]
        fn a_mapping_is_read_as_it_is_written(first in 1..=u16::MAX, more in 0..3_u16, outside in 1..=u16::MAX, same: bool) {
            let port = |number| Port::new(number).unwrap();
            let ports = Ports::new(port(first), port(first.saturating_add(more))).unwrap();
            let outside = port(if same { first } else { outside });
            for host in [TargetHost::Gateway, TargetHost::Address([192, 0, 2, 7].into())] {
                let Ok(mapping) = Mapping::new(ports, Target { host, port: outside }) else { continue };
                prop_assert_eq!(mapping.spec().to_string().parse(), Ok(mapping.spec()));
                prop_assert_eq!(mapped(&mapping.spec().to_string(), &mapping.to().to_string()), Ok(mapping));
            }
        }

        #[test]
        fn no_text_is_read_as_two_specs(text in "[0-9:-]{0,16}|\\PC{0,16}") {
            if let Ok(spec) = text.parse::<PortsSpec>() {
                prop_assert_eq!(spec.to_string().parse(), Ok(spec));
            }
        }
    }
}
