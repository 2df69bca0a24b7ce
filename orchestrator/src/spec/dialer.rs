//! The container that connects to the host's loopback for the sidecars.

use std::collections::BTreeMap;

use super::sidecar::{DESCRIPTORS, PIDS, USER};
use super::{ContainerSpec, Mount, Network, Privileges, Restart, VolumeSpec};
use crate::desired::{Desired, UserName};
use crate::labels;

/// Where the volume with the socket is mounted. The image has a directory there that belongs to
/// [`USER`] alone, and the engine gives an empty volume its directory's owner and mode: so
/// neither side needs root, and no other user of the host gets at the socket.
const DIRECTORY: &str = "/run/assemble";

/// Where the dialer listens, in its own container and in those of the sidecars.
pub const DIALER_SOCKET: &str = "/run/assemble/dial.sock";

/// The variable from which the health check of the image takes the socket.
const SOCKET_VARIABLE: &str = "ASSEMBLE_PROXY_SOCKET";

/// The spec of the dialer, when a forward needs one.
#[must_use]
pub fn dialer(desired: &Desired) -> Option<ContainerSpec> {
    let ports: std::collections::BTreeSet<_> = desired.loopback_ports().collect();
    if ports.is_empty() {
        return None;
    }
    let list = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let spec = ContainerSpec {
        name: desired.user.dialer(),
        image: desired.proxy_image.image().clone(),
        args: ["dial", "--socket", DIALER_SOCKET, "--allow", &list].map(str::to_owned).to_vec(),
        env: vec![format!("{SOCKET_VARIABLE}={DIALER_SOCKET}")],
        labels: BTreeMap::new(),
        user: Some(USER.to_owned()),
        sysctls: BTreeMap::new(),
        network: Network::Host,
        mounts: vec![mount(&desired.user, false)],
        privileges: Privileges::Nothing,
        read_only: true,
        pids: Some(PIDS),
        descriptors: Some(DESCRIPTORS),
        // It depends on nothing, and sidecars have nobody else to ask.
        restart: Restart::UnlessStopped,
        files: Vec::new(),
        note: None,
    };
    Some(spec.with_labels(labels::ROLE_DIALER, &desired.user))
}

/// The volume with the dialer's socket. A directory and not the socket itself, since a dialer
/// that is started again makes a new one.
#[must_use]
pub fn socket_volume(user: &UserName) -> VolumeSpec {
    let labels = [(labels::ROLE, labels::ROLE_DIALER.to_owned()), (labels::USER, user.to_string())];
    VolumeSpec {
        name: user.dialer_volume(),
        labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

/// That volume where both sides find it. A socket can be connected to through a read-only mount, and
/// no sidecar has a reason to put another one in its place.
pub(super) fn mount(user: &UserName, read_only: bool) -> Mount {
    Mount::Own { volume: socket_volume(user), target: DIRECTORY.to_owned(), read_only }
}
