//! Ports in a row.

use std::fmt;
use std::str::FromStr;

use explained::Explained;

use crate::Port;

/// One port, or several in a row: `5000`, `8000-8099`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ports {
    first: Port,
    last: Port,
}

/// Why words are neither a port nor a range of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "2"]
pub enum PortsError {
    /// Anything else.
    #[error("\"{text}\" is neither a port from 1 to 65535 nor a range of them such as 8000-8010", text = .0)]
    #[advice = "correct it"]
    Word(String),
    /// The last port comes before the first.
    #[error("the range \"{first}-{last}\" runs backwards: \"{last}-{first}\" has these ports")]
    #[advice = "write that"]
    Backwards {
        /// What stands first.
        first: Port,
        /// What stands last.
        last: Port,
    },
}

impl Ports {
    /// Those from `first` to `last`, both included; `None` where the last comes before the first.
    #[must_use]
    pub fn new(first: Port, last: Port) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The lowest.
    #[must_use]
    pub const fn first(self) -> Port {
        self.first
    }

    /// The highest.
    #[must_use]
    pub const fn last(self) -> Port {
        self.last
    }

    /// How many they are, at least one.
    #[must_use]
    pub const fn count(self) -> usize {
        (self.last.get() - self.first.get()) as usize + 1
    }

    /// Whether it is a single port.
    #[must_use]
    pub const fn is_one(self) -> bool {
        self.first.get() == self.last.get()
    }

    /// Whether the port is among them.
    #[must_use]
    pub fn contains(self, port: Port) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether a port is among both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Those that are among both.
    #[must_use]
    pub fn common(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// Those that are not among the others: what is before them, and what is behind.
    pub fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let before =
            Port::new(other.first.get() - 1).and_then(|last| Self::new(self.first, last.min(self.last)));
        let next = other.last.get().checked_add(1).and_then(Port::new);
        let behind = next.and_then(|first| Self::new(first.max(self.first), self.last));
        before.into_iter().chain(behind)
    }

    /// All of them, the lowest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Port> {
        (self.first.get()..=self.last.get()).filter_map(Port::new)
    }

    /// As many in a row that begin at `first`; `None` where they would go beyond 65535.
    #[must_use]
    pub fn moved_to(self, first: Port) -> Option<Self> {
        let more = self.last.get() - self.first.get();
        Some(Self { first, last: Port::new(first.get().checked_add(more)?)? })
    }
}

/// The same ports in their order, those in a row together: 8005, 5000 and 8000-8004 are 5000 and 8000-8005.
#[must_use]
pub fn rows(ports: impl IntoIterator<Item = impl Into<Ports>>) -> Vec<Ports> {
    let mut all: Vec<Ports> = ports.into_iter().map(Into::into).collect();
    all.sort_unstable();
    all.dedup_by(|next, row| {
        let adjoins = next.first.get() <= row.last.get().saturating_add(1);
        if adjoins {
            row.last = row.last.max(next.last);
        }
        adjoins
    });
    all
}

impl From<Port> for Ports {
    fn from(port: Port) -> Self {
        Self { first: port, last: port }
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    /// Reads `5000` and `8000-8099`.
    ///
    /// # Errors
    /// Anything else, and a range that runs backwards.
    fn from_str(text: &str) -> Result<Self, PortsError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) =
            Port::parse(first).zip(Port::parse(last)).ok_or_else(|| PortsError::Word(text.to_owned()))?;
        Self::new(first, last).ok_or(PortsError::Backwards { first, last })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if self.is_one() { first.fmt(f) } else { write!(f, "{first}-{last}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ports(text: &str) -> Ports {
        text.parse().unwrap()
    }

    #[test]
    fn ports_in_a_row_are_counted_and_listed() {
        let range = ports("8000-8002");
        assert_eq!((range.count(), range.is_one()), (3, false));
        assert_eq!(range.iter().map(Port::get).collect::<Vec<_>>(), [8000, 8001, 8002]);
        assert!(range.contains(range.last()) && !range.contains(Port::new(8003).unwrap()));
        assert_eq!((ports("5000").count(), ports("5000-5000")), (1, ports("5000")));
        assert_eq!(ports("1-65535").count(), 65535);
    }

    #[test]
    fn a_port_in_both_is_an_overlap() {
        for (one, other, both) in
            [("1-5", "5-9", true), ("1-4", "5-9", false), ("1-9", "3", true), ("7", "7", true)]
        {
            assert_eq!(ports(one).overlaps(ports(other)), both, "{one} {other}");
            assert_eq!(ports(other).overlaps(ports(one)), both, "{other} {one}");
        }
    }

    #[test]
    fn a_row_keeps_its_length_where_it_is_moved() {
        let moved = |first| ports("8000-8002").moved_to(Port::new(first).unwrap()).map(|it| it.to_string());
        assert_eq!(moved(1).as_deref(), Some("1-3"));
        assert_eq!(moved(65533).as_deref(), Some("65533-65535"));
        assert_eq!(moved(65534), None);
    }

    #[test]
    fn what_is_no_row_of_ports_is_named() {
        for bad in ["", "0", "65536", "+5", " 5", "9-0", "1-2-3", "-5", "5-", "http"] {
            assert_eq!(bad.parse::<Ports>(), Err(PortsError::Word(bad.to_owned())));
        }
        let backwards = "9-8".parse::<Ports>().unwrap_err().to_string();
        assert_eq!(backwards, "the range \"9-8\" runs backwards: \"8-9\" has these ports");
    }

    proptest! {
        #[test]
        fn each_port_is_among_both_or_left(one: [u16; 2], other: [u16; 2]) {
            let ports = |[first, more]: [u16; 2]| {
                let first = Port::new(first % 50 + 1).unwrap();
                Ports::new(first, Port::new(first.get() + more % 50).unwrap()).unwrap()
            };
            let (one, other) = (ports(one), ports(other));
            let both: Vec<_> = one.common(other).into_iter().flat_map(Ports::iter).collect();
            prop_assert_eq!(&both, &one.iter().filter(|port| other.contains(*port)).collect::<Vec<_>>());
            let left: Vec<_> = one.without(other).flat_map(Ports::iter).collect();
            prop_assert_eq!(left, one.iter().filter(|port| !other.contains(*port)).collect::<Vec<_>>());
        }

        #[test]
        fn ports_are_shown_as_they_are_read(first in 1..=u16::MAX, more in 0..=u16::MAX) {
            let last = Port::new(first.saturating_add(more)).unwrap();
            let range = Ports::new(Port::new(first).unwrap(), last).unwrap();
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }
    }
}
