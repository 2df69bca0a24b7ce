//! Docker's own command as the way to buildx, and what of buildx's files says which builders it has.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use docker_plugin::bounded;
use docker_plugin::endpoint::{Endpoint, Named};
use explained::Explained;
use serde::Deserialize;
use tokio::process::Command;

use super::Load;
use crate::desired::ContainerName;

/// The driver of buildx for a BuildKit that runs already, and its option for images that go into the
/// engine.
const REMOTE: &str = "remote";
const LOAD: &str = "default-load=true";
const LOAD_NOTHING: &str = "default-load=false";

/// How long buildx may take; what it is asked for here is a matter of files.
const LIMIT: Duration = Duration::from_secs(30);

/// Where its own documentation tells how it is installed.
pub const INSTALLING: &str = "https://github.com/docker/buildx#installing";

/// The way to buildx.
#[derive(Clone, Debug, Default)]
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
    /// How the engine was named, which its clients find the backend by.
    pub named: Named,
    /// The engine's host, and what its certificates are.
    pub endpoint: Endpoint,
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
    #[error("docker has no buildx here; see {url}", url = INSTALLING)]
    #[advice = "install it"]
    Missing,
    /// Buildx and BuildKit's other clients name an engine by a context, or not at all.
    #[error(
        "only '--host' leads to the engine at \"{host}\", which its clients cannot be told; after \
         'docker context create {context} --docker \"{endpoint}\"' it is 'docker --context {context} assemble \
         backend {verb}'"
    )]
    #[advice = "make that context, and name it in place of the host"]
    Nameless {
        /// The engine's host.
        host: String,
        /// What a context of it may be called.
        context: String,
        /// The same with its certificates, as `docker context create` takes it.
        endpoint: String,
        /// The verb that wants it.
        verb: &'static str,
    },
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

/// What buildx keeps of a builder, as far as it matters here (`store.NodeGroup` of buildx).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Instance {
    driver: String,
    nodes: Vec<Node>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Node {
    name: String,
    endpoint: String,
    /// Buildx writes none as `null`.
    driver_opts: Option<BTreeMap<String, String>>,
}

impl Instance {
    fn leads_to(&self, address: &str) -> bool {
        self.nodes.iter().any(|node| node.endpoint == address)
    }

    fn loads(&self) -> bool {
        let is_set = |(key, value): (&String, &String)| format!("{key}={value}") == LOAD;
        self.nodes.iter().flat_map(|node| &node.driver_opts).flatten().any(is_set)
    }
}

impl Buildx {
    /// Where BuildKit's clients find the backend, for `verb`.
    ///
    /// # Errors
    /// An engine that only `--host` names.
    pub fn address(&self, backend: &ContainerName, verb: &'static str) -> Result<String, BuildxError> {
        match &self.named {
            Named::Environment => Ok(format!("docker-container://{backend}")),
            // The only one of the letters of a context's name that means something else there.
            Named::Context(name) => {
                Ok(format!("docker-container://{backend}?context={}", name.replace('+', "%2B")))
            }
            Named::Host => {
                let Endpoint { host, tls, .. } = &self.endpoint;
                let mut endpoint = format!("host={host}");
                for (key, file) in
                    tls.iter().flat_map(|tls| [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)])
                {
                    endpoint.extend(file.iter().map(|file| format!(",{key}={}", file.display())));
                }
                if tls.as_ref().is_some_and(|tls| tls.skip_verify) {
                    endpoint.push_str(",skip-tls-verify=true");
                }
                let words: Vec<_> = host
                    .split(|c: char| !c.is_ascii_alphanumeric())
                    .filter(|word| !word.is_empty())
                    .collect();
                Err(BuildxError::Nameless { host: host.clone(), context: words.join("-"), endpoint, verb })
            }
        }
    }

    /// What buildx has of this backend, for the engine at `host`.
    #[must_use]
    pub fn registered(&self, name: &ContainerName, host: &str) -> Registered {
        if !self.has(name) {
            return Registered::No;
        }
        let read = |store: &PathBuf| bounded::read(store.join("current")).ok();
        let text = self.store.as_ref().and_then(read).unwrap_or_default();
        let current: Current = serde_json::from_slice(&text).unwrap_or_default();
        // A key is the name of a context or, where there is none, the engine's host.
        let counts = current.global || current.key == host || !current.key.contains("://");
        if counts && current.name == name.0 { Registered::InUse } else { Registered::Aside }
    }

    /// Makes it the builder in use. One of that name that leads elsewhere, or loads otherwise than it
    /// should, is changed: buildx does that in one step, or leaves it as it is.
    pub(super) async fn select(
        &self,
        name: &ContainerName,
        address: &str,
        Load { default_load }: Load,
    ) -> Result<(), BuildxError> {
        let before = self.instance(name);
        let loads = default_load.unwrap_or_else(|| before.as_ref().is_some_and(Instance::loads));
        let mut words = vec!["create", "--name", &name.0];
        if let Some(before) = &before {
            let is_right = before.leads_to(address) && before.loads() == loads;
            match before.nodes.first() {
                // One of another kind is somebody's own.
                Some(node) if before.driver == REMOTE && !is_right => words.extend(["--node", &node.name]),
                _ => return self.call(&["use", &name.0]).await,
            }
        }
        words.extend(["--driver", REMOTE]);
        if loads {
            words.extend(["--driver-opt", LOAD]);
        } else if before.as_ref().is_some_and(Instance::loads) {
            // Options that are not named stay as they are.
            words.extend(["--driver-opt", LOAD_NOTHING]);
        }
        words.extend(["--use", address]);
        self.call(&words).await
    }

    /// Whether it has a builder of this name that leads to this engine.
    pub(super) fn has(&self, name: &ContainerName) -> bool {
        let Some(instance) = self.instance(name) else { return false };
        let elsewhere = |node: &Node| match node.endpoint.split_once("?context=") {
            Some((_, context)) => self.named != Named::Context(context.replace("%2B", "+")),
            None => matches!(self.named, Named::Context(_)),
        };
        !instance.nodes.iter().any(elsewhere)
    }

    /// What there is of this name. Each builder is a file (`store` of buildx).
    fn instance(&self, name: &ContainerName) -> Option<Instance> {
        let text = bounded::read(self.store.as_ref()?.join("instances").join(&name.0)).ok()?;
        Some(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Whether docker has none.
    pub async fn is_missing(&self) -> bool {
        matches!(self.call(&["version"]).await, Err(BuildxError::Missing))
    }

    pub(super) async fn call(&self, words: &[&str]) -> Result<(), BuildxError> {
        let mut command = Command::new(&self.docker);
        command.args(&self.globals).arg("buildx").args(words).stdin(Stdio::null());
        let line = format!("docker buildx {}", words.join(" "));
        let Ok(output) = tokio::time::timeout(LIMIT, bounded::output(&mut command)).await else {
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
        let buildx = Buildx { store: Some(store.clone()), ..Buildx::default() };
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
