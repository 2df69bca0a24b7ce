//! Ports in several rows.

use std::fmt;

use assemble_contract::ports::rows;
use assemble_contract::{Port, Ports};

use super::in_step;

/// Some ports, in rows from the lowest to the highest: `8003, 8005-8099`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet(Vec<Ports>);

impl PortSet {
    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|ports| ports.count()).sum()
    }

    /// Those in a row together, the lowest first.
    pub fn rows(&self) -> impl Iterator<Item = Ports> {
        self.0.iter().copied()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, port: Port) -> bool {
        self.0.iter().any(|ports| ports.contains(port))
    }

    /// All from the lowest to the highest, and those between.
    #[must_use]
    pub fn span(&self) -> Option<Ports> {
        Ports::new(self.0.first()?.first(), self.0.last()?.last())
    }

    /// The ports that these lead to, where the lowest of `ports` leads to `first`.
    #[must_use]
    pub fn outside(&self, ports: Ports, first: Port) -> Self {
        let lead = |row: &Ports| row.moved_to(in_step(ports, row.first(), first)?);
        Self(self.0.iter().filter_map(lead).collect())
    }
}

impl FromIterator<Port> for PortSet {
    fn from_iter<I: IntoIterator<Item = Port>>(ports: I) -> Self {
        Self(rows(ports))
    }
}

impl From<Ports> for PortSet {
    fn from(ports: Ports) -> Self {
        Self(vec![ports])
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, ports) in self.0.iter().enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{ports}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_in_rows() {
        let port = |number| Port::new(number).unwrap();
        let set: PortSet = [8003, 8005, 8006, 8007, 65535].into_iter().map(port).collect();
        assert_eq!((set.to_string().as_str(), set.count()), ("8003, 8005-8007, 65535", 5));
        assert!(set.contains(port(8006)) && !set.contains(port(8004)));
        assert_eq!(set.span().unwrap().to_string(), "8003-65535");
        let low: PortSet = [8003, 8005, 8006].into_iter().map(port).collect();
        assert_eq!(low.outside("8000-8099".parse().unwrap(), port(1)).to_string(), "4, 6-7");
        assert!(PortSet::default().is_empty() && PortSet::default().span().is_none());
    }
}
