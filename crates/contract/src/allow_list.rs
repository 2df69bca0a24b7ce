//! The ports that a dialer dials, whatever it is asked.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use explained::Explained;

use crate::Port;

/// Ports and ranges of them, in the order in which they were named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Vec<RangeInclusive<u16>>);

/// `--allow` of the dialer with something else in its list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("\"{text}\" is neither a port from 1 to 65535 nor a range of them such as 8000-8010", text = .0)]
#[advice = "correct it"]
#[status = "2"]
pub struct AllowListError(String);

impl AllowList {
    /// Whether the port is on the list.
    #[must_use]
    pub fn allows(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }

    /// All its ports, those named twice once.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        (1..=u16::MAX).filter(|port| self.allows(*port))
    }
}

impl FromStr for AllowList {
    type Err = AllowListError;

    /// Reads `5000,6000,8000-8010`.
    ///
    /// # Errors
    /// The word that is neither a port nor a range; nothing at all is one such word.
    fn from_str(text: &str) -> Result<Self, AllowListError> {
        let range = |word: &str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            match (Port::parse(first), Port::parse(last)) {
                (Some(first), Some(last)) if first <= last => Ok(first.get()..=last.get()),
                _ => Err(AllowListError(word.to_owned())),
            }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Self)
    }
}

impl FromIterator<Port> for AllowList {
    /// Each port by itself, though they may stand in a row.
    fn from_iter<I: IntoIterator<Item = Port>>(ports: I) -> Self {
        Self(ports.into_iter().map(|port| port.get()..=port.get()).collect())
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
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
    fn ports_are_listed_as_they_come() {
        let list: AllowList = [5001, 5000].into_iter().filter_map(Port::new).collect();
        assert_eq!(list.to_string(), "5001,5000");
        assert_eq!(list.to_string().parse(), Ok(list));
    }

    proptest! {
        /// What is read is written in the same words.
        #[test]
        fn a_list_is_shown_as_it_can_be_read(ranges in prop::collection::vec((1..=u16::MAX, 0..9_u16), 1..9)) {
            let ranges = ranges.iter().map(|(first, more)| *first..=first.saturating_add(*more)).collect();
            let list = AllowList(ranges);
            prop_assert_eq!(list.to_string().parse(), Ok(list));
        }
    }

    #[test]
    fn what_is_no_list_is_named() {
        for (text, bad) in [
            ("", ""),
            ("5000,", ""),
            ("0", "0"),
            ("5000,65536", "65536"),
            ("+5", "+5"),
            (" 5", " 5"),
            ("9-8", "9-8"),
            ("1-2-3", "1-2-3"),
            ("-5", "-5"),
            ("5-", "5-"),
            ("http", "http"),
        ] {
            assert_eq!(text.parse::<AllowList>(), Err(AllowListError(bad.to_owned())), "{text}");
        }
    }
}
