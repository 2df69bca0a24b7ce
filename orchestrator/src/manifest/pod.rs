//! The pod: the daemon and, beside it for as long as it lives, one sidecar for each forward.

use std::collections::BTreeMap;

use assemble_contract::argv::{self, Probed};
use assemble_contract::image;

use super::objects::{
    Capabilities, Container, Exec, Field, Metadata, PodSecurity, PodSpec, Probe, Profile, Resources,
    Security, Source, Sysctl, Template, Variable, VolumeMount,
};
use super::{CACHE, DAEMON, Variant, Wish, labels};
use crate::forward::Forward;
use crate::spec::{STATE_DIRECTORY, usual_entitlement};

/// The user of the rootless image, who owns its state. The same number for the group.
const ROOTLESS_USER: u32 = 1000;

/// Where the rootless image keeps its state.
const ROOTLESS_STATE_DIRECTORY: &str = "/home/user/.local/share/buildkit";

/// The variable that is given the node's address.
const NODE_VARIABLE: &str = "HOST_IP";

/// The first port that needs no privilege to be listened on, unless the kernel is told otherwise.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// The pods of the set.
pub(super) fn template(wish: &Wish) -> Template {
    let rootless = wish.variant == Variant::Rootless;
    let mut labels = labels(wish);
    // By this one buildx's kubernetes driver finds the pods of a set.
    labels.insert("app", wish.name.clone());
    Template {
        metadata: Metadata { labels, ..Metadata::default() },
        spec: PodSpec {
            // Builds run other people's code, which has no business with the cluster.
            automount_service_account_token: false,
            enable_service_links: false,
            // Builds under way may end; the default is 30.
            termination_grace_period_seconds: 60,
            security_context: PodSecurity {
                fs_group: rootless.then_some(ROOTLESS_USER),
                // The owners of files deep in the cache are none of the kubelet's concern.
                fs_group_change_policy: rootless.then_some("OnRootMismatch"),
                sysctls: sysctls(wish),
            },
            init_containers: wish.forwards.iter().map(|forward| sidecar(wish, forward)).collect(),
            containers: vec![daemon(wish)],
        },
    }
}

/// As for the containers of an engine (`spec::buildkit`), as far as Kubernetes calls them safe.
fn sysctls(wish: &Wish) -> Vec<Sysctl> {
    let mut sysctls = vec![Sysctl { name: "net.ipv4.ip_local_port_range", value: "10000 65000".to_owned() }];
    if let Some(lowest) = wish.forwards.first().map(|forward| forward.ports.first()) {
        let ports: Vec<String> = wish.forwards.iter().map(|forward| forward.ports.to_string()).collect();
        sysctls.push(Sysctl { name: "net.ipv4.ip_local_reserved_ports", value: ports.join(",") });
        if lowest.get() < FIRST_UNPRIVILEGED {
            // Engines set it to 0 for every container, container runtimes of clusters may not.
            sysctls.push(Sysctl { name: "net.ipv4.ip_unprivileged_port_start", value: lowest.to_string() });
        }
    }
    sysctls
}

/// A native sidecar: an init container that goes on, so that the port is there before the daemon
/// starts and until it has ended.
fn sidecar(wish: &Wish, forward: &Forward) -> Container {
    let (ports, mapping) = (forward.ports, forward.mapping());
    let (to, env) = match forward.is_plain() {
        false => (mapping.to().to_string(), Vec::new()),
        // A bare address of either family, so the ports are those of the listeners.
        true => (format!("$({NODE_VARIABLE})"), vec![node_address()]),
    };
    let probe = |period_seconds, failure_threshold| Probe {
        exec: Exec { command: argv::health(Probed::Relay(ports)) },
        period_seconds,
        timeout_seconds: image::health::TIMEOUT.as_secs(),
        failure_threshold,
    };
    Container {
        name: format!("proxy-port-{ports}"),
        image: wish.proxy_image.0.clone(),
        restart_policy: Some("Always"),
        args: argv::relay_to(mapping.spec(), &to),
        env,
        resources: Some(Resources {
            // No limit on memory (`spec::ContainerSpec::pids`).
            requests: BTreeMap::from([("cpu", "10m".to_owned()), ("memory", "16Mi".to_owned())]),
        }),
        security_context: Security {
            run_as_non_root: Some(true),
            run_as_user: Some(image::USER_ID),
            run_as_group: Some(image::USER_ID),
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: vec!["ALL"] }),
            seccomp_profile: Some(Profile { kind: "RuntimeDefault" }),
            ..Security::default()
        },
        startup_probe: probe(1, 30),
        readiness_probe: probe(10, 3),
        liveness_probe: probe(30, 3),
        volume_mounts: Vec::new(),
    }
}

fn node_address() -> Variable {
    Variable { name: NODE_VARIABLE, value_from: Source { field_ref: Field { field_path: "status.hostIP" } } }
}

fn daemon(wish: &Wish) -> Container {
    let rootless = wish.variant == Variant::Rootless;
    // RUN steps then see the ports that are forwarded (`spec::buildkit`).
    let mut args = vec!["--oci-worker-net=host".to_owned(), usual_entitlement()];
    if rootless {
        // A process namespace for each step would need system paths unmasked, which takes a
        // cluster's administrator.
        args.push("--oci-worker-no-process-sandbox".to_owned());
    }
    // A busy daemon may be slow to answer, and ending it ends builds.
    let probe = |period_seconds, failure_threshold| Probe {
        exec: exec(&["buildctl", "debug", "workers"]),
        period_seconds,
        timeout_seconds: 20,
        failure_threshold,
    };
    let unconfined = || Some(Profile { kind: "Unconfined" });
    Container {
        name: DAEMON.to_owned(),
        image: wish.image.as_ref().map_or_else(|| wish.variant.image(), |image| &image.0).to_owned(),
        restart_policy: None,
        args,
        env: Vec::new(),
        resources: None,
        security_context: if rootless {
            Security {
                run_as_user: Some(ROOTLESS_USER),
                run_as_group: Some(ROOTLESS_USER),
                // It mounts, and makes namespaces, inside a user namespace of its own.
                seccomp_profile: unconfined(),
                app_armor_profile: unconfined(),
                ..Security::default()
            }
        } else {
            Security { privileged: Some(true), ..Security::default() }
        },
        // Up to four minutes: a large cache takes its time to be opened.
        startup_probe: probe(2, 120),
        readiness_probe: probe(15, 3),
        liveness_probe: probe(30, 5),
        volume_mounts: vec![VolumeMount {
            name: CACHE,
            mount_path: if rootless { ROOTLESS_STATE_DIRECTORY } else { STATE_DIRECTORY },
        }],
    }
}

fn exec(words: &[&str]) -> Exec {
    Exec { command: words.iter().map(|word| (*word).to_owned()).collect() }
}
