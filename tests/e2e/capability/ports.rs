//! Ports that are forwarded, and where they lead.

use std::collections::BTreeSet;

use super::engine::{Gateway, Service};
use super::walk::{is_gone, is_told, json, reach};
use crate::forward::reader_of;
use crate::support::{Backend, PATIENCE, Registry, docker, eventually, free_port, inspect, wget};

#[test]
#[ignore = "needs a docker engine"]
fn change_of_ports() {
    let (backend, registry, [kept, gone]) = (Backend::new(), Registry::start(), [free_port(), free_port()]);
    let run = |name: &str| (inspect(name)["Id"].clone(), inspect(name)["State"]["StartedAt"].clone());
    reach(&backend, &format!("{kept},{gone}"));
    let before = (run(&backend.name()), run(&backend.sidecar(kept)));
    reach(&backend, &format!("{kept},{}", registry.port));
    assert_eq!((run(&backend.name()), run(&backend.sidecar(kept))), before);
    let ports: BTreeSet<u16> = backend.forwarded().into_iter().collect();
    assert_eq!(ports, BTreeSet::from([kept, registry.port]));
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
}

#[test]
#[ignore = "needs a docker engine"]
fn loopback() {
    let (backend, registry) = (Backend::new(), Registry::start_on_loopback());
    let list = format!("{}@loopback", registry.port);
    backend.forward(&list);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
    let info = json(&backend, "info");
    assert_eq!(info["Sidecars"][0]["Forward"]["Health"], "accepted", "{info:#}");
    let again = backend.forward(&list);
    assert!(again.stdout.ends_with("is already running\n"), "{again:?}");
    backend.run(&["stop"]).ok();
    is_gone(&backend);
}

#[test]
#[ignore = "needs a docker engine"]
fn range() {
    let (backend, (registry, first, last)) = (Backend::new(), Registry::start_between());
    reach(&backend, &format!("{first}-{last},8000-8002:{first}-{last}"));
    // A container each.
    assert_eq!(backend.forwarded(), [8000, first]);
    for port in [registry.port, 8001] {
        assert_eq!(backend.get(port).ok().stdout, "{}");
    }
    backend.push(&reader_of(registry.port), &registry.image("pushed")).ok();
}

/// To a service beside the backend, by a name that its network alone knows.
#[test]
#[ignore = "needs a docker engine"]
fn forward() {
    let (backend, inside) = (Backend::new(), free_port());
    if Gateway::of_the_engine() == Gateway::Missing {
        // Port 5000 beside it leads to the gateway.
        let start = backend.run(&["start", "--forward", &format!("{inside}=192.0.2.1")]).fails(1);
        is_told(&start.stderr, "the backend is in no network");
        return is_gone(&backend);
    }
    backend.start(&[]);
    let service = Service::beside(&backend);
    let name = "service.invalid";
    let line = format!("echo {} {name} >>/etc/hosts", service.address);
    docker(&["exec", &backend.name(), "sh", "-c", &line]).ok();
    let target = format!("{inside}={name}:8080");
    backend.run(&["start", "--allow-host-port", "0", "--forward", &target]).ok();
    let ask = wget(60, &format!("http://127.0.0.1:{inside}/"));
    eventually("the service answers", PATIENCE, || {
        (backend.inside(&ask).stdout.trim() == Service::SAYS).then_some(())
    });
}
