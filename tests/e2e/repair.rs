//! What nothing repairs by itself: `info` names it, and a start makes it good.

use std::process::Command;

use serde_json::Value;

use crate::support::{Backend, Image, PATIENCE, Registry, docker, eventually, free_port, inspect, run};

#[track_caller]
fn info(backend: &Backend) -> Value {
    let info = backend.run(&["info", "--format", "json"]).ok();
    serde_json::from_str(&info.stdout).unwrap()
}

/// The sidecar of a port, as `info` describes it.
#[track_caller]
fn sidecar(backend: &Backend, port: u16) -> Value {
    let mut info = info(backend);
    let sidecars = info["Sidecars"].as_array_mut().unwrap();
    let at = sidecars.iter().position(|sidecar| sidecar["Port"] == port);
    sidecars.remove(at.unwrap_or_else(|| panic!("{port} is not in {sidecars:#?}")))
}

/// Keeps a container's program from noticing anything.
#[track_caller]
fn freeze(container: &str) {
    let pid = inspect(container)["State"]["Pid"].as_u64().filter(|pid| *pid > 1).expect("it runs");
    run(Command::new("kill").args(["-s", "STOP", &pid.to_string()])).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn stale_and_missing_sidecars_are_named_and_repaired() {
    let (backend, registry, [gone, far]) = (Backend::new(), Registry::start(), [free_port(), free_port()]);
    let list = format!("{},{gone},{far}@loopback", registry.port);
    backend.forward(&list);
    let id = backend.id();
    // It stays in the network that its backend is about to leave.
    freeze(&backend.sidecar(registry.port));
    docker(&["restart", "--time", "5", &backend.name()]).ok();
    docker(&["rm", "--force", &backend.sidecar(gone), &backend.dialer()]).ok();

    let told = eventually("BuildKit answers", PATIENCE, || {
        Some(backend.run(&["info"])).filter(|info| info.code == Some(0))
    });
    for line in [
        format!(
            " {} (stale)\n   What helps: 'docker assemble backend start ",
            backend.sidecar(registry.port)
        ),
        format!(" - <missing> {} (missing)\n", backend.sidecar(gone)),
        format!(" - <missing> {} (missing), connects to the host's loopback\n", backend.dialer()),
    ] {
        assert!(told.stdout.contains(&line), "{line} is not in {told:?}");
    }
    let (stale, missing) = (sidecar(&backend, registry.port), sidecar(&backend, gone));
    assert_eq!((&stale["State"], &stale["Stale"]), (&"running".into(), &true.into()), "{stale:#}");
    assert_eq!((&missing["State"], &missing["ID"]), (&"missing".into(), &"".into()), "{missing:#}");
    assert_eq!(info(&backend)["Dialer"]["State"], "missing");

    // By the very command that it names.
    let help = told.stdout.split_once("What helps: 'docker assemble backend ").unwrap().1;
    let words: Vec<_> = help.split_once('\'').unwrap().0.split(' ').collect();
    backend.run(&words).ok();
    assert_eq!(backend.id(), id);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
    for port in [registry.port, gone, far] {
        let sidecar = sidecar(&backend, port);
        assert_eq!((&sidecar["State"], &sidecar["Stale"]), (&"running".into(), &false.into()));
    }
    assert_eq!(info(&backend)["Dialer"]["State"], "running");
    // What is not wanted any more is not missed.
    backend.start(&[registry.port]);
    assert!(!backend.run(&["info"]).ok().stdout.contains("missing"));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_sidecar_that_fails_its_health_check_is_named_and_replaced() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);
    // The built-in image with a check that asks about another port, and soon.
    let image = format!("asmt/{}:ill", backend.user);
    backend.keep(Image(image.clone()));
    let check =
        "HEALTHCHECK --interval=1s --retries=1 CMD [\"/assemble-proxy\", \"health\", \"--port\", \"1\"]";
    docker(&["commit", "--change", check, &backend.sidecar(port), &image]).ok();
    let start = ["start", "--allow-host-port", &port.to_string(), "--proxy-image", &image];
    backend.run(&start).ok();

    let line = format!(" {} (running, unhealthy)\n", backend.sidecar(port));
    eventually("the check fails", PATIENCE, || {
        backend.run(&["info"]).ok().stdout.contains(&line).then_some(())
    });
    let ill = sidecar(&backend, port);
    assert_eq!(ill["Unhealthy"], true, "{ill:#}");
    let again = backend.run(&start).ok();
    assert!(again.stderr.contains("which fails its health check"), "{again:?}");
    assert_ne!(sidecar(&backend, port)["ID"], ill["ID"]);
}

#[test]
#[ignore = "needs a docker engine"]
fn sidecars_without_their_backend_are_made_whole_or_removed() {
    let (backend, registry) = (Backend::new(), Registry::start());
    for repair in [true, false] {
        backend.start(&[registry.port]);
        docker(&["rm", "--force", "--volumes", &backend.name()]).ok();
        let info = backend.run(&["info"]).fails(1);
        assert!(info.only_complaint().contains("'docker assemble backend start"), "{info:?}");
        if repair {
            backend.start(&[registry.port]);
            assert_eq!(backend.get(registry.port).ok().stdout, "{}");
        } else {
            backend.run(&["stop"]).ok();
            assert_eq!(backend.containers(), [""; 0]);
        }
    }
}
