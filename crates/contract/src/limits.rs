//! Descriptors for so many connections.

/// Descriptors a relay needs for all but its connections: listeners, the runtime's own, probes, idle
/// pipes.
const OTHERS: u32 = 48;

/// Descriptors of one connection: a socket on each side.
const EACH: u32 = 2;

/// How many descriptors a relay needs to serve so many connections at once.
#[must_use]
pub const fn descriptors_for(connections: u32) -> u32 {
    connections.saturating_mul(EACH).saturating_add(OTHERS)
}

/// How many connections a relay with so many descriptors can serve at once; at least one, whatever the
/// limit.
#[must_use]
pub const fn connections_within(descriptors: usize) -> usize {
    let pairs = descriptors.saturating_sub(OTHERS as usize) / EACH as usize;
    if pairs == 0 { 1 } else { pairs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_descriptors_that_are_asked_for() {
        assert_eq!((connections_within(64), connections_within(20_000)), (8, 9976));
        assert_eq!(connections_within(0), 1);
        for connections in [1, 500, 55_001] {
            assert_eq!(connections_within(descriptors_for(connections) as usize), connections as usize);
        }
    }
}
