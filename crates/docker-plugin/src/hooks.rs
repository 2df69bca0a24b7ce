//! What a plugin may say after other docker commands, where the user has turned that on under
//! `plugins` in docker's configuration (docker/cli, `cli-plugins/hooks`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::globals::truth;
use crate::vars::Vars;

/// The heading of what docker says after a command.
pub const HEADING: &str = "What's next:";

/// Whether a person wants to be told what to do next, as docker sees it (docker/cli, `cli/hints`).
#[must_use]
pub fn hints(vars: &impl Vars) -> bool {
    vars.get("DOCKER_CLI_HINTS").is_none_or(|value| truth(&value).unwrap_or(true))
}

/// The argument in front of what docker tells.
pub const COMMAND: &str = "docker-cli-plugin-hooks";

/// A command that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ended {
    /// The configured prefix that fits the command: `buildx build`.
    #[serde(rename = "RootCmd")]
    pub command: String,
    /// Its options, without dashes; of a plugin's without their values.
    #[serde(deserialize_with = "or_none")]
    pub flags: BTreeMap<String, String>,
    /// The error; empty after a success. Of a plugin's command only its exit status is known:
    /// `exited with code 1`.
    #[serde(rename = "CommandError")]
    pub error: String,
}

/// Go writes a map without entries as null.
fn or_none<'de, D: serde::Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

impl Ended {
    /// The exit status, when the error is some words about one and nothing else, which docker has worded
    /// in more than one way.
    #[must_use]
    pub fn status(&self) -> Option<u32> {
        let (words, status) = self.error.trim().rsplit_once(' ')?;
        let plain = words.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
        status.parse().ok().filter(|_| plain)
    }
}

/// Answers `told`, docker's argument behind [`COMMAND`], with what `advise` has to say about the
/// command; in JSON, for standard output. Docker shows an answer without words to nobody, and takes the
/// words for a Go template. What cannot be understood is answered without words.
#[must_use]
pub fn answer(told: &str, advise: impl FnOnce(&Ended) -> Option<String>) -> String {
    let words = serde_json::from_str(told).ok().and_then(|ended| advise(&ended)).unwrap_or_default();
    // 0 is the only kind of answer there is: what to do next.
    serde_json::json!({ "Type": 0, "Template": words }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(error: &str) -> Ended {
        Ended { error: error.to_owned(), ..Ended::default() }
    }

    #[test]
    fn docker_is_answered_whatever_it_tells() {
        let told = r#"{"RootCmd":"build","Flags":{"push":""},"CommandError":"no"}"#;
        let said = answer(told, |ended| Some(format!("{} {:?} {}", ended.command, ended.flags, ended.error)));
        assert_eq!(said, r#"{"Template":"build {\"push\": \"\"} no","Type":0}"#);
        let silent = r#"{"Template":"","Type":0}"#;
        assert_eq!(
            answer(r#"{"RootCmd":"build","Flags":null}"#, |ended| {
                assert_eq!(ended.flags.len(), 0);
                None
            }),
            silent
        );
        for nonsense in ["", "7", "{", r#"{"RootCmd":7}"#] {
            assert_eq!(answer(nonsense, |_| panic!("{nonsense} was understood")), silent);
        }
    }

    #[test]
    fn hints_are_given_until_the_user_ends_them() {
        for (value, given) in [("", true), ("1", true), ("nonsense", true), ("false", false), ("0", false)] {
            assert_eq!(hints(&BTreeMap::from([("DOCKER_CLI_HINTS", value)])), given, "{value}");
        }
    }

    #[test]
    fn a_status_is_told_from_an_error() {
        for error in ["exited with code 1", "exit status 1", " exit status 1 "] {
            assert_eq!(ended(error).status(), Some(1), "{error}");
        }
        assert_eq!(ended("exited with code 130").status(), Some(130));
        for error in ["", "no such file", "context x: not found: 1", "-1"] {
            assert_eq!(ended(error).status(), None, "{error}");
        }
    }
}
