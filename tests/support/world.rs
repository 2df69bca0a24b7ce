//! Wishes and states for the planner's tests.

use std::collections::{BTreeMap, BTreeSet};

use docker_assemble::desired::{
    Choice, Chosen, Desired, ImageRef, Named, Port, ProxyImage, PullPolicy, Security, Settings, UserName,
    VolumeName,
};
use docker_assemble::forward::Forward;
use docker_assemble::forward::asked::{self, Known};
use docker_assemble::forward::merge;
use docker_assemble::observed::{Container, ContainerId, Observed, State};
use docker_assemble::plan::plan;

pub(crate) const IMAGE: &str = docker_assemble::desired::BACKEND_IMAGE;
pub(crate) const PROXY: &str = "docker-assemble-proxy:0123456789ab";

pub(crate) fn user() -> UserName {
    UserName::from_login("ann").unwrap()
}

pub(crate) fn port(port: u16) -> Port {
    Port::new(port).unwrap()
}

/// These ports of the host, at the gateway.
pub(crate) fn ports(ports: &[u16]) -> BTreeSet<Forward> {
    ports.iter().map(|number| Forward::plain(port(*number))).collect()
}

/// What these words of `--allow-host-port` and, with addresses in place of names, of `--forward`
/// mean.
pub(crate) fn forwards(words: &str) -> BTreeSet<Forward> {
    let (hosts, ports): (Vec<_>, Vec<_>) =
        words.split(',').filter(|word| !word.is_empty()).partition(|word| word.contains('='));
    let ports = if ports.is_empty() { vec!["0"] } else { ports };
    let hosts: Vec<_> = hosts.into_iter().flat_map(|word| asked::hosts(word).unwrap()).collect();
    let ports = asked::ports(&ports.join(",")).unwrap();
    let asked = merge(Some(&ports), &hosts, false).unwrap();
    let known = |host: &str| {
        let followed = || Known::Followed(host.parse().unwrap(), None);
        Some(host.parse().map_or_else(|_| followed(), Known::Fixed))
    };
    asked.iter().map(|asked| asked.with(known).unwrap()).collect()
}

/// Settings with these privileges.
pub(crate) fn secured(security: Security) -> Settings {
    Settings { security, ..Settings::default() }
}

/// Settings with the cache in this volume.
pub(crate) fn cached(volume: &str) -> Settings {
    Settings { cache_volume: Some(VolumeName(volume.to_owned())), ..Settings::default() }
}

/// What these options name.
pub(crate) fn chosen(options: &[(Choice, &str)]) -> Chosen {
    let read = |(choice, text): &(Choice, &str)| (*choice, choice.read(text).unwrap());
    options.iter().map(read).collect()
}

/// What `start` without any option asks for.
pub(crate) fn wish() -> Desired {
    Desired {
        user: user(),
        image: ImageRef(IMAGE.to_owned()),
        pull: PullPolicy::Missing,
        settings: Settings::default(),
        forwards: ports(&[5000]),
        proxy_image: ProxyImage::BuiltIn { image: ImageRef(PROXY.to_owned()), arch: "amd64".to_owned() },
        files: Vec::new(),
        config_options: String::new(),
        proxies: Vec::new(),
        dialer_directory: None,
        recreate: false,
        forwards_only: false,
        named: Named::default(),
    }
}

/// An engine with both images and nothing else.
pub(crate) fn empty() -> Observed {
    let images = [(IMAGE, "sha256:b1"), (PROXY, "sha256:p1")];
    Observed {
        arch: "amd64".to_owned(),
        images: images.map(|(name, id)| (ImageRef(name.to_owned()), id.to_owned())).into(),
        ..Observed::default()
    }
}

/// An engine on which `wish` was carried out.
pub(crate) fn started(wish: &Desired) -> Observed {
    let mut world = empty();
    world = world.after(&plan(wish, &world).unwrap());
    world.backend.as_mut().unwrap().started_at = "2024-05-01T10:00:00.5Z".to_owned();
    for sidecar in &mut world.sidecars {
        sidecar.container.started_at = "2024-05-01T10:00:00.51Z".to_owned();
    }
    world
}

/// A container that ends up nowhere in particular.
pub(crate) fn container(id: &str, labels: BTreeMap<String, String>) -> Container {
    Container {
        id: ContainerId(id.to_owned()),
        name: docker_assemble::desired::ContainerName(format!("name-of-{id}")),
        image: ImageRef(IMAGE.to_owned()),
        image_id: "sha256:b1".to_owned(),
        state: State::Running,
        unhealthy: false,
        restarts: 0,
        out_of_memory: false,
        started_at: "2024-05-01T10:00:00Z".to_owned(),
        labels,
        env: Vec::new(),
        settings: Settings { security: Security::Privileged, ..Settings::default() },
    }
}
