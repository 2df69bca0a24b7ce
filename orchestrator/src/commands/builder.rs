//! The backend as a builder of buildx: registered and forgotten by docker's own command, since
//! only buildx knows how it keeps its builders.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::process::Command;

use super::Session;
use crate::desired::{ContainerName, UserName};
use crate::engine::Engine;

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
}

/// Where BuildKit's clients find the backend.
#[must_use]
pub fn address(backend: &ContainerName) -> String {
    format!("docker-container://{backend}")
}

/// The line for a shell that lets `buildctl` and other clients of BuildKit use the backend.
#[must_use]
pub fn shell_line(user: &UserName) -> String {
    // Names hold nothing that a shell would take for more than a letter.
    format!("export BUILDKIT_HOST={}", address(&user.backend()))
}

/// Makes the backend the builder in use.
///
/// # Errors
/// A missing backend, those of the engine, and what buildx says.
pub async fn run<E: Engine>(session: Session<'_, E>, buildx: &Buildx) -> Result<()> {
    let backend = session.unless_cancelled(session.running_backend()).await?.name;
    session.unless_cancelled(buildx.select(&backend)).await?;
    session.console.line(format_args!("Builder \"{backend}\" is in use"))?;
    Ok(())
}

/// Forgets the builder, if there is one. That it cannot be is only a warning: the backend goes
/// all the same.
pub async fn forget<E>(session: Session<'_, E>, buildx: &Buildx) {
    let name = session.user.backend();
    if !buildx.knows(&name) {
        return;
    }
    if let Err(error) = buildx.call(&["rm", "--force", &name.0]).await {
        session.console.warning(format_args!(
            "could not forget the builder: {error}; 'docker buildx rm {name}' tries again"
        ));
    }
}

impl Buildx {
    async fn select(&self, name: &ContainerName) -> Result<()> {
        if self.knows(name) {
            self.call(&["use", &name.0]).await
        } else {
            self.call(&["create", "--name", &name.0, "--driver", "remote", "--use", &address(name)]).await
        }
    }

    /// Whether there is a builder of this name. Each is a file (`store` of buildx).
    fn knows(&self, name: &ContainerName) -> bool {
        self.store.as_ref().is_some_and(|store| store.join("instances").join(&name.0).is_file())
    }

    async fn call(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.docker);
        command.args(&self.globals).arg("buildx").args(words).stdin(Stdio::null()).kill_on_drop(true);
        let line = format!("docker buildx {}", words.join(" "));
        let output = tokio::time::timeout(LIMIT, command.output())
            .await
            .map_err(|_| anyhow!("'{line}' did not end within {} s", LIMIT.as_secs()))?
            .map_err(|error| anyhow!("cannot run \"{}\": {error}", self.docker))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // Without the plugin docker stumbles over the word or the first option, and names its own
        // help; the plugin would name that of its command.
        if said.contains("is not a docker command") || said.contains("Run 'docker --help'") {
            bail!("docker has no buildx here; see https://github.com/docker/buildx#installing");
        }
        let last =
            said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
        bail!("'{line}' failed: {}", last.trim_start_matches("ERROR: "))
    }
}
