//! The planner: from which state which wish leads to which actions.

use docker_assemble::desired::{
    Desired, File, ImageRef, ProxyImage, PullPolicy, Security, Settings, VolumeName,
};
use docker_assemble::forward::Forward;
use docker_assemble::observed::{Observed, State};
use docker_assemble::plan::action::Reason;
use docker_assemble::plan::diff::Field;
use docker_assemble::plan::{PlanError, STOP_GRACE, plan, prepare, teardown};
use docker_assemble::spec::daemon::CONFIG_FILE;

use crate::steps::{backend_candidates, stages, steps};
use crate::world::{self, IMAGE, PROXY, cached, empty, forwards, port, ports, secured, started, wish};

#[test]
fn everything_is_made_where_there_is_nothing() {
    let mut world = empty();
    world.images.clear();
    assert_eq!(
        steps(&wish(), &world),
        [
            vec![format!("pull {IMAGE}"), format!("load {PROXY}")],
            vec!["run B x2".to_owned()],
            vec!["run B-proxy-port-5000 x1".to_owned()],
        ]
    );
}

#[test]
fn images_that_are_there_are_taken() {
    assert_eq!(steps(&wish(), &empty()), [vec!["run B x2"], vec!["run B-proxy-port-5000 x1"]]);
}

#[test]
fn sidecars_start_together() {
    let wish = Desired { forwards: ports(&[5000, 6000, 7000]), ..wish() };
    assert_eq!(steps(&wish, &empty())[1].len(), 3);
}

#[test]
fn without_ports_there_is_no_sidecar_nor_image_for_it() {
    let mut world = empty();
    world.images.remove(&ImageRef(PROXY.to_owned()));
    let wish = Desired { forwards: ports(&[]), ..wish() };
    assert_eq!(steps(&wish, &world), [vec!["run B x2"]]);
    let backend = &backend_candidates(&wish, &world).preferred;
    assert_eq!(backend.sysctls.get("net.ipv4.ip_local_reserved_ports"), None);
}

#[test]
fn the_same_wish_again_is_nothing() {
    assert!(plan(&wish(), &started(&wish())).unwrap().is_empty());
}

#[test]
fn ports_touch_only_sidecars() {
    let world = started(&Desired { forwards: ports(&[5000, 6000]), ..wish() });
    let wish = Desired { forwards: ports(&[6000, 7000]), ..wish() };
    assert_eq!(
        steps(&wish, &world),
        [
            vec!["note 6000 gateway, 7000 gateway"],
            vec!["run B-proxy-port-7000 x1"],
            vec!["remove B-proxy-port-5000 (Unwanted)"],
        ]
    );
}

#[test]
fn what_fails_its_health_check_is_replaced_but_for_the_backend() {
    let wish = Desired { forwards: forwards("5000@loopback"), ..wish() };
    let mut world = started(&wish);
    world.backend.as_mut().unwrap().unhealthy = true;
    assert!(plan(&wish, &world).unwrap().is_empty(), "builds may be running");
    world.sidecars[0].container.unhealthy = true;
    world.dialer.as_mut().unwrap().unhealthy = true;
    assert_eq!(
        steps(&wish, &world),
        [
            vec!["remove B-proxy-port-5000 (Unhealthy)", "remove B-dialer (Unhealthy)"],
            vec!["run B-dialer x1"],
            vec!["run B-proxy-port-5000 x1"],
        ]
    );
}

#[test]
fn a_backend_is_told_of_its_forwards_when_they_change() {
    let world = started(&wish());
    assert_eq!(world.noted, Some(vec![Forward::plain(port(5000))]));
    let none = Desired { forwards: ports(&[]), ..wish() };
    assert_eq!(steps(&none, &world), [vec!["note "], vec!["remove B-proxy-port-5000 (Unwanted)"]]);
    assert_eq!(world.after(&plan(&none, &world).unwrap()).noted, Some(vec![]));
    // What a person removed stays wanted, and is made again.
    let mut bare = world.clone();
    bare.sidecars.clear();
    assert_eq!((bare.missing(), bare.wanted()), (vec![Forward::plain(port(5000))], bare.missing()));
    assert_eq!(steps(&wish(), &bare), [vec!["run B-proxy-port-5000 x1"]]);
    // One that an earlier version made has no note, and cannot be told from one that cannot be read.
    let unknown = Observed { noted: None, ..world };
    assert_eq!(steps(&none, &unknown), [vec!["remove B-proxy-port-5000 (Unwanted)"]]);
    assert_eq!((unknown.missing(), unknown.wanted()), (vec![], unknown.forwards()));
}

#[test]
fn a_backend_that_ended_keeps_its_cache() {
    let mut world = started(&wish());
    world.backend.as_mut().unwrap().state = State::Exited;
    assert_eq!(
        steps(&wish(), &world),
        [vec!["remove B-proxy-port-5000 (Stale)"], vec!["start B"], vec!["run B-proxy-port-5000 x1"]]
    );
}

#[test]
fn a_backend_that_ended_makes_way_for_other_settings_when_that_is_asked_for() {
    let mut world = started(&wish());
    world.backend.as_mut().unwrap().state = State::Exited;
    let other = Desired { settings: secured(Security::Restricted), ..wish() };
    assert!(matches!(plan(&other, &world), Err(PlanError::NeedsNewBackend { .. })), "its cache is in it");
    let wish = Desired { recreate: true, ..other };
    let [aside, run, .., gone] = &steps(&wish, &world)[1..] else { panic!("too few steps") };
    assert_eq!(
        (&aside[0][..], &run[0][..], &gone[0][..]),
        ("set aside B (Changed)", "run B x1", "remove B (Changed)")
    );
}

#[test]
fn a_backend_that_never_ran_is_made_anew() {
    for state in [State::Created, State::Dead, State::Removing] {
        let mut world = started(&wish());
        world.backend.as_mut().unwrap().state = state;
        assert_eq!(steps(&wish(), &world)[1..3], [vec!["remove B (Ended)"], vec!["run B x2"]]);
    }
}

#[test]
fn dead_and_stale_sidecars_are_replaced() {
    let mut dead = started(&wish());
    dead.sidecars[0].container.state = State::Exited;
    let mut stale = started(&wish());
    stale.sidecars[0].beside_backend = Some(false);
    for (world, reason) in [(dead, Reason::Ended), (stale, Reason::Stale)] {
        assert_eq!(
            steps(&wish(), &world),
            [
                vec![format!("remove B-proxy-port-5000 ({reason:?})")],
                vec!["run B-proxy-port-5000 x1".to_owned()]
            ]
        );
    }
}

#[test]
fn a_sidecar_that_serves_is_kept_until_another_one_does() {
    let mut changed = started(&wish());
    changed.sidecars[0].container.labels.clear();
    assert_eq!(
        steps(&wish(), &changed),
        [
            vec!["set aside B-proxy-port-5000 (Changed)"],
            vec!["run B-proxy-port-5000 x1"],
            vec!["remove B-proxy-port-5000 (Changed)"],
        ]
    );
}

#[test]
fn a_sidecar_that_outlived_its_backend_is_replaced() {
    let mut world = started(&wish());
    world.backend = None;
    assert_eq!(
        steps(&wish(), &world),
        [vec!["remove B-proxy-port-5000 (Stale)"], vec!["run B x2"], vec!["run B-proxy-port-5000 x1"]]
    );
}

#[test]
fn a_running_backend_is_not_replaced() {
    let mut world = started(&wish());
    world.volumes.push(VolumeName("mine".to_owned()));
    let wish = Desired {
        image: ImageRef("other:1".to_owned()),
        settings: Settings { security: Security::Restricted, ..cached("mine") },
        ..wish()
    };
    let PlanError::NeedsNewBackend { differences, .. } = plan(&wish, &world).unwrap_err() else {
        panic!("another error");
    };
    let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
    assert_eq!(fields, [Field::Image, Field::Setting("security"), Field::Setting("cache volume")]);
    let message = plan(&wish, &world).unwrap_err().to_string();
    assert!(!message.contains('\n'));
    assert!(message.contains("cache volume: has \"none\", asked for \"mine\""), "{message}");
    assert!(message.contains("'--recreate'"), "{message}");
}

#[test]
fn a_tag_that_moved_is_mentioned_and_left_alone() {
    let mut world = started(&wish());
    world.images.insert(ImageRef(IMAGE.to_owned()), "sha256:b2".to_owned());
    let plan = plan(&wish(), &world).unwrap();
    assert!(plan.is_empty());
    assert_eq!(plan.left_alone[0].field, Field::ImageContent);
}

#[test]
fn either_outcome_of_auto_is_as_wished() {
    let mut world = started(&wish());
    world.backend.as_mut().unwrap().settings.security = Security::Restricted;
    assert!(plan(&wish(), &world).unwrap().is_empty());
}

#[test]
fn a_taken_name_is_never_freed() {
    for name in [wish().user.backend(), wish().user.sidecar(&Forward::plain(port(5000)))] {
        let world = Observed { foreign: vec![name.clone()], ..empty() };
        assert_eq!(plan(&wish(), &world).unwrap_err(), PlanError::Foreign { name });
        assert!(teardown(&world, STOP_GRACE).is_empty());
    }
}

#[test]
fn a_paused_backend_is_for_a_person_to_wake() {
    let mut world = started(&wish());
    world.backend.as_mut().unwrap().state = State::Paused;
    assert!(matches!(plan(&wish(), &world), Err(PlanError::Paused { .. })));
}

#[test]
fn pulling_follows_the_policy() {
    let mut without = empty();
    without.images.remove(&ImageRef(IMAGE.to_owned()));
    let with = |pull| Desired { pull, forwards: ports(&[]), ..wish() };
    assert_eq!(steps(&with(PullPolicy::Missing), &without)[0], [format!("pull {IMAGE}")]);
    let first = |pull, world: &Observed| stages(&prepare(&with(pull), world));
    assert_eq!(first(PullPolicy::Always, &empty()), [[format!("pull {IMAGE} or not")]]);
    assert_eq!(first(PullPolicy::Always, &without), [[format!("pull {IMAGE}")]]);
    for pull in [PullPolicy::Missing, PullPolicy::Never] {
        assert!(first(pull, &without).is_empty(), "{pull:?}");
    }
    // Nothing but a pull tells whether there is something newer than what runs.
    let running = started(&with(PullPolicy::Always));
    assert_eq!(first(PullPolicy::Always, &running), [[format!("pull {IMAGE} or not")]]);
    assert_eq!(steps(&with(PullPolicy::Never), &empty())[0], ["run B x2"]);
    assert!(matches!(plan(&with(PullPolicy::Never), &without), Err(PlanError::NoImage { .. })));
}

#[test]
fn another_architecture_needs_another_sidecar() {
    let mut world = empty();
    world.arch = "arm64".to_owned();
    let error = plan(&wish(), &world).unwrap_err();
    assert!(matches!(error, PlanError::Architecture { .. }));
    let words = error.to_string();
    assert!(
        words.contains("assemble-proxy-linux-arm64.oci.tar")
            && words.contains("--proxy-image docker-assemble-proxy:")
    );
    let own = Desired { proxy_image: ProxyImage::Custom(ImageRef("my/proxy".to_owned())), ..wish() };
    assert_eq!(steps(&own, &world)[0], ["pull my/proxy"]);
    assert!(plan(&Desired { forwards: ports(&[]), ..wish() }, &world).is_ok());
}

#[test]
fn teardown_takes_sidecars_first_and_leaves_nothing() {
    let mut world = started(&Desired { forwards: ports(&[5000, 6000]), ..wish() });
    world.strays.push(world::container("stray", Default::default()));
    let plan = teardown(&world, STOP_GRACE);
    assert_eq!(
        stages(&plan),
        [
            vec!["remove B-proxy-port-5000 (Asked)", "remove B-proxy-port-6000 (Asked)"],
            vec!["remove B (Asked)", "remove name-of-stray (Asked)"],
        ]
    );
    assert!(teardown(&world.after(&plan), STOP_GRACE).is_empty());
    world.backend = None;
    assert_eq!(stages(&teardown(&world, STOP_GRACE)).len(), 2, "orphans are found too");
}

#[test]
fn another_configuration_needs_a_new_backend() {
    let file = |content: &str| File { path: CONFIG_FILE.to_owned(), content: content.to_owned() };
    let with = |content| Desired { files: vec![file(content)], ..wish() };
    let world = started(&with("debug = true"));
    assert!(plan(&with("debug = true"), &world).unwrap().is_empty());
    for (other, difference) in [(with("debug = false"), "differs in"), (wish(), "has")] {
        let words = plan(&other, &world).unwrap_err().to_string();
        assert!(words.contains(&format!("configuration: {difference} \"config debug\"")), "{words}");
        let again = Desired { recreate: true, ..other };
        assert_eq!(steps(&again, &world)[1..3], [vec!["set aside B (Changed)"], vec!["run B x2"]]);
    }
}
