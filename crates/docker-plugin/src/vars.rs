//! The environment as something that is handed in, so that tests hand in a map.

use std::collections::BTreeMap;

/// A set of named values.
pub trait Vars {
    /// The value of `name`; an empty one counts as absent, as it does for docker.
    fn get(&self, name: &str) -> Option<String>;
}

/// The process's environment. A value that is not Unicode counts as absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

impl Vars for Environment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

impl Vars for BTreeMap<&str, &str> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).filter(|value| !value.is_empty()).map(|value| (*value).to_owned())
    }
}
