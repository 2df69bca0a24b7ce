//! The container that forwards a port, or several in a row.

use std::collections::BTreeMap;

use assemble_contract::argv::{Relay, env};
use assemble_contract::image::{DIALER_SOCKET, USER};

use super::{ContainerSpec, Network, PIDS, Privileges, Restart, buildkit, descriptors, dialer, host_dialer};
use crate::desired::{Desired, ProxyImage, Settings};
use crate::forward::{Forward, Target};
use crate::labels;

/// Root of a container is the user who runs a rootless engine. To that one alone belong the directory and
/// the socket of a dialer that is a process of that user's, which lets nobody else ask.
const ROOT: &str = "0:0";

/// The spec of the sidecar for a forward.
#[must_use]
pub fn sidecar(desired: &Desired, forward: &Forward) -> ContainerSpec {
    let ports = forward.ports;
    let mut relay = Relay::of(&forward.mapping());
    // Another image may be of a program that does not know the option and would refuse to start.
    relay.owner_socket = match desired.proxy_image {
        ProxyImage::BuiltIn { .. } => Some(buildkit::SOCKET),
        ProxyImage::Custom(_) => None,
    };
    if let Target::Name { fallback, .. } = &forward.target {
        relay.fallback = *fallback;
    }
    let mut labels = BTreeMap::from([
        (labels::PORT.to_owned(), ports.to_string()),
        (labels::TARGET.to_owned(), forward.label()),
    ]);
    let (mut user, mut mounts) = (USER, Vec::new());
    if forward.target.is_loopback() {
        relay.dialer = Some(DIALER_SOCKET);
        mounts.push(match &desired.dialer_directory {
            None => dialer::mount(&desired.user, true),
            Some(directory) => {
                user = ROOT;
                labels.insert(labels::DIALER_DIRECTORY.to_owned(), directory.clone());
                host_dialer::mount(directory)
            }
        });
    }
    ContainerSpec {
        name: desired.user.sidecar(forward),
        image: desired.proxy_image.image().clone(),
        args: relay.args(),
        // The health check of its image has fixed arguments and finds the ports here.
        env: vec![format!("{}={ports}", env::PORT)],
        labels,
        user: Some(user.to_owned()),
        sysctls: BTreeMap::new(),
        network: Network::Container(desired.user.backend()),
        mounts,
        settings: Settings::default(),
        privileges: Privileges::Nothing,
        read_only: true,
        pids: Some(PIDS),
        descriptors: Some(descriptors(ports.count())),
        // It ends when the backend's network goes away; started again, it finds the new one. Not
        // only after errors: an engine that ends tells it to end, which is none.
        restart: Restart::UnlessStopped,
        files: Vec::new(),
        note: None,
    }
    .with_labels(labels::ROLE_SIDECAR, &desired.user)
}
