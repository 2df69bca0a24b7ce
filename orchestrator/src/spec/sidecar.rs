//! The container that forwards one port.

use std::collections::BTreeMap;

use super::buildkit::{FIRST_PORT, LAST_PORT};
use super::{ContainerSpec, DIALER_SOCKET, Network, Privileges, Restart, dialer};
use crate::desired::Desired;
use crate::forward::{Forward, Target};
use crate::labels;

/// The program in the built-in image with its subcommand that succeeds once the port given
/// after `--port` is accepted on.
pub const HEALTH_COMMAND: [&str; 2] = ["/assemble-proxy", "health"];

/// What the kernel shows of the socket at which that program answers, in front of its port
/// (`sidecar/src/health.rs`).
pub const RELAY_SOCKET: &str = " @assemble-proxy/";

/// The variable from which the program in the built-in image takes its port when no `--port` is
/// given.
const PORT_VARIABLE: &str = "ASSEMBLE_PROXY_PORT";

/// Most threads and processes: the relay's few threads and the health checks run beside them.
pub(super) const PIDS: u32 = 64;

/// For as many connections as the backend's network has ports for, two each, and the few dozen that a
/// relay needs besides (`sidecar/src/config.rs`).
pub(super) const DESCRIPTORS: u32 = 2 * (LAST_PORT - FIRST_PORT + 1) as u32 + 48;

/// Who it runs as: nobody in particular.
pub(super) const USER: &str = "65532:65532";

/// The spec of the sidecar for a forward.
#[must_use]
pub fn sidecar(desired: &Desired, forward: &Forward) -> ContainerSpec {
    let port = forward.port;
    let mut args = ["--port", &port.to_string(), "--to", &forward.to()].map(str::to_owned).to_vec();
    if let Target::Name { fallback: Some(addr), .. } = &forward.target {
        args.extend(["--fallback".to_owned(), addr.to_string()]);
    }
    let mut mounts = Vec::new();
    if forward.target.is_loopback() {
        args.extend(["--dialer", DIALER_SOCKET].map(str::to_owned));
        mounts.push(dialer::mount(&desired.user, true));
    }
    ContainerSpec {
        name: desired.user.sidecar(forward),
        image: desired.proxy_image.image().clone(),
        args,
        // The health check of its image has fixed arguments and finds the port here.
        env: vec![format!("{PORT_VARIABLE}={port}")],
        labels: BTreeMap::from([
            (labels::PORT.to_owned(), port.to_string()),
            (labels::TARGET.to_owned(), forward.label()),
        ]),
        user: Some(USER.to_owned()),
        sysctls: BTreeMap::new(),
        network: Network::Container(desired.user.backend()),
        mounts,
        privileges: Privileges::Nothing,
        read_only: true,
        pids: Some(PIDS),
        descriptors: Some(DESCRIPTORS),
        // It ends when the backend's network goes away; started again, it finds the new one. Not
        // only after errors: an engine that ends tells it to end, which is none.
        restart: Restart::UnlessStopped,
        files: Vec::new(),
        note: None,
    }
    .with_labels(labels::ROLE_SIDECAR, &desired.user)
}
