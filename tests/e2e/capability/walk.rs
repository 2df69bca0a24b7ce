//! Steps that the walks share.

use serde_json::Value;

use super::engine::Gateway;
use crate::cache::{build, steps};
use crate::support::{Backend, Outcome, Volume};

/// Has builds reach these ports of the host: through the engine's gateway, or by the way around where
/// that is not this host.
#[track_caller]
pub(super) fn reach(backend: &Backend, ports: &str) -> Outcome {
    backend.forward(&Gateway::of_the_engine().way_to(ports))
}

/// What a command prints with `--format json`.
#[track_caller]
pub(super) fn json(backend: &Backend, command: &str) -> Value {
    let said = backend.run(&[command, "--format", "json"]);
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))
}

/// Fills the cache with some three megabytes.
#[track_caller]
pub(super) fn fill(backend: &Backend) {
    let build = backend.build(&build()).ok();
    assert_eq!(steps(&build), (3, 0), "{build:?}");
}

/// Demands that all of it is there.
#[track_caller]
pub(super) fn is_filled(backend: &Backend) {
    let build = backend.build(&build()).ok();
    assert_eq!(steps(&build), (3, 3), "{build:?}");
}

/// The bytes of each record in the cache.
#[track_caller]
pub(super) fn sizes(backend: &Backend) -> Vec<u64> {
    let usage = backend.run(&["cache", "usage", "--format", "json"]).ok();
    let records = usage.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.map(|record| record["Size"].as_u64().unwrap()).collect()
}

/// Demands that the backend is gone with all that it made.
#[track_caller]
pub(super) fn is_gone(backend: &Backend) {
    assert_eq!(backend.containers(), [""; 0]);
    assert!(!Volume::exists(&backend.dialer()));
}
