//! Services that listen on the host's 127.0.0.1 alone, reached through the dialer.

use crate::support::{
    Backend, Context, PATIENCE, Registry, Volume, Witness, docker, eventually, free_port, inspect,
};

fn hello() -> Context {
    Context::new("FROM scratch\nADD busybox.tar /\nCMD [\"echo\", \"hello\"]\n")
}

#[track_caller]
fn id(container: &str) -> String {
    inspect(container)["Id"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs a docker engine"]
fn a_registry_on_127_0_0_1_is_pushed_to_and_nothing_of_it_stays() {
    let (backend, registry, witness) = (Backend::new(), Registry::start_on_loopback(), Witness::start());
    let port = registry.port.to_string();
    let start = backend.run(&["start", "--allow-host-port", &port, "--host-loopback"]).ok();
    let names: Vec<_> = start.stdout.lines().map(|line| line.split('"').nth(1).unwrap_or_default()).collect();
    assert_eq!(names, [backend.name(), backend.dialer(), backend.sidecar(registry.port)]);
    let image = registry.image("hello");
    backend.push(&hello(), &image).ok();
    assert!(registry.catalog().contains("hello"));
    backend.build(&Context::new(&format!("FROM {image}\n"))).ok();

    let info = backend.run(&["info"]).ok();
    let sidecar =
        format!(" {} (running), to port {port} on the host's loopback\n", backend.sidecar(registry.port));
    let dialer = format!(" {} (running), leads to the host's loopback\n", backend.dialer());
    assert!(info.stdout.contains(&sidecar) && info.stdout.contains(&dialer), "{info:?}");
    let again = backend.run(&["start", "--allow-host-port", &format!("{port}@loopback")]).ok();
    assert!(again.stdout.contains("already running"), "{again:?}");

    backend.run(&["stop"]).ok();
    assert_eq!(backend.containers(), [""; 0]);
    let seen = witness.seen(&backend);
    assert!(seen.volumes.contains(&backend.dialer()), "{seen:?}");
    seen.is_gone_but(&[]);
}

#[test]
#[ignore = "needs a docker engine"]
fn the_dialer_may_do_nothing_but_dial() {
    let (backend, port) = (Backend::new(), free_port());
    backend.forward(&format!("{port}@loopback"));
    let dialer = inspect(&backend.dialer());
    let host = &dialer["HostConfig"];
    assert_eq!(host["NetworkMode"], "host");
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
    assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges"]));
    assert_eq!((&host["ReadonlyRootfs"], &host["Privileged"]), (&true.into(), &false.into()));
    assert_eq!(host["Memory"], 0);
    assert!(host["PidsLimit"].as_u64().unwrap() > 0);
    assert_eq!(dialer["Config"]["User"], "65532:65532");
    // Sidecars reach its socket and cannot put another one in its place.
    let writable = |name: &str| inspect(name)["Mounts"][0]["RW"].clone();
    let both = (writable(&backend.dialer()), writable(&backend.sidecar(port)));
    assert_eq!(both, (true.into(), false.into()));
    // The volume is its own user's and nobody else's.
    let volume = format!("{}:/v:ro", backend.dialer());
    let mode = docker(&[
        "run",
        "--rm",
        "--volume",
        &volume,
        &crate::support::base_image(),
        "stat",
        "-c",
        "%a %u %g",
        "/v",
    ]);
    assert_eq!(mode.ok().stdout, "700 65532 65532\n");
    // And its image's own health check, which has no port to ask, asks at the socket.
    let health = docker(&["exec", &backend.dialer(), "/assemble-proxy", "health"]);
    health.ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_dialer_that_is_gone_means_resets_until_it_is_back() {
    let (backend, registry) = (Backend::new(), Registry::start_on_loopback());
    let list = format!("{}@loopback", registry.port);
    backend.forward(&list);
    let sidecar = id(&backend.sidecar(registry.port));
    backend.get(registry.port).ok();

    docker(&["kill", &backend.dialer()]).ok();
    let get = backend.get(registry.port).fails(1);
    let is_refusal =
        ["Connection reset by peer", "Connection refused"].iter().any(|words| get.stderr.contains(words));
    assert!(is_refusal, "{get:?}");
    let info = backend.run(&["info", "--format", "json"]).ok().stdout;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let forward = &info["Sidecars"][0]["Forward"];
    assert_eq!(
        (&forward["Health"], &forward["Failed"]["dialer"]),
        (&"dialer".into(), &1.into()),
        "{forward:#}"
    );
    assert!(
        forward["Help"].as_str().unwrap().contains(&format!("start --allow-host-port {list} ")),
        "{forward:#}"
    );
    // Started again, it makes its socket anew in the place of the one that it left behind.
    docker(&["start", &backend.dialer()]).ok();
    eventually("the service is back", PATIENCE, || {
        (backend.get(registry.port).code == Some(0)).then_some(())
    });

    docker(&["kill", &backend.dialer()]).ok();
    backend.forward(&list);
    backend.get(registry.port).ok();
    assert_eq!(id(&backend.sidecar(registry.port)), sidecar, "only the dialer was replaced");
}

#[test]
#[ignore = "needs a docker engine"]
fn the_dialer_dials_no_port_that_is_not_on_its_list() {
    let (backend, allowed, other) =
        (Backend::new(), Registry::start_on_loopback(), Registry::start_on_loopback());
    backend.forward(&format!("{}@loopback", allowed.port));
    // A relay like the other one, which the dialer was told nothing of.
    let image = inspect(&backend.dialer())["Config"]["Image"].as_str().unwrap().to_owned();
    let (network, volume) =
        (format!("container:{}", backend.name()), format!("{}:/run/assemble", backend.dialer()));
    let (name, port) = (backend.sidecar(other.port), other.port.to_string());
    let relay = ["run", "--detach", "--name", &name, "--network", &network, "--volume", &volume, &image];
    let words = ["--port", &port, "--to", "loopback", "--dialer", "/run/assemble/dial.sock"];
    docker(&[&relay[..], &words].concat()).ok();
    eventually("the relay serves", PATIENCE, || {
        let health = docker(&["exec", &name, "/assemble-proxy", "health", "--port", &port]);
        (health.code == Some(0)).then_some(())
    });

    backend.get(other.port).fails(1);
    backend.get(allowed.port).ok();
    let refusal = format!("port \"{port}\" is not on the list");
    eventually("the dialer tells", PATIENCE, || {
        let log = docker(&["logs", &backend.dialer()]);
        log.stderr.contains(&refusal).then_some(())
    });
    docker(&["rm", "--force", &name]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn from_the_gateway_to_the_loopback_touches_only_that_sidecar() {
    let (backend, registry, kept) = (Backend::new(), Registry::start_on_loopback(), free_port());
    backend.start(&[registry.port, kept]);
    backend.get(registry.port).fails(1);
    let (before, other) = (backend.inspect(), id(&backend.sidecar(kept)));

    backend.forward(&format!("{}@loopback,{kept}", registry.port));
    backend.get(registry.port).ok();
    let dialer = id(&backend.dialer());
    let after = backend.inspect();
    assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]));
    assert_eq!(id(&backend.sidecar(kept)), other);

    // One more port replaces the dialer and no sidecar.
    let sidecar = id(&backend.sidecar(registry.port));
    backend.forward(&format!("{}@loopback,{kept},{}@loopback", registry.port, free_port()));
    backend.get(registry.port).ok();
    assert_eq!(id(&backend.sidecar(registry.port)), sidecar);
    assert_ne!(id(&backend.dialer()), dialer);

    // And without any the dialer goes with its volume.
    backend.start(&[registry.port, kept]);
    assert_eq!(backend.containers().len(), 3);
    assert!(!Volume::exists(&backend.dialer()));
}

#[test]
#[ignore = "needs a docker engine"]
fn somebody_elses_volume_under_the_dialers_name_is_an_error_and_survives() {
    let backend = Backend::new();
    let volume = backend.volume(backend.dialer());
    let list = format!("{}@loopback", free_port());
    let refusal = backend.run(&["start", "--allow-host-port", &list]).fails(1);
    assert!(refusal.only_complaint().contains(&format!("volume \"{volume}\" was not made")), "{refusal:?}");
    backend.run(&["stop"]).ok();
    assert!(Volume::exists(&volume));
    assert_eq!(backend.containers(), [""; 0]);
}
