//! How many ports one relay serves, and descriptors for so many connections.

/// Ports of one relay at most: two listeners each, and every one is a name that somebody may ask about.
pub const PORTS: usize = 4096;

/// Descriptors a relay needs for all but its listeners and connections: the runtime's own, probes, idle
/// pipes.
const OTHERS: u32 = 46;

/// Descriptors of one port: a listener of each family.
const LISTENERS: u32 = 2;

/// Descriptors of one connection: a socket on each side.
const EACH: u32 = 2;

/// How many descriptors a relay of so many ports needs to serve so many connections at once.
#[must_use]
pub const fn descriptors_for(connections: u32, ports: u32) -> u32 {
    let besides = ports.saturating_mul(LISTENERS).saturating_add(OTHERS);
    connections.saturating_mul(EACH).saturating_add(besides)
}

/// How many connections a relay of so many ports with so many descriptors can serve at once; at least one,
/// whatever the limit.
#[must_use]
pub const fn connections_within(descriptors: usize, ports: usize) -> usize {
    let besides = ports.saturating_mul(LISTENERS as usize).saturating_add(OTHERS as usize);
    let pairs = descriptors.saturating_sub(besides) / EACH as usize;
    if pairs == 0 { 1 } else { pairs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_descriptors_that_are_asked_for() {
        assert_eq!((connections_within(64, 1), connections_within(20_000, 1)), (8, 9976));
        assert_eq!(connections_within(0, 1), 1);
        for (connections, ports) in [(1, 1), (500, 100), (55_001, 4096)] {
            let descriptors = descriptors_for(connections, ports) as usize;
            assert_eq!(connections_within(descriptors, ports as usize), connections as usize);
        }
    }
}
