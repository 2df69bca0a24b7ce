//! The ports that a helper dials, whatever it is asked. Pure.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Ports and ranges of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Vec<RangeInclusive<u16>>);

/// Not a list of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither a port from 1 to 65535 nor a range of them such as 8000-8010")]
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
    fn from_str(text: &str) -> Result<Self, AllowListError> {
        let range = |word: &str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            match (port(first), port(last)) {
                (Some(first), Some(last)) if first <= last => Ok(first..=last),
                _ => Err(AllowListError(word.to_owned())),
            }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Self)
    }
}

/// Digits only: the parser for numbers takes a sign as well.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
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
