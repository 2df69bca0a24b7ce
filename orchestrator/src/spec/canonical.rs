//! Settings in a form that stays as it is from one version of this program to the next, whatever
//! wrote them down: by it two containers are told apart.
//!
//! Version 1 is lines of a name, `=` and values, each behind its length in bytes and a colon, so
//! that no two lists of values read the same: `args=5:start2:-v`. What is not set has no line:
//! a setting that a later version adds leaves the fingerprints of all others as they are.

use crate::digest;

/// The version of the form, in front of every fingerprint. Another form has another one; those
/// without any are of a form that followed the compiler's own and cannot be made again.
const VERSION: &str = "v1:";

/// How much of the digest a fingerprint has.
const DIGEST_BYTES: usize = 8;

/// Settings, written down one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Canonical(String);

impl Canonical {
    /// Adds a setting, unless it has no value.
    pub(super) fn add<V: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = V>) {
        let values: String = values.into_iter().map(|value| netstring(value.as_ref())).collect();
        if !values.is_empty() {
            self.0.push_str(&format!("{name}={values}\n"));
        }
    }

    /// What stands for all of it in a label.
    pub(super) fn fingerprint(&self) -> String {
        format!("{VERSION}{}", digest::hex(&self.0, DIGEST_BYTES))
    }
}

/// Whether two fingerprints mean the same settings; `None` when they are of different forms.
#[must_use]
pub fn same(one: &str, other: &str) -> Option<bool> {
    (one.starts_with(VERSION) && other.starts_with(VERSION)).then(|| one == other)
}

/// A text that no other text can be mistaken for, whatever stands behind it.
pub(super) fn netstring(text: &str) -> String {
    format!("{}:{text}", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_of_the_first_day() {
        let mut settings = Canonical::default();
        settings.add("image", ["alpine"]);
        settings.add("args", ["a", "b=c\n"]);
        settings.add("none", [""; 0]);
        assert_eq!(settings.0, "image=6:alpine\nargs=1:a4:b=c\n\n");
        assert_eq!(settings.fingerprint(), "v1:993959bd3586a458");
    }

    #[test]
    fn only_fingerprints_of_one_form_are_compared() {
        assert_eq!(same("v1:a", "v1:a"), Some(true));
        assert_eq!(same("v1:a", "v1:b"), Some(false));
        assert_eq!(same("0123", "v1:b"), None);
        assert_eq!(same("0123", "0123"), None);
    }
}
