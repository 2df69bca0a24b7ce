//! What holds for every wish and every state.

use docker_assemble::desired::{
    Choice, Desired, File, ImageRef, ProxyImage, PullPolicy, Security, Settings, VolumeName,
};
use docker_assemble::forward::Forward;
use docker_assemble::observed::{Container, ContainerId, Observed, Sidecar, State};
use docker_assemble::plan::action::Action;
use docker_assemble::plan::diff::Effect;
use docker_assemble::plan::{Plan, STOP_GRACE, plan, prepare, teardown};
use proptest::prelude::*;

use crate::world::{self, IMAGE, PROXY, chosen, empty, forwards, port, secured, started, wish};

fn wishes() -> impl Strategy<Value = Desired> {
    (
        prop::sample::subsequence(
            vec![
                "80",
                "5000",
                "4990-5010",
                "6000:5000",
                "7000@loopback",
                "7001:7000@loopback",
                "8000-8009:8100-8109@loopback",
                "8005:8105@loopback",
                "8005-8015:8105-8115@loopback",
                "9000=192.0.2.7",
                "65535",
            ],
            0..5,
        ),
        prop::sample::select(vec![PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never]),
        prop::sample::select(vec![Security::Auto, Security::Privileged, Security::Restricted]),
        prop::sample::select(vec![IMAGE, "docker.io/moby/buildkit:buildx-stable-1", "other:1"]),
        prop::bool::ANY,
        prop::bool::ANY,
        (prop::bool::ANY, prop::bool::ANY, prop::bool::ANY),
        prop::sample::subsequence(
            vec![
                (Choice::Memory, ""),
                (Choice::Memory, "1g"),
                (Choice::MemorySwap, "3g"),
                (Choice::Cpus, "1"),
                (Choice::Restart, "no"),
                (Choice::Env, "A=1"),
                (Choice::AddHost, "r:192.0.2.7"),
                (Choice::Entitlements, "security.insecure"),
            ],
            0..4,
        ),
    )
        .prop_map(|(wanted, pull, security, image, named, own, (recreate, config, proxied), options)| {
            Desired {
                forwards: forwards(&wanted.join(",")),
                pull,
                settings: Settings {
                    security,
                    cache_volume: named.then(|| VolumeName("mine".to_owned())),
                    chosen: chosen(&options),
                },
                image: ImageRef(image.to_owned()),
                proxy_image: if own {
                    ProxyImage::Custom(ImageRef("own:1".to_owned()))
                } else {
                    wish().proxy_image
                },
                files: if config {
                    vec![File {
                        path: "/etc/buildkit/buildkitd.toml".to_owned(),
                        content: "debug = true".to_owned(),
                    }]
                } else {
                    Vec::new()
                },
                proxies: if proxied { vec!["HTTP_PROXY=http://p:1".to_owned()] } else { Vec::new() },
                recreate,
                ..wish()
            }
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
    fn changed(made: Container)(state in states(), started_at in times(), bare in prop::bool::weighted(0.1), ill in prop::bool::weighted(0.1)) -> Container {
        let mut container = Container { state, started_at, ..made.clone() };
        container.unhealthy = ill;
        if bare {
            container.labels.clear();
        }
        container
    }
}

/// States as an earlier wish, accidents and other people leave them.
fn worlds() -> impl Strategy<Value = Observed> {
    let base = (wishes(), prop::bool::ANY, prop::bool::ANY).prop_flat_map(|(earlier, exists, privileged)| {
        let mut world = started(&Desired {
            settings: secured(earlier.settings.security),
            pull: PullPolicy::Missing,
            ..earlier
        });
        if let Some(backend) = &mut world.backend {
            backend.settings.security = privileged.into();
        }
        let backend = world.backend.take().unwrap();
        let sidecars: Vec<_> = world
            .sidecars
            .drain(..)
            .map(|sidecar| {
                let Sidecar { ports, target, container, .. } = sidecar;
                let beside = prop::sample::select(vec![None, Some(true), Some(false)]);
                (beside, changed(container)).prop_map(move |(beside_backend, container)| Sidecar {
                    ports,
                    target: target.clone(),
                    beside_backend,
                    container,
                })
            })
            .collect();
        // Or one that nobody is there for.
        let dialer = world.dialer.take().unwrap_or_else(|| world::container("dialer", Default::default()));
        (Just(world), Just(exists), changed(backend), sidecars, changed(dialer))
    });
    let any = || prop::bool::ANY;
    let flags = (any(), any(), any(), any(), any(), any());
    let rare = || prop::bool::weighted(0.1);
    (base, flags, rare(), rare(), rare(), rare()).prop_map(
        |((world, exists, backend, sidecars, dialer), flags, foreign, stray, aside, lost)| {
            let (mine, conventional, proxy, dials, socket, unread) = flags;
            let mut world = Observed {
                backend: exists.then_some(backend),
                sidecars,
                dialer: dials.then_some(dialer),
                ..world
            };
            if unread {
                world.noted = None;
            }
            let volume = wish().user.dialer_volume();
            world.socket_volumes = socket.then_some(volume).into_iter().collect();
            world.volumes = world.socket_volumes.clone();
            world.volumes.extend(mine.then(|| VolumeName("mine".to_owned())));
            world.volumes.extend(conventional.then(|| wish().user.cache_volume()));
            if !proxy {
                world.images.remove(&ImageRef(PROXY.to_owned()));
            }
            world.foreign.extend(foreign.then(|| wish().user.sidecar(&Forward::plain(port(5000)))));
            if aside && let Some(old) = world.backend.clone() {
                let name = old.name.aside("0123");
                let id = ContainerId("aside".to_owned());
                world.replaced.push(Container { id, name, state: State::Exited, ..old });
            }
            if lost {
                world.backend = None;
            }
            world.tell_unfinished();
            world.strays.extend(stray.then(|| world::container("stray", Default::default())));
            world
        },
    )
}

proptest! {
    #[test]
    fn planning_twice_yields_nothing(wish in wishes(), world in worlds()) {
        let world = world.after(&prepare(&wish, &world));
        let puts_back = |action: &Action| matches!(action, Action::PutBack { .. });
        prop_assert!(!prepare(&wish, &world).actions().any(puts_back));
        if let Ok(first) = plan(&wish, &world) {
            let after = world.after(&first);
            let second = plan(&wish, &after);
            prop_assert!(second.as_ref().is_ok_and(Plan::is_empty), "{second:?} after {first:?}");
            let loopback = wish.loopback_ports().next().is_some();
            prop_assert_eq!(after.dialer.is_some(), loopback);
            prop_assert_eq!(!after.socket_volumes.is_empty(), loopback || (!after.strays.is_empty() && !world.socket_volumes.is_empty()));
            let wanted: Vec<_> = wish.forwards.iter().cloned().collect();
            prop_assert_eq!(after.forwards(), wanted.clone());
            prop_assert_eq!((after.wanted(), after.missing()), (wanted, vec![]));
            prop_assert!(!after.is_unsettled() && after.replaced.is_empty() && after.unfinished.is_none());
            // What differs still is known to, and is nothing that the user named; a wish to have it all is one.
            let left = &second.unwrap().left_alone;
            prop_assert!(left.iter().all(|difference| difference.effect() == Effect::Ignore), "{left:?}");
            prop_assert!(left.is_empty() || !wish.recreate, "{left:?}");
        }
    }

    #[test]
    fn a_start_removes_no_living_backend_unasked_and_nothing_of_others(wish in wishes(), world in worlds()) {
        let Ok(plan) = plan(&wish, &world) else { return Ok(()) };
        let known = |id: &ContainerId| world.sidecars.iter().any(|sidecar| sidecar.container.id == *id);
        for action in plan.actions() {
            if let Action::Remove { id, .. } | Action::SetAside { id, .. } = action {
                if world.replaced.iter().chain(&world.unfinished).any(|old| old.id == *id) {
                    continue;
                }
                let backend = world.backend.as_ref().filter(|backend| backend.id == *id);
                let dials = world.dialer.as_ref().is_some_and(|dialer| dialer.id == *id);
                prop_assert!(backend.is_some() || dials || known(id));
                prop_assert!(wish.recreate || backend.is_none_or(|backend| backend.state != State::Running));
            }
        }
    }

    /// Two relays cannot listen on one port.
    #[test]
    fn no_sidecar_starts_beside_one_with_a_port_of_it(wish in wishes(), world in worlds()) {
        let Ok(plan) = plan(&wish, &world) else { return Ok(()) };
        let mut world = world;
        for action in plan.actions() {
            let one = Plan { stages: vec![vec![action.clone()]], ..Plan::default() };
            world = world.after(&one);
            if let Action::Run { .. } = action {
                let pairs = world.sidecars.windows(2);
                let clash = pairs.filter(|pair| pair[0].ports.overlaps(pair[1].ports)).count();
                prop_assert_eq!(clash, 0, "{:?} {:?}", action, world.sidecars);
            }
        }
    }

    /// A clock may be set, and an engine keep the network over a restart: what is stale is told by the kernel.
    #[test]
    fn when_containers_were_started_changes_no_plan(
        wish in wishes(),
        world in worlds(),
        times in prop::collection::vec(times(), 16),
    ) {
        let mut elsewhen = world.clone();
        let sidecars = elsewhen.sidecars.iter_mut().map(|sidecar| &mut sidecar.container);
        let placed = elsewhen.backend.iter_mut().chain(&mut elsewhen.unfinished).chain(&mut elsewhen.dialer);
        let unplaced = elsewhen.replaced.iter_mut().chain(&mut elsewhen.strays);
        for (container, time) in placed.chain(sidecars).chain(unplaced).zip(times.iter().cycle()) {
            container.started_at.clone_from(time);
        }
        prop_assert_eq!(prepare(&wish, &elsewhen), prepare(&wish, &world));
        prop_assert_eq!(plan(&wish, &elsewhen), plan(&wish, &world));
        prop_assert_eq!(teardown(&elsewhen, STOP_GRACE), teardown(&world, STOP_GRACE));
    }

    #[test]
    fn a_teardown_leaves_nothing(world in worlds()) {
        let after = world.after(&teardown(&world, STOP_GRACE));
        prop_assert!(after.backend.is_none() && after.sidecars.is_empty() && after.strays.is_empty());
        prop_assert!(after.dialer.is_none() && after.socket_volumes.is_empty());
        prop_assert!(after.replaced.is_empty() && after.unfinished.is_none());
        prop_assert!(teardown(&after, STOP_GRACE).is_empty());
    }
}

#[test]
fn an_empty_engine_is_where_it_begins() {
    assert!(teardown(&empty(), STOP_GRACE).is_empty());
}
