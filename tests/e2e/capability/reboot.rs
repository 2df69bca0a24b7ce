//! What a reboot of the engine's machine leaves: two tests that run in that machine, before and after.

use std::fs::{read_to_string, write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use super::engine::Gateway;
use super::walk::{fill, is_filled, is_gone, is_told, is_well};
use crate::advice::Reader;
use crate::forward::reader_of;
use crate::healing::healed_by_itself;
use crate::support::{Backend, Volume, inspect};

/// A directory that the machine keeps, and nothing else of its user.
const HOME: &str = "ASSEMBLE_TEST_REBOOT";

/// Where every address of that machine has a registry, which comes back with it.
const REGISTRY: u16 = 5000;

/// Leads there, too, by way of `@loopback`.
const AROUND: u16 = 5001;

fn home() -> PathBuf {
    std::env::var_os(HOME).expect("there is a machine that is rebooted").into()
}

/// Where the first test notes what the second has to find.
fn note(home: &Path) -> PathBuf {
    home.join("before")
}

fn cache(backend: &Backend) -> String {
    format!("{}-cache", backend.user)
}

/// What stays the same: the backend, and all that it has.
fn made(backend: &Backend) -> String {
    format!("{} {:?}", backend.id(), backend.containers())
}

#[test]
#[ignore = "needs a docker engine whose machine is rebooted next"]
fn before_it() {
    let backend = Backend::lasting(&home());
    backend.install_plugin();
    let cache = backend.volume(cache(&backend));
    let ports =
        format!("{},{AROUND}:{REGISTRY}@loopback", Gateway::of_the_engine().way_to(&REGISTRY.to_string()));
    backend.run(&["start", "--allow-host-port", &ports, "--cache-volume", &cache]).ok();
    fill(&backend);
    for port in [REGISTRY, AROUND] {
        backend.get(port).ok();
    }
    write(note(backend.home()), made(&backend)).unwrap();
    let _stays = ManuallyDrop::new(backend);
}

#[test]
#[ignore = "needs a docker engine whose machine was rebooted after before_it"]
fn reboot() {
    let reader = Reader(Backend::lasting(&home()));
    let backend = &reader.0;
    backend.keep(Volume(cache(backend)));
    let before = read_to_string(note(backend.home())).expect("there is a backend that was left");
    let sidecars = [backend.sidecar(REGISTRY), backend.mapped(AROUND, REGISTRY)];
    let state = |name: &str| inspect(name)["State"]["Status"].as_str().unwrap_or_default().to_owned();
    let healed = [REGISTRY, AROUND].into_iter().zip(&sidecars).all(|(port, sidecar)| {
        let states = || [state(&backend.name()), state(sidecar)];
        healed_by_itself(|| backend.get(port).code == Some(0), states)
    });
    if healed {
        assert_eq!(made(backend), before);
    } else {
        // The engine began with that one, which has the backend's network, and does not try again.
        let doctor = backend.run(&["doctor"]).fails(1);
        let state = sidecars.iter().map(|name| state(name)).find(|state| state != "running");
        let state = state.expect("one does not run");
        is_told(&doctor.stdout, &format!("does not run ({state})"));
        reader.follows(&doctor, "docker assemble backend start ");
    }
    assert!(before.starts_with(&format!("{} ", backend.id())));
    is_filled(backend);
    for port in [REGISTRY, AROUND] {
        backend.push(&reader_of(port), &format!("localhost:{port}/{}", backend.user)).ok();
    }
    is_well(backend);
    backend.run(&["stop"]).ok();
    is_gone(backend);
}
