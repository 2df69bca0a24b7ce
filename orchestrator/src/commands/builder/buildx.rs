//! Docker's own command as the way to buildx, and what of buildx's files says which builders it has.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use explained::Explained;
use serde::Deserialize;
use tokio::process::Command;

use super::address;
use crate::desired::ContainerName;

/// How long buildx may take; what it is asked for here is a matter of files.
const LIMIT: Duration = Duration::from_secs(30);

/// The way to buildx.
#[derive(Clone, Debug)]
pub struct Buildx {
    /// The docker command.
    pub docker: String,
    /// Its global options, as this program was given them.
    pub globals: Vec<String>,
    /// Where buildx keeps its builders: `buildx` below docker's configuration, or
    /// `BUILDX_CONFIG`.
    pub store: Option<PathBuf>,
    /// `BUILDX_BUILDER`: the builder of all builds that name none, whichever is in use.
    pub chosen: Option<String>,
    /// Whether `docker build` is `docker buildx build` to the letter (`docker buildx install`). Else
    /// it builds with the builder of docker's context (docker/cli, `cmd/docker/builder.go`).
    pub installed: bool,
}

/// What buildx has of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registered {
    /// No builder of its name.
    #[default]
    No,
    /// One that is not in use.
    Aside,
    /// The one that builds go to.
    InUse,
}

/// Why buildx does not do what it is asked for.
#[derive(Debug, thiserror::Error, Explained)]
pub enum BuildxError {
    /// The plugin is missing.
    #[error("docker has no buildx here; see https://github.com/docker/buildx#installing")]
    #[advice = "install it"]
    Missing,
    /// The docker command is missing.
    #[error("cannot run \"{program}\": {error}")]
    #[advice = "install it"]
    Run {
        /// The docker command.
        program: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// Buildx hangs.
    #[error("'{command}' did not end within {seconds} s", seconds = LIMIT.as_secs())]
    #[advice = "run that command by hand"]
    Late {
        /// As a person would give it.
        command: String,
    },
    /// Buildx' own words.
    #[error("'{command}' failed: {words}")]
    #[advice = "what they say"]
    Failed {
        /// As a person would give it.
        command: String,
        /// The last line of what it said.
        words: String,
    },
}

/// The file that names the builder in use, and for which context or host that counts (`store` of
/// buildx).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Current {
    key: String,
    name: String,
    global: bool,
}

impl Buildx {
    /// What buildx has of this backend, for the engine at `host`.
    #[must_use]
    pub fn registered(&self, name: &ContainerName, host: &str) -> Registered {
        if !self.knows(name) {
            return Registered::No;
        }
        let read = |store: &PathBuf| std::fs::read(store.join("current")).ok();
        let text = self.store.as_ref().and_then(read).unwrap_or_default();
        let current: Current = serde_json::from_slice(&text).unwrap_or_default();
        // A key is the name of a context or, where there is none, the engine's host.
        let counts = current.global || current.key == host || !current.key.contains("://");
        if counts && current.name == name.0 { Registered::InUse } else { Registered::Aside }
    }

    pub(super) async fn select(&self, name: &ContainerName) -> Result<(), BuildxError> {
        if self.knows(name) {
            self.call(&["use", &name.0]).await
        } else {
            self.call(&["create", "--name", &name.0, "--driver", "remote", "--use", &address(name)]).await
        }
    }

    /// Whether there is a builder of this name. Each is a file (`store` of buildx).
    pub(super) fn knows(&self, name: &ContainerName) -> bool {
        self.store.as_ref().is_some_and(|store| store.join("instances").join(&name.0).is_file())
    }

    pub(super) async fn call(&self, words: &[&str]) -> Result<(), BuildxError> {
        let mut command = Command::new(&self.docker);
        command.args(&self.globals).arg("buildx").args(words).stdin(Stdio::null()).kill_on_drop(true);
        let line = format!("docker buildx {}", words.join(" "));
        let Ok(output) = tokio::time::timeout(LIMIT, command.output()).await else {
            return Err(BuildxError::Late { command: line });
        };
        let output = output.map_err(|error| BuildxError::Run { program: self.docker.clone(), error })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // Without the plugin docker stumbles over the word or the first option, and names its own
        // help; the plugin would name that of its command.
        if said.contains("is not a docker command") || said.contains("Run 'docker --help'") {
            return Err(BuildxError::Missing);
        }
        let last =
            said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
        let words = last.trim_start_matches("ERROR: ").to_owned();
        Err(BuildxError::Failed { command: line, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builder_in_use_is_found_in_the_files_of_buildx() {
        let store = std::env::temp_dir().join(format!("buildx-store-{}", std::process::id()));
        std::fs::create_dir_all(store.join("instances")).unwrap();
        let buildx = Buildx {
            docker: String::new(),
            globals: Vec::new(),
            store: Some(store.clone()),
            chosen: None,
            installed: false,
        };
        let name = ContainerName("b".to_owned());
        let registered = || buildx.registered(&name, "unix:///d.sock");
        assert_eq!(registered(), Registered::No);
        std::fs::write(store.join("instances/b"), "{}").unwrap();
        assert_eq!(registered(), Registered::Aside);
        for (current, want) in [
            (r#"{"Key":"unix:///d.sock","Name":"b","Global":false}"#, Registered::InUse),
            (r#"{"Key":"unix:///other.sock","Name":"b","Global":false}"#, Registered::Aside),
            (r#"{"Key":"unix:///other.sock","Name":"b","Global":true}"#, Registered::InUse),
            (r#"{"Key":"mine","Name":"b","Global":false}"#, Registered::InUse),
            (r#"{"Key":"unix:///d.sock","Name":"c","Global":false}"#, Registered::Aside),
            ("", Registered::Aside),
        ] {
            std::fs::write(store.join("current"), current).unwrap();
            assert_eq!(registered(), want, "{current}");
        }
        std::fs::remove_dir_all(store).unwrap();
    }
}
