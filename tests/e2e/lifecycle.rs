//! From start to stop, and what lies between.

use crate::support::{
    Backend, Background, Context, PATIENCE, TempDir, Witness, base_image, docker, eventually, free_port,
    inspect, unique,
};

#[test]
#[ignore = "needs a docker engine"]
fn a_start_names_what_it_started() {
    let (backend, port) = (Backend::new(), free_port());
    let start = backend.start(&[port]);
    let sidecar = inspect(&backend.sidecar(port))["Id"].as_str().unwrap()[..12].to_owned();
    let (name, id) = (backend.name(), &backend.id()[..12]);
    assert_eq!(
        start.stdout,
        format!(
            "Started container \"{name}\" ({id})\nStarted container \"{name}-proxy-port-{port}\" ({sidecar})\n"
        )
    );
}

#[test]
#[ignore = "needs a docker engine"]
fn a_second_start_with_the_same_wishes_changes_nothing() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);
    let before = backend.containers();
    let again = backend.start(&[port]);
    assert_eq!(again.stdout, format!("Backend \"{}\" is already running\n", backend.name()));
    assert_eq!(backend.containers(), before);
}

#[test]
#[ignore = "needs a docker engine"]
fn other_ports_touch_only_the_sidecars() {
    let (backend, [kept, gone, new]) = (Backend::new(), [free_port(), free_port(), free_port()]);
    backend.start(&[kept, gone]);
    let (before, sidecar) = (backend.inspect(), inspect(&backend.sidecar(kept)));

    backend.start(&[kept, new]);
    let after = backend.inspect();
    assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]));
    assert_eq!(inspect(&backend.sidecar(kept))["Id"], sidecar["Id"]);
    let mut ports = vec![kept, new];
    ports.sort_unstable();
    assert_eq!(backend.forwarded(), ports);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_build_goes_on_while_ports_change() {
    let (backend, [old, new]) = (Backend::new(), [free_port(), free_port()]);
    backend.start(&[old]);
    let context = Context::new(
        "FROM scratch\nADD busybox.tar /\nRUN touch /begun; until [ -e /go ]; do sleep 0.1; done; echo ended\n",
    );
    let build = std::thread::scope(|scope| {
        let name = backend.name();
        let build = scope.spawn(move || context.build(&name, None));
        // Where the step's own files are, as the backend sees its processes.
        let in_step = |action: &str| {
            let find = format!(
                "for root in /proc/[0-9]*/root; do [ -e $root/begun ] && {action} && exit; done; exit 1"
            );
            docker(&["exec", &backend.name(), "sh", "-c", &find])
        };
        eventually("the build runs", PATIENCE, || (in_step("true").code == Some(0)).then_some(()));
        for port in [new, 0] {
            backend.run(&["start", "--force", "--allow-host-port", &port.to_string()]).ok();
        }
        assert!(!build.is_finished(), "the build was disturbed");
        in_step("touch $root/go").ok();
        build.join().unwrap().ok()
    });
    assert!(build.stderr.contains("ended"), "{build:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn two_starts_at_once_agree() {
    let (backend, port) = (Backend::new(), free_port().to_string());
    let starts =
        [0; 2].map(|_| Background::start(&mut backend.command(&["start", "--allow-host-port", &port])));
    for start in starts {
        start.outcome().ok();
    }
    assert_eq!(backend.containers().len(), 2);
}

/// As from two machines, or from sessions with directories of their own.
#[test]
#[ignore = "needs a docker engine"]
fn starts_at_once_that_share_no_lock_agree() {
    let (backend, ports) = (Backend::new(), [free_port(), free_port(), free_port()]);
    let list = ports.map(|port| port.to_string()).join(",");
    let directories = [TempDir::new(), TempDir::new(), TempDir::new()];
    let starts = directories.each_ref().map(|directory| {
        let mut command = backend.command(&["start", "--allow-host-port", &list]);
        Background::start(command.env("XDG_RUNTIME_DIR", directory.path()))
    });
    for start in starts {
        start.outcome().ok();
    }
    assert_eq!(backend.containers().len(), 1 + ports.len());
    let again = backend.forward(&list);
    assert_eq!(again.stdout, format!("Backend \"{}\" is already running\n", backend.name()));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_stop_leaves_nothing_but_named_volumes() {
    let (backend, witness) = (Backend::new(), Witness::start());
    let volume = backend.volume(format!("{}-cache", backend.user));
    backend.start(&[free_port(), free_port()]);
    let stop = backend.run(&["stop"]).ok();
    assert_eq!(stop.stdout, "", "{stop:?}");
    backend.run(&["start", "--allow-host-port", &free_port().to_string(), "--cache-volume", &volume]).ok();
    backend.run(&["stop"]).ok();

    let seen = witness.seen(&backend);
    assert!(seen.containers.len() >= 5 && seen.volumes.contains(&volume), "{seen:?}");
    assert!(seen.volumes.len() >= 2, "an anonymous volume was expected: {seen:?}");
    seen.is_gone_but(&[&volume]);
    assert_eq!(backend.containers(), [""; 0]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_stop_without_a_backend_succeeds_and_says_so() {
    let backend = Backend::new();
    let stop = backend.run(&["stop"]).ok();
    let told = format!("There is no backend \"{}\" to stop\n", backend.name());
    assert_eq!((stop.stdout.as_str(), stop.stderr.as_str()), ("", told.as_str()));
}

#[test]
#[ignore = "needs a docker engine"]
fn odd_login_names_are_mapped() {
    let login = format!("DOM\\{}ö hn@x", unique());
    let (backend, port) = (Backend::of(&login), free_port());
    backend.start(&[port]);

    for (name, role) in [(backend.name(), "backend"), (backend.sidecar(port), "sidecar")] {
        let labels = &inspect(&name)["Config"]["Labels"];
        assert_eq!(labels["io.github.docker-assemble.user"], backend.user.as_str(), "{labels}");
        assert_eq!(labels["io.github.docker-assemble.role"], role, "{labels}");
    }
    assert_eq!(
        inspect(&backend.sidecar(port))["Config"]["Labels"]["io.github.docker-assemble.port"],
        port.to_string().as_str()
    );
    backend.run(&["info"]).ok();
    backend.run(&["stop"]).ok();
    assert_eq!(backend.containers(), [""; 0]);
}

#[test]
#[ignore = "needs a docker engine"]
fn two_logins_never_share_a_backend() {
    let id = unique();
    let logins =
        [format!("CORP\\{id}"), format!("LAB\\{id}"), id.clone(), format!("{id}@corp"), format!("{id} corp")];
    let backends = logins.map(|login| {
        let backend = Backend::of(&login);
        backend.start(&[]);
        backend
    });
    assert_eq!(backends[2].name(), format!("docker-assemble-backend-{id}"));
    let ids: std::collections::BTreeSet<String> = backends.iter().map(Backend::id).collect();
    assert_eq!(ids.len(), backends.len());
    // One that goes takes nobody else's along.
    backends[0].run(&["stop"]).ok();
    for other in &backends[1..] {
        assert!(other.runs() && ids.contains(&other.id()), "{}", other.name());
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn somebody_elses_container_under_our_name_is_an_error_and_survives() {
    let (backend, port) = (Backend::new(), free_port());
    for name in [backend.name(), backend.sidecar(port)] {
        let foreign = docker(&["create", "--name", &name, &base_image()]).ok();
        let refusal = backend.run(&["start", "--allow-host-port", &port.to_string()]).fails(1);
        assert!(refusal.only_complaint().contains(&format!("\"{name}\"")), "{refusal:?}");
        backend.run(&["stop"]).ok();
        // It is the only one: nothing of ours was made beside it.
        assert_eq!(backend.containers(), [foreign.stdout.trim()]);
        docker(&["rm", &name]).ok();
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_running_backend_is_not_replaced_by_one_with_another_image() {
    let backend = Backend::new();
    backend.start(&[]);
    let id = backend.id();
    let other = backend.image("other", &["CMD [\"true\"]"]);
    let refusal = backend.run(&["start", "--allow-host-port", "0", "--image", &other]).fails(1);
    assert!(refusal.only_complaint().contains("docker assemble backend stop"), "{refusal:?}");
    assert_eq!(backend.id(), id);
}
