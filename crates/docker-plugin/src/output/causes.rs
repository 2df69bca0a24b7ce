//! Errors as lines.

use std::error::Error;

/// An error and its causes on one line, `: ` between them. A cause that is spelled out before it
/// already is left out, and so is white space beyond one space.
#[must_use]
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.contains(&words) {
            let separator = if line.is_empty() { "" } else { ": " };
            line.push_str(separator);
            line.push_str(&words);
        }
        next = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] io::Error);

    #[test]
    fn what_is_said_already_is_not_said_again() {
        let of = |words| causes(&Outer(words, io::Error::other("no  such\nluck")));
        assert_eq!(of("cannot read"), "cannot read: no such luck");
        assert_eq!(of("cannot read: no  such\nluck"), "cannot read: no such luck");
    }
}
