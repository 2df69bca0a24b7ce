//! The engine as docker's own client sees it.

use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use super::process::{Outcome, run};

/// The endpoint that the docker command uses here. Tests name it, since the plugin is run with
/// an empty configuration, where a context would not be found.
pub(crate) fn host() -> &'static str {
    static HOST: LazyLock<String> = LazyLock::new(|| {
        std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| {
            let format = "{{.Endpoints.docker.Host}}";
            let found = run(Command::new("docker").args(["context", "inspect", "--format", format])).ok();
            found.stdout.trim().to_owned()
        })
    });
    &HOST
}

/// A small image with a shell, made beforehand: nothing is pulled.
pub(crate) fn base_image() -> String {
    variable("ASSEMBLE_TEST_BASE_IMAGE", "assemble-test/busybox:local")
}

/// The image of BuildKit, made or pulled beforehand.
pub(crate) fn backend_image() -> String {
    variable("ASSEMBLE_TEST_BACKEND_IMAGE", "assemble-backend:local")
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// `docker ARGS`, not run yet.
pub(crate) fn docker_command(args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(args).env("DOCKER_HOST", host()).env_remove("DOCKER_CONTEXT");
    command
}

/// Runs `docker ARGS`.
#[track_caller]
pub(crate) fn docker(args: &[&str]) -> Outcome {
    run(&mut docker_command(args))
}

/// What the engine knows about a container.
#[track_caller]
pub(crate) fn inspect(container: &str) -> Value {
    let found = docker(&["container", "inspect", container]).ok();
    let mut found: Value = serde_json::from_str(&found.stdout).unwrap();
    found[0].take()
}

/// A named volume, removed when dropped.
pub(crate) struct Volume(pub(crate) String);

impl Volume {
    pub(crate) fn create(name: &str) -> Self {
        docker(&["volume", "create", name]).ok();
        Self(name.to_owned())
    }

    pub(crate) fn exists(name: &str) -> bool {
        docker(&["volume", "inspect", name]).code == Some(0)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = docker(&["volume", "rm", "--force", &self.0]);
    }
}

/// A name of an image, untagged when dropped. An image without names goes with its last one.
pub(crate) struct Image(pub(crate) String);

impl Image {
    /// Makes an image from the files of the base image and `changes` in the words of a
    /// Dockerfile.
    pub(crate) fn import(name: &str, changes: &[&str]) -> Self {
        let tar = super::busybox_tar();
        let image = Self(name.to_owned());
        let mut args = vec!["import"];
        for change in changes {
            args.extend(["--change", change]);
        }
        args.extend([tar.to_str().unwrap(), name]);
        docker(&args).ok();
        image
    }

    /// Makes an image from another one and `changes`.
    pub(crate) fn commit(name: &str, of: &str, changes: &[&str]) -> Self {
        let image = Self(name.to_owned());
        let container = docker(&["create", of]).ok().stdout;
        let changes = changes.iter().flat_map(|change| ["--change", change]);
        let args: Vec<_> = ["commit"].into_iter().chain(changes).chain([container.trim(), name]).collect();
        let committed = docker(&args);
        docker(&["rm", "--volumes", container.trim()]).ok();
        committed.ok();
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker(&["image", "rm", "--force", &self.0]);
    }
}

/// Sends a signal to the first process of a container, of which the engine knows nothing: `KILL` ends it,
/// `STOP` keeps it from noticing anything.
#[track_caller]
pub(crate) fn signal(container: &str, name: &str) {
    let pid = inspect(container)["State"]["Pid"].as_u64().filter(|pid| *pid > 1).expect("it runs");
    run(Command::new("kill").args(["-s", name, &pid.to_string()])).ok();
}
