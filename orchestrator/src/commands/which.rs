//! Which of the user's backends a command is about, and that hints for one with a name say so.

use docker_plugin::output::Console;
use docker_plugin::vars::Vars;
use explained::Explained;

use super::variables::Given;
use crate::desired::{BackendName, BadName, UserName};

/// Names the backend where the option does not.
const VARIABLE: &str = "DOCKER_ASSEMBLE_NAME";

/// The backend that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    backend: BackendName,
    /// Whether a command without the option is about another one, or would be in another shell.
    needs_option: bool,
    /// Whether the variable named it.
    by_variable: bool,
}

/// The variable has no name in it.
#[derive(Debug, thiserror::Error, Explained)]
#[error("invalid value \"{value}\" of \"DOCKER_ASSEMBLE_NAME\": {why}")]
#[advice = "what `{why}` says"]
#[status = "125"]
pub struct BadVariable {
    value: String,
    why: BadName,
}

impl Which {
    /// The one that the option names, else the variable, else the usual one.
    ///
    /// # Errors
    /// What is in the variable is no name.
    pub fn of(option: Option<BackendName>, vars: &impl Vars) -> Result<Self, BadVariable> {
        let read = |value: String| value.parse().map_err(|why| BadVariable { value, why });
        let variable = if option.is_some() { None } else { vars.get(VARIABLE).map(read).transpose()? };
        let by_variable = variable.is_some();
        let backend = option.or(variable).unwrap_or_else(BackendName::usual);
        let needs_option = !backend.is_usual() || vars.get(VARIABLE).is_some();
        Ok(Self { backend, needs_option, by_variable })
    }

    /// The option, where the variable gives it.
    #[must_use]
    pub fn given(&self) -> Option<Given> {
        let (variable, option) = (VARIABLE.to_owned(), "name".to_owned());
        self.by_variable.then(|| Given { variable, option, values: vec![self.backend.to_string()] })
    }

    /// The user with this backend in mind.
    #[must_use]
    pub fn of_user(&self, user: &UserName) -> UserName {
        user.with_backend(&self.backend)
    }

    /// A console that has every command which is advised mean this backend. It is done where all words
    /// come by, so that no hint can forget it.
    #[must_use]
    pub fn console(&self, console: Console) -> Console {
        if !self.needs_option {
            return console;
        }
        let option = format!(" --name {}", self.backend);
        console.rewording(move |words| with_option(&words, &option))
    }
}

/// What every command about a backend begins with.
const BACKEND: &str = "docker assemble backend ";

/// The words between that and the name of a command.
const GROUPS: [&str; 2] = ["cache ", "port "];

/// The same words, with this behind the name of each command about a backend.
fn with_option(words: &str, option: &str) -> String {
    let mut parts = words.split(BACKEND);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let group = GROUPS.iter().find(|group| part.starts_with(**group)).map_or(0, |group| group.len());
        let verb = part[group..].find(|c: char| !c.is_ascii_lowercase()).unwrap_or(part.len() - group);
        let (command, rest) = part.split_at(group + verb);
        text.extend([BACKEND, command, if verb == 0 { "" } else { option }, rest]);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_option_goes_before_the_variable() {
        let which = |option: Option<&str>, variable: &str| {
            let vars = BTreeMap::from([(VARIABLE, variable)]);
            let which = Which::of(option.map(|name| name.parse().unwrap()), &vars).unwrap();
            (which.backend.to_string(), which.needs_option)
        };
        assert_eq!(which(None, ""), ("default".to_owned(), false));
        assert_eq!(which(Some("default"), ""), ("default".to_owned(), false));
        assert_eq!(which(None, "ci"), ("ci".to_owned(), true));
        assert_eq!(which(Some("b"), "a b"), ("b".to_owned(), true));
        // Without the option it would be another one.
        assert_eq!(which(Some("default"), "ci"), ("default".to_owned(), true));
        let named = |option: Option<&str>| {
            let option = option.map(|name| name.parse().unwrap());
            Which::of(option, &BTreeMap::from([(VARIABLE, "ci")])).unwrap().given()
        };
        assert_eq!(named(None).unwrap().to_string(), "--name ci from DOCKER_ASSEMBLE_NAME");
        assert_eq!(named(Some("ci")), None);
        let bad = Which::of(None, &BTreeMap::from([(VARIABLE, "a/b")])).unwrap_err();
        assert!(bad.to_string().starts_with("invalid value \"a/b\" of \"DOCKER_ASSEMBLE_NAME\": must be "));
    }

    #[test]
    fn the_option_is_behind_the_name_of_each_command() {
        let told = |words| with_option(words, " --name ci");
        for (words, wanted) in [
            ("'docker assemble backend stop'", "'docker assemble backend stop --name ci'"),
            ("docker assemble backend start --image a", "docker assemble backend start --name ci --image a"),
            (
                "'docker assemble backend cache purge' and then 'docker assemble backend port rm 1'",
                "'docker assemble backend cache purge --name ci' and then \
                 'docker assemble backend port rm --name ci 1'",
            ),
            ("not made by docker assemble", "not made by docker assemble"),
            ("docker assemble backend ", "docker assemble backend "),
        ] {
            assert_eq!(told(words), wanted);
        }
    }
}
