//! The container that leads to the host's loopback for the sidecars.

use std::collections::{BTreeMap, BTreeSet};

use assemble_contract::argv;
use assemble_contract::image::{DIALER_DIRECTORY, DIALER_SOCKET, USER};

use super::{ContainerSpec, Mount, Network, PIDS, Privileges, Restart, VolumeSpec, descriptors};
use crate::desired::{Desired, Settings, UserName};
use crate::labels;

/// The spec of the dialer, when a forward needs one that is a container.
#[must_use]
pub fn dialer(desired: &Desired) -> Option<ContainerSpec> {
    let ports: BTreeSet<_> = desired.loopback_ports().collect();
    if ports.is_empty() || desired.dialer_directory.is_some() {
        return None;
    }
    let spec = ContainerSpec {
        name: desired.user.dialer(),
        image: desired.proxy_image.image().clone(),
        args: argv::dial(DIALER_SOCKET, &ports.into_iter().collect()),
        env: vec![format!("{}={DIALER_SOCKET}", argv::env::SOCKET)],
        labels: BTreeMap::new(),
        user: Some(USER.to_owned()),
        sysctls: BTreeMap::new(),
        network: Network::Host,
        mounts: vec![mount(&desired.user, false)],
        settings: Settings::default(),
        privileges: Privileges::Nothing,
        read_only: true,
        pids: Some(PIDS),
        descriptors: Some(descriptors(1)),
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
    let mut labels = user.labels();
    labels.insert(labels::ROLE.to_owned(), labels::ROLE_DIALER.to_owned());
    VolumeSpec { name: user.dialer_volume(), labels }
}

/// That volume where both sides find it. A socket can be connected to through a read-only mount, and
/// no sidecar has a reason to put another one in its place.
pub(super) fn mount(user: &UserName, read_only: bool) -> Mount {
    Mount::Own { volume: socket_volume(user), target: DIALER_DIRECTORY.to_owned(), read_only }
}
