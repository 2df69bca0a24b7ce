//! The cache, which a backend keeps or takes along.

use super::walk::{fill, is_filled, sizes};
use crate::cache::{build, steps};
use crate::support::{Backend, PATIENCE, Volume, docker, eventually};

#[test]
#[ignore = "needs a docker engine"]
fn named_cache() {
    let backend = Backend::new();
    let volume = backend.volume(format!("{}-cache", backend.user));
    let start = ["start", "--allow-host-port", "0", "--cache-volume", &volume];
    backend.run(&start).ok();
    fill(&backend);
    backend.run(&["stop"]).ok();
    backend.run(&start).ok();
    assert_eq!(backend.volumes(), [volume.as_str()]);
    is_filled(&backend);
}

/// The engine's own volume, which lasts as long as the backend.
#[test]
#[ignore = "needs a docker engine"]
fn anonymous_cache() {
    let backend = Backend::new();
    backend.start(&[]);
    let id = backend.id();
    let volumes = backend.volumes();
    fill(&backend);
    docker(&["stop", &backend.name()]).ok();
    backend.start(&[]);
    assert_eq!(backend.id(), id);
    is_filled(&backend);
    backend.run(&["stop"]).ok();
    for volume in volumes {
        assert!(!Volume::exists(&volume), "{volume}");
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn cache_usage() {
    let backend = Backend::new();
    backend.start(&[]);
    fill(&backend);
    let sizes = sizes(&backend);
    assert!(sizes.len() >= 3 && sizes.iter().sum::<u64>() > 3_000_000, "{sizes:?}");
    let table = backend.run(&["cache", "usage"]).ok();
    assert!(table.stdout.starts_with("ID ") && table.stdout.contains("\nTotal:"), "{table:?}");
    let info = backend.run(&["info"]).ok();
    let counted = format!("\nBuild cache contains {} entries, ", sizes.len());
    assert!(info.stdout.contains(&counted), "{info:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn cache_purge() {
    let backend = Backend::new();
    backend.start(&[]);
    fill(&backend);
    // The daemon lets go of what a build used a moment after the client has ended.
    eventually("everything is removed", PATIENCE, || {
        let purge = backend.run(&["cache", "purge", "--force"]).ok();
        assert!(purge.stdout.contains("Total:"), "{purge:?}");
        sizes(&backend).is_empty().then_some(())
    });
    let build = backend.build(&build()).ok();
    assert_eq!(steps(&build), (3, 0), "{build:?}");
}
