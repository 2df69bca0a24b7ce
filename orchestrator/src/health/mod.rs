//! What is the matter with a forward. Pure: observed facts in, words out.
//!
//! `report` is what a sidecar tells, `listening` what the host's tables tell, `place` where the
//! engine is, and `cause` puts them together.

mod cause;
mod listening;
mod place;
mod report;

pub use cause::{Case, Finding, explain, remedy};
pub use listening::{Listening, listeners, listening};
pub use place::Place;
pub use report::{Answer, Attempt, Kernel, LastError, Outcome, Report, Speaks, Via, read};

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
