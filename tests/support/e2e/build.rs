//! Builds, sent to the backend by BuildKit's own client on this host.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::engine::{backend_image, base_image, docker, host};
use super::process::{Outcome, PATIENCE, eventually, run};
use super::temp::TempDir;

/// A directory with a Dockerfile. `busybox.tar` in it holds the files of the base image, since
/// no registry can be asked for one.
pub(crate) struct Context(TempDir);

impl Context {
    pub(crate) fn new(dockerfile: &str) -> Self {
        let dir = TempDir::new();
        std::fs::write(dir.path().join("Dockerfile"), dockerfile).unwrap();
        std::fs::copy(busybox_tar(), dir.path().join("busybox.tar")).unwrap();
        Self(dir)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Builds it in the container `backend`, with what the client is told to do with the result.
    pub(crate) fn build(&self, backend: &str, output: Option<&str>) -> Outcome {
        let dir = self.0.path();
        let mut command = Command::new(buildctl());
        command.env("BUILDKIT_HOST", format!("docker-container://{backend}"));
        command.env("DOCKER_HOST", host()).env("DOCKER_CONFIG", dir);
        command.args(["build", "--progress=plain", "--frontend=dockerfile.v0"]);
        for local in ["context", "dockerfile"] {
            command.arg(format!("--local={local}={}", dir.display()));
        }
        command.args(output.map(|output| format!("--output={output}")));
        // For each connection a program has to begin in the container, within twenty seconds: too few on a
        // machine with much else to do.
        eventually("BuildKit's client gets through", PATIENCE, || {
            let outcome = run(&mut command);
            let gave_up =
                outcome.stderr.contains("error reading server preface: read |0: file already closed");
            (!gave_up).then_some(outcome)
        })
    }
}

/// BuildKit's client, out of the backend's image so that the two fit together.
fn buildctl() -> &'static Path {
    static BUILDCTL: LazyLock<PathBuf> = LazyLock::new(|| {
        kept(&backend_image(), "buildctl", |container, to| {
            docker(&["cp", &format!("{container}:/usr/bin/buildctl"), to]).ok();
        })
    });
    &BUILDCTL
}

/// The files of the base image.
pub(crate) fn busybox_tar() -> &'static Path {
    static TAR: LazyLock<PathBuf> = LazyLock::new(|| {
        kept(&base_image(), "busybox.tar", |container, to| {
            docker(&["export", "--output", to, container]).ok();
        })
    });
    &TAR
}

/// A file taken out of a container of `image`. It stays in cargo's directory for tests, under
/// the image's id: nothing that lives as long as the process is ever dropped.
fn kept(image: &str, name: &str, take: impl FnOnce(&str, &str)) -> PathBuf {
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", image]).ok().stdout;
    let id = id.trim().trim_start_matches("sha256:").get(..12).unwrap_or_default();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{id}-{name}"));
    if !path.exists() {
        // Moved into place when it is whole, since other processes look for it too.
        let part = path.with_extension(std::process::id().to_string());
        let container = docker(&["create", image, "none"]).ok().stdout;
        take(container.trim(), part.to_str().unwrap());
        docker(&["rm", "--volumes", container.trim()]).ok();
        std::fs::rename(part, &path).unwrap();
    }
    path
}
