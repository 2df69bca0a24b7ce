//! What is the matter with a forward. Pure: observed facts in, words out.
//!
//! `report` is what a sidecar tells, `listening` what the host's tables tell, `firewall` and `firewalld`
//! what filters there, `place` where the engine is, `cause` puts them together, `mended` has the forwards that
//! help, and `finding` the words.

mod cause;
mod finding;
mod firewall;
mod firewalld;
mod isolation;
mod listening;
mod mended;
mod place;
mod report;

pub use cause::{Case, StartWith, explain, remedied};
pub use finding::{Cause, Finding, Ss, There};
pub use firewall::{Door, Filters, UNSEEN};
pub use firewalld::Firewalld;
pub use isolation::{NoNetwork, has_gateway, has_no_route};
pub use listening::{Listener, Listening, TABLES, listeners, listening};
pub use place::Place;
pub use report::{Answer, alone, read, target_now, target_of, tried};

/// Text of unknown origin in one line that no terminal takes for a command, and not too long.
#[must_use]
pub fn plain(text: &str) -> String {
    /// More than any message that is meant to be read.
    const CHARS: usize = 300;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_terminal_is_given_no_commands() {
        assert_eq!(plain("a\n  b\x1b[2J\u{9b}c\0"), "a b[2Jc");
        assert_eq!(plain(&"x".repeat(1000)).len(), 300);
    }
}
