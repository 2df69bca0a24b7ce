//! What holds for every wish and every state.

#[path = "support/world.rs"]
mod world;

use docker_assemble::desired::{
    CacheVolume, Desired, ImageRef, ProxyImage, PullPolicy, Security, VolumeName,
};
use docker_assemble::observed::{Container, ContainerId, Observed, Sidecar, State};
use docker_assemble::plan::action::Action;
use docker_assemble::plan::{STOP_GRACE, plan, teardown};
use proptest::prelude::*;
use world::{IMAGE, PROXY, empty, ports, started, wish};

fn wishes() -> impl Strategy<Value = Desired> {
    (
        prop::sample::subsequence(vec![80u16, 5000, 6000, 65535], 0..4),
        prop::sample::select(vec![PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never]),
        prop::sample::select(vec![Security::Auto, Security::Privileged, Security::Restricted]),
        prop::sample::select(vec![IMAGE, "docker.io/moby/buildkit:buildx-stable-1", "other:1"]),
        prop::bool::ANY,
        prop::bool::ANY,
    )
        .prop_map(|(wanted, pull, security, image, named, own)| Desired {
            ports: ports(&wanted),
            pull,
            security,
            image: ImageRef(image.to_owned()),
            cache: if named {
                CacheVolume::Named(VolumeName("mine".to_owned()))
            } else {
                CacheVolume::Conventional
            },
            proxy_image: if own {
                ProxyImage::Custom(ImageRef("own:1".to_owned()))
            } else {
                wish().proxy_image
            },
            ..wish()
        })
}

fn states() -> impl Strategy<Value = State> {
    use State::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
    prop::sample::select(vec![Running, Running, Running, Created, Paused, Restarting, Removing, Exited, Dead])
}

fn times() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "2024-05-01T10:00:00Z",
        "2024-05-01T10:00:00.5Z",
        "2024-05-01T10:00:00.51Z",
    ])
    .prop_map(str::to_owned)
}

prop_compose! {
    fn changed(made: Container)(state in states(), started_at in times(), bare in prop::bool::weighted(0.1)) -> Container {
        let mut container = Container { state, started_at, ..made.clone() };
        if bare {
            container.labels.clear();
        }
        container
    }
}

/// States as an earlier wish, accidents and other people leave them.
fn worlds() -> impl Strategy<Value = Observed> {
    let base = (wishes(), prop::bool::ANY, prop::bool::ANY).prop_flat_map(|(earlier, exists, privileged)| {
        let mut world =
            started(&Desired { cache: CacheVolume::Conventional, pull: PullPolicy::Missing, ..earlier });
        if let Some(backend) = &mut world.backend {
            backend.privileged = privileged;
        }
        let backend = world.backend.take().unwrap();
        let sidecars: Vec<_> = world
            .sidecars
            .drain(..)
            .map(|sidecar| {
                let Sidecar { port, container } = sidecar;
                (Just(port), changed(container)).prop_map(|(port, container)| Sidecar { port, container })
            })
            .collect();
        (Just(world), Just(exists), changed(backend), sidecars)
    });
    (base, prop::bool::ANY, prop::bool::ANY, prop::bool::ANY, prop::bool::weighted(0.1)).prop_map(
        |((world, exists, backend, sidecars), mine, conventional, proxy, foreign)| {
            let mut world = Observed { backend: exists.then_some(backend), sidecars, ..world };
            world.volumes.extend(mine.then(|| VolumeName("mine".to_owned())));
            world.volumes.extend(conventional.then(|| wish().user.cache_volume()));
            if !proxy {
                world.images.remove(&ImageRef(PROXY.to_owned()));
            }
            world.foreign.extend(foreign.then(|| wish().user.sidecar(*ports(&[5000]).first().unwrap())));
            world.strays.push(world::container("stray", Default::default()));
            world
        },
    )
}

proptest! {
    #[test]
    fn planning_twice_yields_nothing(wish in wishes(), world in worlds()) {
        if let Ok(first) = plan(&wish, &world) {
            let after = world.after(&first);
            let second = plan(&wish, &after);
            prop_assert!(second.as_ref().is_ok_and(docker_assemble::plan::Plan::is_empty), "{second:?} after {first:?}");
            let have: Vec<_> = after.sidecars.iter().map(|sidecar| sidecar.port).collect();
            prop_assert_eq!(have, wish.ports.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_start_removes_no_living_backend_and_nothing_of_others(wish in wishes(), world in worlds()) {
        let Ok(plan) = plan(&wish, &world) else { return Ok(()) };
        let known = |id: &ContainerId| world.sidecars.iter().any(|sidecar| sidecar.container.id == *id);
        for action in plan.actions() {
            if let Action::Remove { id, .. } = action {
                let backend = world.backend.as_ref().filter(|backend| backend.id == *id);
                prop_assert!(backend.is_some() || known(id));
                prop_assert!(backend.is_none_or(|backend| backend.state != State::Running));
            }
        }
    }

    #[test]
    fn a_teardown_leaves_nothing(world in worlds()) {
        let after = world.after(&teardown(&world, STOP_GRACE));
        prop_assert!(after.backend.is_none() && after.sidecars.is_empty() && after.strays.is_empty());
        prop_assert!(teardown(&after, STOP_GRACE).is_empty());
    }
}

#[test]
fn an_empty_engine_is_where_it_begins() {
    assert!(teardown(&empty(), STOP_GRACE).is_empty());
}
