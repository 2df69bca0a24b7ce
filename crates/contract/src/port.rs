//! TCP ports.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use explained::Explained;

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port(NonZeroU16);

/// A number out of that range, or no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("\"{text}\" is not a port: want 1 to 65535", text = .0)]
#[advice = "correct it"]
#[status = "2"]
pub struct PortError(pub String);

impl Port {
    /// The port of this number, unless that is 0.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Reads a port as [`FromStr`] does, for those who have words of their own for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The port as a number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for Port {
    type Err = PortError;

    /// Reads digits alone: the standard library's parser for numbers takes a sign as well.
    ///
    /// # Errors
    /// Anything but 1 to 65535 in digits.
    fn from_str(text: &str) -> Result<Self, PortError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number.map(Self).ok_or_else(|| PortError(text.to_owned()))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_from_1_to_65535_are_ports() {
        for good in ["1", "5000", "65535", "0080"] {
            assert_eq!(good.parse::<Port>().unwrap().get(), good.parse::<u16>().unwrap());
        }
        for bad in ["", "0", "65536", "+80", "-1", " 80", "80 ", "http", "٣"] {
            assert_eq!(bad.parse::<Port>(), Err(PortError(bad.to_owned())));
        }
    }
}
