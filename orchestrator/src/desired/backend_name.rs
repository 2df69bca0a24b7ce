//! Which of a user's backends is meant.

use std::fmt;
use std::str::FromStr;

use explained::Explained;

/// How many letters a name may have: with it and a login, the names of files must stay below 255 bytes.
const LONGEST: usize = 63;

/// What the backend is called that a user has without giving a name, as docker calls its own context.
const USUAL: &str = "default";

/// A name of a backend that would be none of a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error(
    "must be 1 to {most} letters, digits, \"_\", \".\" and \"-\", the first one a letter or a digit",
    most = LONGEST
)]
#[advice = "choose such a name"]
#[status = "125"]
pub struct BadName;

/// The name that one of a user's backends has among them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendName(String);

impl BackendName {
    /// The name of the one that is meant where none is given.
    #[must_use]
    pub fn usual() -> Self {
        Self(USUAL.to_owned())
    }

    /// Whether it is that one.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.0 == USUAL
    }
}

impl FromStr for BackendName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        // The characters that engines take in names of containers and volumes.
        let fits = text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
            && text.len() <= LONGEST;
        if fits { Ok(Self(text.to_owned())) } else { Err(BadName) }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_for_the_engine_and_for_a_shell() {
        let longest = "x".repeat(LONGEST);
        for good in ["ci", "CI-2", "a.b_c", "7", "default", &longest] {
            assert_eq!(good.parse::<BackendName>().map(|name| name.to_string()).as_deref(), Ok(good));
        }
        let long = "x".repeat(LONGEST + 1);
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "a\\b", "ä", "a\n", "$(a)", &long] {
            assert_eq!(bad.parse::<BackendName>(), Err(BadName), "{bad:?}");
        }
    }
}
