//! Names of hosts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that a name service can be asked for, as it was written. A dot at its end means that
/// nothing is to be added to it (resolv.conf(5), `search`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Longest name (RFC 1035, 3.1): 255 bytes with the lengths of its labels.
    const LENGTH: usize = 253;
    /// Longest label.
    const LABEL_LENGTH: usize = 63;

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the dot at its end.
    #[must_use]
    pub fn relative(&self) -> &str {
        self.0.strip_suffix('.').unwrap_or(&self.0)
    }

    /// Whether it means this host by definition (RFC 6761, 6.3).
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.ends_in("localhost")
    }

    /// Whether nobody's name server knows it by definition (RFC 6761, 6.4). `/etc/hosts` may.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.ends_in("invalid")
    }

    fn ends_in(&self, last: &str) -> bool {
        self.relative().rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case(last))
    }
}

/// Not the name of a host. Whoever reads one says what else it might have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAName;

impl FromStr for HostName {
    type Err = NotAName;

    /// Reads letters, digits, `-` and the `_` of compose files; other alphabets in the form that name
    /// services have them in (`xn--`). What ends with a number was meant to be an address.
    ///
    /// # Errors
    /// Anything else, and what is longer than a name service takes.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let relative = text.strip_suffix('.').unwrap_or(text);
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_label = |label: &str| {
            (1..=Self::LABEL_LENGTH).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let fits = relative.len() <= Self::LENGTH
            && relative.split('.').all(is_label)
            && !relative.rsplit('.').next().is_some_and(numeric);
        if fits { Ok(Self(text.into())) } else { Err(NotAName) }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_was_meant_for_an_address() {
        for line in include_str!("host_names.txt").lines() {
            let (kind, text) = line.split_once(' ').unwrap();
            let text = text.trim_matches('"');
            assert_eq!(text.parse::<HostName>().is_ok(), kind == "name", "{text}");
        }
    }

    #[test]
    fn localhost_is_this_host_whatever_stands_before_it() {
        let is = |name: &str| name.parse::<HostName>().unwrap().is_localhost();
        assert!(is("localhost") && is("LocalHost.") && is("registry.localhost"));
        assert!(!is("localhost.example") && !is("mylocalhost"));
    }
}
