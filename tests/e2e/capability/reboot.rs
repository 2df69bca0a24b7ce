//! What a reboot of the engine's machine leaves.
//!
//! Run beside that machine, never in it.

use std::process::Command;

use super::walk::{fill, is_filled, is_gone, is_told, is_well};
use crate::advice::Reader;
use crate::forward::reader_of;
use crate::healing::healed_by_itself;
use crate::support::{free_port, inspect};

/// The command that reboots the machine, and ends when its engine answers again.
const COMMAND: &str = "ASSEMBLE_TEST_REBOOT";

/// Where every address of that machine has a registry, which comes back with it.
const REGISTRY: u16 = 5000;

#[test]
#[ignore = "needs a docker engine whose machine can be rebooted"]
fn reboot() {
    let command = std::env::var(COMMAND).expect("there is a command that reboots the machine");
    let (reader, around) = (Reader::new(), free_port());
    let backend = &reader.0;
    let volume = backend.volume(format!("{}-cache", backend.user));
    let ports = format!("{REGISTRY},{around}:{REGISTRY}@loopback");
    backend.run(&["start", "--allow-host-port", &ports, "--cache-volume", &volume]).ok();
    fill(backend);
    let (id, containers) = (backend.id(), backend.containers());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    let sidecars = [backend.sidecar(REGISTRY), backend.mapped(around, REGISTRY)];
    let state = |name: &str| inspect(name)["State"]["Status"].as_str().unwrap_or_default().to_owned();
    let healed = [REGISTRY, around].into_iter().zip(&sidecars).all(|(port, sidecar)| {
        let states = || [state(&backend.name()), state(sidecar)];
        healed_by_itself(|| backend.get(port).code == Some(0), states)
    });
    if healed {
        assert_eq!(backend.containers(), containers);
    } else {
        // The engine began with that one, which has the backend's network, and does not try again.
        let doctor = backend.run(&["doctor"]).fails(1);
        is_told(&doctor.stdout, "does not run (exited)");
        reader.follows(&doctor, "docker assemble backend start ");
    }
    assert_eq!(backend.id(), id);
    is_filled(backend);
    for port in [REGISTRY, around] {
        backend.push(&reader_of(port), &format!("localhost:{port}/{}", backend.user)).ok();
    }
    is_well(backend);
    backend.run(&["stop"]).ok();
    is_gone(backend);
}
