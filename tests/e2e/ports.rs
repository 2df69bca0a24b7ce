//! One forward more or less, while all others stay as they are.

use crate::support::{Backend, Background, Registry, docker, free_port, inspect};

#[test]
#[ignore = "needs a docker engine"]
fn ports_are_added_and_removed_and_all_others_stay() {
    let (backend, registry, [kept, other]) = (Backend::new(), Registry::start(), [free_port(), free_port()]);
    backend.start(&[kept]);
    let ids = || [backend.id(), inspect(&backend.sidecar(kept))["Id"].to_string()];
    let before = ids();
    let (port, mapped) = (registry.port.to_string(), format!("{other}:{}", registry.port));
    backend.run(&["port", "add", &port, &mapped]).ok();
    assert_eq!(ids(), before);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
    assert_eq!(backend.get(other).ok().stdout, "{}");

    let mut ports = [kept, registry.port, other];
    ports.sort_unstable();
    let listed = backend.run(&["port", "ls", "--quiet"]).ok().stdout;
    assert_eq!(listed, ports.map(|port| format!("{port}\n")).concat());
    let states = backend.run(&["port", "ls", "--format", "{{.State}}"]).ok().stdout;
    assert_eq!(states, "running\n".repeat(3));

    backend.run(&["port", "rm", &port, &mapped]).ok();
    assert_eq!((ids(), backend.forwarded()), (before, vec![kept]));
    let free = backend.run(&["port", "rm", &port]).fails(1);
    assert!(free.only_complaint().starts_with(&format!("port {port} is not forwarded; ")), "{free:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn additions_at_once_all_survive() {
    let (backend, mut ports) = (Backend::new(), [free_port(), free_port(), free_port()]);
    backend.start(&[]);
    let additions =
        ports.map(|port| Background::start(&mut backend.command(&["port", "add", &port.to_string()])));
    for addition in additions {
        addition.outcome().ok();
    }
    ports.sort_unstable();
    assert_eq!(backend.forwarded(), ports);
    let listed = backend.run(&["port", "ls", "--format", "{{.Port}} {{.State}}"]).ok().stdout;
    assert_eq!(listed, ports.map(|port| format!("{port} running\n")).concat());
}

#[test]
#[ignore = "needs a docker engine"]
fn a_port_that_was_added_comes_back_after_a_clean_up() {
    let (backend, [first, added]) = (Backend::new(), [free_port(), free_port()]);
    backend.start(&[first]);
    backend.run(&["port", "add", &added.to_string()]).ok();
    let ids = backend.containers();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    docker(&[&["rm", "--force", "--volumes"], &ids[..]].concat()).ok();
    backend.run(&["start"]).ok();
    let mut ports = [first, added];
    ports.sort_unstable();
    assert_eq!(backend.forwarded(), ports);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_that_does_not_run_is_named_with_what_starts_it() {
    let (backend, port) = (Backend::new(), free_port());
    let missing = backend.run(&["port", "add", "6000"]).fails(1);
    assert!(missing.only_complaint().ends_with("'docker assemble backend start' makes one"), "{missing:?}");
    backend.start(&[port]);
    docker(&["stop", "--time", "1", &backend.name()]).ok();
    for verb in ["add", "rm"] {
        let stopped = backend.run(&["port", verb, "6000"]).fails(1);
        let complaint = stopped.only_complaint();
        let start = format!("; 'docker assemble backend start --allow-host-port {port} ");
        assert!(complaint.contains(&start) && complaint.ends_with("' starts it"), "{stopped:?}");
    }
    assert_eq!(backend.forwarded(), [port]);
}
