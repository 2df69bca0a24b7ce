//! What a reboot of the engine's machine leaves.
//!
//! Run beside that machine, never in it.

use std::process::Command;

use super::walk::{fill, is_filled, is_gone, is_well};
use crate::forward::reader_of;
use crate::support::{Backend, PATIENCE, eventually, free_port};

/// The command that reboots the machine, and ends when its engine answers again.
const COMMAND: &str = "ASSEMBLE_TEST_REBOOT";

/// Where every address of that machine has a registry, which comes back with it.
const REGISTRY: u16 = 5000;

#[test]
#[ignore = "needs a docker engine whose machine can be rebooted"]
fn reboot() {
    let command = std::env::var(COMMAND).expect("there is a command that reboots the machine");
    let (backend, around) = (Backend::new(), free_port());
    let volume = backend.volume(format!("{}-cache", backend.user));
    let ports = format!("{REGISTRY},{around}:{REGISTRY}@loopback");
    backend.run(&["start", "--allow-host-port", &ports, "--cache-volume", &volume]).ok();
    fill(&backend);
    let containers = backend.containers();
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    for port in [REGISTRY, around] {
        eventually("the forward works again", PATIENCE, || (backend.get(port).code == Some(0)).then_some(()));
    }
    assert_eq!(backend.containers(), containers);
    is_filled(&backend);
    for port in [REGISTRY, around] {
        backend.push(&reader_of(port), &format!("localhost:{port}/{}", backend.user)).ok();
    }
    is_well(&backend);
    backend.run(&["stop"]).ok();
    is_gone(&backend);
}
