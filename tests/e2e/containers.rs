//! The containers as the engine has them: what they may do, and how they live on.

use serde_json::json;

use crate::support::{Backend, Registry, docker, free_port, inspect};

#[test]
#[ignore = "needs a docker engine"]
fn a_sidecar_may_do_nothing_but_forward() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);
    let sidecar = inspect(&backend.sidecar(port));
    let (host, config) = (&sidecar["HostConfig"], &sidecar["Config"]);

    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert!(host["CapAdd"].as_array().is_none_or(Vec::is_empty), "{}", host["CapAdd"]);
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(config["User"], "65532:65532");
    let options = host["SecurityOpt"].as_array().unwrap();
    assert!(
        options.iter().any(|option| option.as_str().unwrap().starts_with("no-new-privileges")),
        "{options:?}"
    );
    assert!(options.iter().all(|option| !option.as_str().unwrap().contains("unconfined")), "{options:?}");
    // It would count the buffers of its connections, and the kernel would kill it for those.
    assert_eq!(host["Memory"], 0);
    let pids = host["PidsLimit"].as_i64().unwrap();
    assert!((4..=256).contains(&pids), "{pids}");
    assert_eq!(sidecar["Mounts"], json!([]));

    let network = format!("container:{}", backend.id());
    assert_eq!(host["NetworkMode"], network.as_str());
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
}

#[test]
#[ignore = "needs a docker engine"]
fn the_backends_network_is_set_up_for_many_connections() {
    let (backend, ports) = (Backend::new(), [free_port(), free_port()]);
    backend.start(&ports);
    let sysctls = &backend.inspect()["HostConfig"]["Sysctls"];
    assert_eq!(sysctls["net.ipv4.tcp_tw_reuse"], "1", "{sysctls}");
    let reserved = backend.inside("cat /proc/sys/net/ipv4/ip_local_reserved_ports").ok().stdout;
    // The kernel joins neighbours to a range.
    let [low, high] = [ports[0].min(ports[1]), ports[0].max(ports[1])];
    let join = if high == low + 1 { '-' } else { ',' };
    assert_eq!(reserved.trim(), format!("{low}{join}{high}"));
    let range = backend.inside("cat /proc/sys/net/ipv4/ip_local_port_range").ok().stdout;
    let ends: Vec<u32> = range.split_whitespace().map(|end| end.parse().unwrap()).collect();
    assert!(ends[1] - ends[0] > 50_000, "{range}");
    // Its network is its own, and not the host's.
    assert_ne!(backend.inspect()["HostConfig"]["NetworkMode"], "host");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_repairs_what_a_stopped_backend_took_along() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    let id = backend.id();
    docker(&["stop", "--time", "5", &backend.name()]).ok();
    let info = backend.run(&["info"]).ok();
    assert!(info.stdout.starts_with(&format!("ID: {id} (exited)\n")), "{info:?}");
    for args in [&["cache", "usage"][..], &["cache", "purge"]] {
        let refusal = backend.run(args).fails(1);
        assert!(refusal.only_complaint().contains("docker assemble backend start"), "{refusal:?}");
    }
    backend.run(&["logs"]).ok();

    backend.start(&[registry.port]);
    // Its cache is in this container alone.
    assert_eq!(backend.id(), id);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_replaces_a_sidecar_that_was_removed_or_killed() {
    let (backend, registry, other) = (Backend::new(), Registry::start(), free_port());
    backend.start(&[registry.port, other]);
    let id = backend.id();
    docker(&["rm", "--force", &backend.sidecar(registry.port)]).ok();
    docker(&["stop", "--time", "1", &backend.sidecar(other)]).ok();
    let info = backend.run(&["info"]).ok();
    let gone = format!(" - <missing> {} (missing)\n", backend.sidecar(registry.port));
    assert!(info.stdout.contains(&gone), "{info:?}");
    assert!(info.stdout.contains(&format!("{} (exited)\n", backend.sidecar(other))), "{info:?}");

    backend.start(&[registry.port, other]);
    assert_eq!(backend.id(), id);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
    assert_eq!(inspect(&backend.sidecar(other))["State"]["Status"], "running");
}
