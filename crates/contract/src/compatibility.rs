//! How a sidecar is told that is older than what it is asked.
//!
//! A sidecar runs as long as its backend, so a plugin meets those of its predecessors.

use crate::answer::AnswerError;

/// The exit status of a sidecar whose command line has no such verb or option, whatever it says: that of
/// clap for wrong usage, since the first sidecar. The plugin makes no mistakes in these words, so one that
/// does not know them is from before they existed.
pub const USAGE: i64 = 2;

/// Whether a sidecar's command that ended with this exit status and output is from before what it was
/// asked for.
#[must_use]
pub fn is_older(status: i64, output: &str) -> bool {
    // The program may be younger than the relay that it asks, where an image was made by hand.
    status == USAGE || status != 0 && output.contains(&AnswerError::Older.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_and_a_relay_that_tells_nothing_are_signs_of_age() {
        assert!(is_older(2, "error: unrecognized subcommand 'status'\n\nUsage: assemble-proxy"));
        assert!(is_older(2, "error: unexpected argument '--speak' found"));
        let older = "assemble-proxy: the relay is older than this program and tells nothing about itself\n";
        assert!(is_older(1, older) && !is_older(0, older));
        for status in [0, 1, 126, 127, 137] {
            assert!(!is_older(status, "assemble-proxy: no relay of port 5000 answers here: timed out"));
        }
    }
}
