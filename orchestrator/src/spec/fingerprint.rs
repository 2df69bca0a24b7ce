//! The fingerprint of a container's spec.

use super::canonical::{Canonical, netstring};
use super::{ContainerSpec, Mount, Network, Privileges, RESERVED_PORTS, Restart, VolumeSpec, buildkit};
use crate::observed::Cgroups;

/// The fingerprint of all that makes a difference. The name does not: equal settings have equal
/// fingerprints. Nor do the files and the note: a configuration has a label with a fingerprint of
/// its own, and the note changes while the container runs.
pub(super) fn of(spec: &ContainerSpec) -> String {
    // Each field is named, so that a new one cannot be forgotten here.
    let ContainerSpec {
        name: _,
        image,
        args,
        env,
        labels,
        user,
        sysctls,
        network,
        mounts,
        settings: _,
        privileges,
        read_only,
        pids,
        descriptors,
        restart,
        files: _,
        note: _,
    } = spec;
    let mut settings = Canonical::default();
    settings.add("image", [&image.0]);
    // Another build of the same version is no other backend.
    settings.add("args", args.iter().filter(|argument| !argument.starts_with(buildkit::COMMIT_ARGUMENT)));
    settings.add("env", env);
    for (name, value) in labels {
        settings.add(&format!("label {}", netstring(name)), [value]);
    }
    settings.add("user", user);
    for (name, value) in sysctls.iter().filter(|(name, _)| *name != RESERVED_PORTS) {
        settings.add(&format!("sysctl {name}"), [value]);
    }
    match network {
        Network::Own => {}
        Network::Container(name) => settings.add("network of", [&name.0]),
        Network::Host => settings.add("network", ["host"]),
    }
    for mount in mounts {
        match mount {
            Mount::Volume { name, target } => settings.add("volume", [&name.0, target]),
            Mount::Own { volume: VolumeSpec { name, labels: _ }, target, read_only } => {
                settings.add("volume of ours", [&name.0, target]);
                settings.add("that is read-only", read_only.then_some("yes"));
            }
            Mount::Bind { source, target, read_only } => {
                settings.add("bind", [source, target]);
                settings.add("that is read-only", read_only.then_some("yes"));
            }
        }
    }
    match privileges {
        Privileges::Privileged => settings.add("privileges", ["all"]),
        Privileges::Builder { add, cgroups } => {
            settings.add("privileges of a builder and", add);
            settings.add("control groups", (*cgroups == Cgroups::V2).then_some("its own"));
            // Without it, as versions up to 0.2.0 made one, it cannot mount where SELinux is in force.
            settings.add("SELinux label", ["none"]);
        }
        Privileges::Nothing => settings.add("privileges", ["none"]),
    }
    settings.add("read-only", read_only.then_some("yes"));
    settings.add("pids", pids.map(|most| most.to_string()));
    settings.add("descriptors", descriptors.map(|most| most.to_string()));
    match restart {
        Restart::No => {}
        Restart::OnFailure => settings.add("restart", ["on-failure"]),
        Restart::UnlessStopped => settings.add("restart", ["unless-stopped"]),
    }
    settings.fingerprint()
}
