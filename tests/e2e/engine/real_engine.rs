//! The engine of this machine, for tests that are run on purpose.

use docker_assemble::engine::{CredentialSource, DockerEngine, Endpoint};

/// A small image with a shell, made beforehand: nothing is pulled.
pub(crate) const BUSYBOX: &str = "assemble-test/busybox:local";

/// The engine at `DOCKER_HOST`, else at the usual socket.
pub(crate) fn engine() -> DockerEngine {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    DockerEngine::new(&Endpoint::new(host), CredentialSource::default()).unwrap()
}
