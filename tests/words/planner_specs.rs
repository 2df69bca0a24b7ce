//! The planner: the containers that it makes.

use docker_assemble::desired::{Desired, ImageRef, ProxyImage, VolumeName};
use docker_assemble::observed::{Cgroups, Observed};
use docker_assemble::plan::action::Action;
use docker_assemble::plan::plan;
use docker_assemble::spec::{Candidates, Mount, Network, Privileges};

use crate::steps::backend_candidates;
use crate::world::{cached, empty, ports, wish};

#[test]
fn the_conventional_volume_is_used_when_it_exists() {
    let cache = |wish: &Desired, world: &Observed| {
        backend_candidates(wish, world).preferred.mounts.iter().find_map(|mount| match mount {
            Mount::Volume { name, target } => Some((name.0.clone(), target.clone())),
            Mount::Own { .. } | Mount::Bind { .. } => None,
        })
    };
    let mut world = empty();
    assert_eq!(cache(&wish(), &world), None);
    world.volumes.push(wish().user.cache_volume());
    let target = "/var/lib/buildkit".to_owned();
    let conventional = "docker-assemble-backend-cache-ann".to_owned();
    assert_eq!(cache(&wish(), &world), Some((conventional, target.clone())));
    world.volumes.push(VolumeName("mine".to_owned()));
    let wish = Desired { settings: cached("mine"), ..wish() };
    assert_eq!(cache(&wish, &world), Some(("mine".to_owned(), target)));
}

#[test]
fn a_missing_cache_volume_is_an_error_that_helps() {
    let wish = Desired { settings: cached("mine"), ..wish() };
    let message = plan(&wish, &empty()).unwrap_err().to_string();
    assert!(message.contains("docker volume create mine"), "{message}");
}

/// A branch of its own counts what builds take in the backend's account, and ends with it.
#[test]
fn nothing_of_the_hosts_control_groups_is_given_away_where_there_is_one_tree() {
    let world = Observed { cgroups: Cgroups::V2, ..empty() };
    let Candidates { preferred, fallback } = backend_candidates(&wish(), &world);
    let restricted = fallback.unwrap();
    assert_eq!(preferred, backend_candidates(&wish(), &empty()).preferred);
    assert!(matches!(restricted.privileges, Privileges::Builder { cgroups: Cgroups::V2, .. }));
    assert!(restricted.mounts.is_empty());
    // One from before is another backend.
    let before = backend_candidates(&wish(), &empty()).fallback.unwrap();
    assert_ne!(before.settings(), restricted.settings());
}

#[test]
fn the_backend_is_as_narrow_as_asked() {
    let Candidates { preferred, fallback } = backend_candidates(&wish(), &empty());
    let restricted = fallback.unwrap();
    assert_eq!(preferred.privileges, Privileges::Privileged);
    assert!(preferred.mounts.is_empty());
    assert!(matches!(&restricted.privileges, Privileges::Builder { add, .. } if add.len() == 6));
    assert!(matches!(&restricted.mounts[..], [Mount::Bind { target, .. }] if target == "/sys/fs/cgroup"));
    let sysctls: Vec<_> = preferred.sysctls.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        sysctls,
        [
            "net.ipv4.ip_local_port_range=10000 65000",
            "net.ipv4.ip_local_reserved_ports=5000",
            "net.ipv4.ip_unprivileged_port_start=0",
            "net.ipv4.tcp_tw_reuse=1"
        ]
    );
}

#[test]
fn a_sidecar_may_do_nothing_but_forward() {
    let plan = plan(&Desired { forwards: ports(&[6000]), ..wish() }, &empty()).unwrap();
    let Some(Action::Run { candidates }) = plan.actions().last() else { panic!("no sidecar") };
    let spec = &candidates.preferred;
    assert_eq!(spec.args, ["--port", "6000", "--to", "gateway", "--owner-socket", "buildkitd.sock"]);
    assert_eq!(spec.env, ["ASSEMBLE_PROXY_PORT=6000"]);
    assert_eq!(spec.network, Network::Container(wish().user.backend()));
    assert_eq!(spec.privileges, Privileges::Nothing);
    assert!(spec.read_only && spec.pids.is_some());
    assert_eq!(spec.user.as_deref(), Some("65532:65532"));
}

#[test]
fn another_image_is_given_no_option_that_its_program_may_not_know() {
    let proxy_image = ProxyImage::Custom(ImageRef("relay:1".into()));
    let plan = plan(&Desired { forwards: ports(&[6000]), proxy_image, ..wish() }, &empty()).unwrap();
    let Some(Action::Run { candidates }) = plan.actions().last() else { panic!("no sidecar") };
    assert_eq!(candidates.preferred.args, ["--port", "6000", "--to", "gateway"]);
}
