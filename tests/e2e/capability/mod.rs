//! What a user does, each in a short walk that has to work on every engine: the columns of the table in
//! `docs/engines.md`. Where an engine cannot do a thing, its walk demands what `start` says in its place.

mod cache;
mod engine;
mod ports;
mod reboot;
mod walk;

use serde_json::Value;

use crate::advice::Reader;
use crate::buildx::Client;
use crate::forward::reader_of;
use crate::support::{
    Backend, Context, Image, PATIENCE, Registry, Volume, backend_image, docker, eventually, free_port,
    inspect,
};
use engine::{Gateway, keeps_logs};
use walk::{DIVIDES, builds_restricted, is_told, is_well, json, reach};

#[test]
#[ignore = "needs a docker engine"]
fn start() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let start = reach(&backend, &registry.port.to_string());
    for name in [backend.name(), backend.sidecar(registry.port)] {
        let id = inspect(&name)["Id"].as_str().unwrap()[..12].to_owned();
        assert!(start.stdout.contains(&format!("Started container \"{name}\" ({id})\n")), "{start:?}");
        assert_eq!(inspect(&name)["State"]["Running"], true, "{name}");
    }
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
}

#[test]
#[ignore = "needs a docker engine"]
fn again() {
    let (backend, port) = (Backend::new(), free_port().to_string());
    reach(&backend, &port);
    let before = backend.containers();
    let again = reach(&backend, &port);
    assert_eq!(again.stdout, format!("Backend \"{}\" is already running\n", backend.name()), "{again:?}");
    assert_eq!(backend.containers(), before);
}

#[test]
#[ignore = "needs a docker engine and Compose"]
fn compose() {
    let (backend, registry) = (Backend::new(), Registry::start());
    reach(&backend, &registry.port.to_string());
    let compose = std::env::var("ASSEMBLE_TEST_COMPOSE")
        .expect("ASSEMBLE_TEST_COMPOSE names a Compose; scripts/plugin.sh prints one");
    let is_host = Gateway::of_the_engine() != Gateway::Namespace;
    if let Some(said) = crate::compose::walk(&compose, &backend, &registry, is_host) {
        is_told(&said, r#""result":"refused""#);
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn info() {
    let (backend, registry) = (Backend::new(), Registry::start());
    reach(&backend, &registry.port.to_string());
    let info = json(&backend, "info");
    assert_eq!((&info["State"], &info["ID"]), (&"running".into(), &backend.id().into()), "{info:#}");
    let sidecar = &info["Sidecars"][0];
    assert_eq!((&sidecar["State"], &sidecar["Stale"]), (&"running".into(), &false.into()), "{info:#}");
    assert_eq!(sidecar["Forward"]["Health"], "accepted", "{info:#}");
    assert_eq!(info["Workers"].as_array().map(Vec::len), Some(1), "{info:#}");
    let text = backend.run(&["info"]).ok();
    assert!(text.stdout.starts_with(&format!("ID: {} (running)\n", backend.id())), "{text:?}");
    assert_eq!(text.stderr, "");
}

#[test]
#[ignore = "needs a docker engine"]
fn doctor() {
    let (backend, registry) = (Backend::new(), Registry::start());
    reach(&backend, &registry.port.to_string());
    let doctor = is_well(&backend);
    for name in ["engine", "backend", "buildkit", &format!("target {}", registry.port)] {
        let is_well = doctor.stdout.lines().any(|line| {
            line.strip_prefix("ok    ")
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with(' '))
        });
        assert!(is_well, "{name}: {doctor:?}");
    }
}

/// A service that the gateway does not lead to, and the command that the doctor prints.
#[test]
#[ignore = "needs a docker engine"]
fn advice() {
    let (reader, registry) = (Reader::new(), Registry::start_on_loopback());
    let said = if Gateway::of_the_engine() == Gateway::Missing {
        // No such backend comes to be, and the start itself says which one does.
        reader.0.run(&["start", "--allow-host-port", &registry.port.to_string()]).fails(1)
    } else {
        reader.0.start(&[registry.port]);
        reader.0.run(&["doctor"]).fails(1)
    };
    let command = reader.follows(&said, "docker assemble backend start ");
    assert!(command.contains(&format!("{}@loopback", registry.port)), "{command}");
    assert_eq!(reader.0.get(registry.port).ok().stdout, "{}");
}

#[test]
#[ignore = "needs a docker engine"]
fn stats() {
    let (backend, registry) = (Backend::new(), Registry::start());
    reach(&backend, &registry.port.to_string());
    backend.get(registry.port).ok();
    // A connection is counted as it ends, which the client does not wait for.
    eventually("the connection is counted", PATIENCE, || {
        let stats = json(&backend, "stats");
        let forward = &stats["Forwards"][0];
        let counted = |name: &str| forward[name].as_u64().unwrap_or_default() > 50;
        (counted("BytesUp") && counted("BytesDown")).then_some(())
    });
    let table = backend.run(&["stats"]).ok();
    assert!(table.stdout.starts_with("PORT ") && table.stdout.lines().count() == 2, "{table:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn logs() {
    let (backend, port) = (Backend::new(), free_port().to_string());
    reach(&backend, &port);
    let own = backend.run(&["logs"]);
    if !keeps_logs() {
        return is_told(own.fails(1).only_complaint(), "\"log-driver\"");
    }
    let own = own.ok();
    assert!(own.words().contains("running server on"), "{own:?}");
    let last = backend.run(&["logs", "--tail", "1"]).ok();
    assert!(last.words().lines().count() == 1 && own.words().ends_with(&last.words()), "{last:?}");
    let relay = backend.run(&["logs", "--proxy", &port]).ok();
    assert!(relay.words().contains(&port), "{relay:?}");
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn use_builder() {
    let (client, registry) = (Client::new(), Registry::start());
    reach(&client.0, &registry.port.to_string());
    client.run(&["assemble", "backend", "use"]).ok();
    let builder = client.builder().expect("buildx lists the backend");
    assert!(builder.starts_with(&format!("{}*", client.0.name())), "{builder}");
    client.push(&registry, "pushed");
    client.run(&["assemble", "backend", "stop"]).ok();
    assert_eq!(client.builder(), None);
}

/// A step reads from the registry, the result goes there, and another build takes it from there.
#[test]
#[ignore = "needs a docker engine"]
fn push() {
    let (backend, registry) = (Backend::new(), Registry::start());
    reach(&backend, &registry.port.to_string());
    let image = registry.image("pushed");
    backend.push(&reader_of(registry.port), &image).ok();
    assert!(registry.catalog().contains("pushed"), "{}", registry.catalog());
    backend.build(&Context::new(&format!("FROM {image}\nRUN [ \"$(cat /said)\" = 'read {{}}' ]\n"))).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn stop() {
    let backend = Backend::new();
    reach(&backend, &free_port().to_string());
    let volumes = backend.volumes();
    let stop = backend.run(&["stop"]).ok();
    assert_eq!(stop.words(), "");
    assert_eq!(backend.containers(), [""; 0]);
    for volume in volumes {
        assert!(!Volume::exists(&volume), "{volume}");
    }
    backend.run(&["stop"]).ok();
    let info = backend.run(&["info"]).fails(1);
    assert!(info.only_complaint().contains("docker assemble backend start"), "{info:?}");
}

/// Every command says how it is, and a start brings it back.
#[test]
#[ignore = "needs a docker engine"]
fn stop_from_outside() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let port = registry.port.to_string();
    reach(&backend, &port);
    let id = backend.id();
    docker(&["stop", &backend.name()]).ok();

    let info = backend.run(&["info"]).ok();
    assert!(info.stdout.contains("The backend does not run"), "{info:?}");
    let doctor = backend.run(&["doctor"]).fails(1);
    assert!(doctor.stdout.contains("\nfail  backend "), "{doctor:?}");
    for args in [&["stats"][..], &["cache", "usage"], &["cache", "purge", "--force"]] {
        let refusal = backend.run(args).fails(1);
        assert!(refusal.only_complaint().contains("is not running"), "{refusal:?}");
    }
    backend.run(&["logs"]).fails(i32::from(!keeps_logs()));
    reach(&backend, &port);
    assert_eq!(backend.id(), id);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");

    docker(&["stop", &backend.name()]).ok();
    backend.run(&["stop"]).ok();
    assert_eq!(backend.containers(), [""; 0]);
}

#[test]
#[ignore = "needs a docker engine"]
fn restart_from_outside() {
    let (backend, registry) = (Backend::new(), Registry::start());
    reach(&backend, &registry.port.to_string());
    docker(&["restart", &backend.name()]).ok();
    eventually("the forward heals by itself", PATIENCE, || {
        (backend.get(registry.port).code == Some(0)).then_some(())
    });
    eventually("all of it runs", PATIENCE, || {
        let info = backend.run(&["info", "--format", "json"]);
        let info: Value = serde_json::from_str(&info.stdout).ok()?;
        let sidecar = &info["Sidecars"][0];
        let runs = info["State"] == "running" && sidecar["State"] == "running" && sidecar["Stale"] == false;
        runs.then_some(())
    });
}

/// As the image would have it, and where this host has one tree of control groups as upstream's would.
#[test]
#[ignore = "needs a docker engine"]
fn restricted() {
    let (backend, registry) = (Backend::new(), Registry::start());
    if builds_restricted(&backend, &registry, &backend_image(), &["buildkit"]) {
        let divides = Image::commit(&format!("asmt/{}:divides", backend.user), &backend_image(), &DIVIDES);
        builds_restricted(&backend, &registry, &divides.0, &["buildkit", "init"]);
    }
}
