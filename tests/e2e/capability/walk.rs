//! Steps that the walks share.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::engine::Gateway;
use crate::cache::{build, steps};
use crate::forward::reader_of;
use crate::in_use;
use crate::support::{Backend, Outcome, Registry, Volume, docker};

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

/// Demands that one of these lines says this of what the engine cannot do, and notes it for the table.
#[track_caller]
pub(super) fn is_told(lines: &str, words: &str) {
    let line = lines.lines().find(|line| line.contains(words));
    println!("not here: {}", line.unwrap_or_else(|| panic!("{words} is not in {lines}")));
}

/// Demands that the doctor finds nothing wrong but what the engine cannot do.
#[track_caller]
pub(super) fn is_well(backend: &Backend) -> Outcome {
    let doctor = backend.run(&["doctor", "--timeout", "5m"]);
    if Gateway::of_the_engine() == Gateway::Missing {
        is_told(&doctor.stdout, "the backend is in no network");
        let doctor = doctor.fails(1);
        assert!(doctor.stderr.starts_with("1 of "), "{doctor:?}");
        return doctor;
    }
    doctor.ok()
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

/// What upstream's images of BuildKit have: a script that begins the daemon, and the word to it that it may
/// move to a group below its container's and give the controllers of that one to others.
pub(super) const DIVIDES: [&str; 2] =
    ["ENV BUILDKIT_SETUP_CGROUPV2_ROOT=1", r#"ENTRYPOINT ["sh", "-c", "exec buildkitd \"$@\"", "sh"]"#];

/// Builds in a backend of this image that has few privileges. Whether this host has one tree of control
/// groups (cgroup v2): there it demands that a build is in that of the backend's container or below it, the
/// daemon's own division of it too, nothing is beside it, and it is gone with the container.
#[track_caller]
pub(super) fn builds_restricted(backend: &Backend, registry: &Registry, image: &str, below: &[&str]) -> bool {
    let gateway = Gateway::of_the_engine();
    let service = in_use::Service::start();
    let way = gateway.way_to(&format!("{},{}", registry.port, service.port));
    backend.run(&["start", "--allow-host-port", &way, "--security", "restricted", "--image", image]).ok();
    assert_eq!(backend.inspect()["HostConfig"]["Privileged"], false);
    let group = own_group(backend);
    backend.push(&reader_of(registry.port), &registry.image("pushed")).ok();
    is_well(backend);
    if let Some(group) = &group {
        let (asking, build) = service.asked_by_a_build(backend);
        let step = group_of(&process_with(&format!("http://localhost:{}/", service.port)));
        assert!(step.starts_with(group), "{} is not below {}", step.display(), group.display());
        in_use::answer(asking);
        build.join().unwrap().ok();
        // crun beneath systemd gives the container one below that.
        let below_it = group.join("container");
        let group = if below_it.is_dir() { &below_it } else { group };
        for name in below {
            // In a user's namespace BuildKit leaves it to the runtime where builds are.
            let is_there = gateway == Gateway::Namespace || group.join(name).is_dir();
            assert!(is_there, "{name} in {}", group.display());
            assert!(!Path::new("/sys/fs/cgroup").join(name).exists(), "{name}");
        }
    }
    backend.run(&["stop"]).ok();
    assert_eq!(backend.containers(), [""; 0]);
    assert!(!group.as_ref().is_some_and(|group| group.exists()));
    group.is_some()
}

/// The control group of the backend's container, which the engine names after it, where this host has one
/// tree of them (cgroup v2).
#[track_caller]
pub(super) fn own_group(backend: &Backend) -> Option<PathBuf> {
    if docker(&["info", "--format", "{{.CgroupVersion}}"]).ok().stdout.trim() != "2" {
        return None;
    }
    let (pid, id) = (backend.inspect()["State"]["Pid"].to_string(), backend.id());
    let group = group_of(&Path::new("/proc").join(pid));
    // The daemon may have moved to a group below, to divide that one.
    let own = group
        .ancestors()
        .find(|path| path.file_name().is_some_and(|name| name.to_str().unwrap().contains(&id)));
    Some(own.unwrap_or_else(|| panic!("{} is not the container's", group.display())).to_owned())
}

/// The directory of the process that has this argument.
#[track_caller]
fn process_with(argument: &str) -> PathBuf {
    let has = |pid: &PathBuf| {
        let arguments = std::fs::read(pid.join("cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = processes.filter(has).collect();
    assert_eq!(found.len(), 1, "not one process has {argument}: {found:?}");
    found.remove(0)
}

/// The control group of the process with this directory, in the one tree of them.
#[track_caller]
fn group_of(process: &Path) -> PathBuf {
    let groups = std::fs::read_to_string(process.join("cgroup")).unwrap();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    Path::new("/sys/fs/cgroup").join(group)
}

/// Demands that the backend is gone with all that it made.
#[track_caller]
pub(super) fn is_gone(backend: &Backend) {
    assert_eq!(backend.containers(), [""; 0]);
    assert!(!Volume::exists(&backend.dialer()));
}
