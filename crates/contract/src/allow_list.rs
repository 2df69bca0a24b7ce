//! The ports that a dialer dials, whatever it is asked.

use std::fmt;
use std::str::FromStr;

use crate::ports::{PortsError, rows};
use crate::{Port, Ports};

/// Ports and ranges of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Vec<Ports>);

impl AllowList {
    /// Whether the port is on the list.
    #[must_use]
    pub fn allows(&self, port: u16) -> bool {
        Port::new(port).is_some_and(|port| self.0.iter().any(|ports| ports.contains(port)))
    }

    /// All its ports, those named twice once.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        (1..=u16::MAX).filter(|port| self.allows(*port))
    }
}

impl FromStr for AllowList {
    type Err = PortsError;

    /// Reads `5000,6000,8000-8010`.
    ///
    /// # Errors
    /// The word that is neither a port nor a range; nothing at all is one such word.
    fn from_str(text: &str) -> Result<Self, PortsError> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl<P: Into<Ports>> FromIterator<P> for AllowList {
    /// In their order, and those in a row together: the same ports are the same list, whoever names them.
    fn from_iter<I: IntoIterator<Item = P>>(named: I) -> Self {
        Self(rows(named))
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, ports) in self.0.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            write!(f, "{comma}{ports}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exactly_the_ports_that_were_named_are_allowed() {
        let list: AllowList = "5000,6000,8000-8002,6000".parse().unwrap();
        assert_eq!(list.ports().collect::<Vec<_>>(), [5000, 6000, 8000, 8001, 8002]);
        assert!(list.allows(8001) && !list.allows(8003) && !list.allows(0));
        assert_eq!(list.to_string(), "5000,6000,8000-8002,6000");
        let all: AllowList = "1-65535".parse().unwrap();
        assert!(all.allows(1) && all.allows(65535) && !all.allows(0));
    }

    #[test]
    fn the_same_ports_are_the_same_list() {
        let list =
            |words: &[&str]| words.iter().map(|ports| ports.parse::<Ports>().unwrap()).collect::<AllowList>();
        let one = list(&["8300-8302", "5000", "65535"]);
        assert_eq!(one.to_string(), "5000,8300-8302,65535");
        for other in
            [&["8302", "65535", "8300-8301", "5000"][..], &["8300-8302", "8301", "5000", "65535", "65535"]]
        {
            assert_eq!(list(other), one);
        }
    }

    proptest! {
        /// What is read is written in the same words.
        #[test]
        fn a_list_is_shown_as_it_can_be_read(ranges in prop::collection::vec((1..=u16::MAX, 0..9_u16), 1..9)) {
            let port = |number| Port::new(number).unwrap();
            let range = |(first, more): &(u16, u16)| Ports::new(port(*first), port(first.saturating_add(*more)));
            let list: AllowList = ranges.iter().filter_map(range).collect();
            prop_assert_eq!(list.to_string().parse(), Ok(list.clone()));
            let named = |port: Port| ranges.iter().filter_map(range).any(|it| it.contains(port));
            let edges = ranges.iter().filter_map(range).flat_map(|it| [it.first().get(), it.last().get()]);
            let around = edges.flat_map(|edge| edge.saturating_sub(1)..=edge.saturating_add(1));
            for port in around.filter_map(Port::new) {
                prop_assert_eq!(list.allows(port.get()), named(port));
            }
        }
    }

    #[test]
    fn what_is_no_list_is_named() {
        for (text, bad) in [("", ""), ("5000,", ""), ("5000,65536", "65536"), ("5000, 6000", " 6000")] {
            assert_eq!(text.parse::<AllowList>(), Err(PortsError::Word(bad.to_owned())), "{text}");
        }
    }
}
