//! The planner and what ports lead to: other ports, other hosts, the host's loopback.

use docker_assemble::desired::{Desired, Port};
use docker_assemble::forward::{Forward, Target};
use docker_assemble::observed::{Observed, State};
use docker_assemble::plan::action::Action;
use docker_assemble::plan::{PlanError, STOP_GRACE, plan, teardown};
use docker_assemble::spec::{Mount, Network, Privileges};

use crate::steps::{stages, steps};
use crate::world::{self, empty, forwards, started, wish};

#[test]
fn a_loopback_forward_brings_a_dialer_before_its_sidecars() {
    let wish = Desired { forwards: forwards("5000@loopback,6000:7000@loopback,80"), ..wish() };
    assert_eq!(
        steps(&wish, &empty()),
        [
            vec!["run B x2"],
            vec!["create volume B-dialer"],
            vec!["run B-dialer x1"],
            vec!["run B-proxy-port-80 x1", "run B-proxy-port-5000 x1", "run B-proxy-port-6000-to-7000 x1"],
        ]
    );
    let plan = plan(&wish, &empty()).unwrap();
    let specs: Vec<_> = plan
        .actions()
        .filter_map(|action| match action {
            Action::Run { candidates } => Some(&candidates.preferred),
            _ => None,
        })
        .collect();
    let [_, dialer, plain, same, mapped] = specs[..] else { panic!("{specs:?}") };
    assert_eq!(dialer.args, ["dial", "--socket", "/run/assemble/dial.sock", "--allow", "5000,7000"]);
    assert_eq!(dialer.env, ["ASSEMBLE_PROXY_SOCKET=/run/assemble/dial.sock"]);
    assert_eq!((&dialer.network, &dialer.privileges), (&Network::Host, &Privileges::Nothing));
    assert!(dialer.read_only && dialer.pids.is_some());
    assert_eq!(dialer.user.as_deref(), Some("65532:65532"));
    let volume = docker_assemble::spec::socket_volume(&wish.user);
    let [own, shared] = [false, true].map(|read_only| Mount::Own {
        volume: volume.clone(),
        target: "/run/assemble".to_owned(),
        read_only,
    });
    assert_eq!(
        (&dialer.mounts[..], &same.mounts[..], &plain.mounts[..]),
        (&[own][..], &[shared][..], &[][..])
    );
    assert_eq!(same.args[..6], ["--port", "5000", "--to", "loopback", "--dialer", "/run/assemble/dial.sock"]);
    assert_eq!(mapped.args[2..4], ["--to", "loopback:7000"]);
}

#[test]
fn a_target_is_what_its_sidecar_is_told() {
    for (words, args, label) in [
        ("5000:5001", ["--port", "5000", "--to", "gateway:5001"], "gateway:5001"),
        ("5432=192.0.2.7:5433", ["--port", "5432", "--to", "192.0.2.7:5433"], "192.0.2.7:5433"),
        ("1=[2001:db8::7]", ["--port", "1", "--to", "[2001:db8::7]:1"], "[2001:db8::7]:1"),
        ("1=db.internal:2", ["--port", "1", "--to", "db.internal:2"], "db.internal:2"),
    ] {
        let plan = plan(&Desired { forwards: forwards(words), ..wish() }, &empty()).unwrap();
        let Some(Action::Run { candidates }) = plan.actions().last() else { panic!("no sidecar") };
        assert_eq!(candidates.preferred.args[..4], args);
        assert_eq!(candidates.preferred.labels["io.github.docker-assemble.target"], label);
    }
}

/// What a name meant at the start goes to the relay beside it. A backend that an older version
/// made, with a sidecar that goes by that address alone, is brought up to date.
#[test]
fn a_name_goes_to_the_relay_with_what_it_meant() {
    let port = Port::new(5432).unwrap();
    let (name, addr) = ("db".to_owned(), [192, 0, 2, 7].into());
    let with = |target| Desired { forwards: [Forward { ports: port.into(), target }].into(), ..wish() };
    let followed = with(Target::Name { name: name.parse().unwrap(), fallback: Some(addr), port });
    let plan = plan(&followed, &empty()).unwrap();
    let Some(Action::Run { candidates }) = plan.actions().last() else { panic!("no sidecar") };
    assert_eq!(
        candidates.preferred.args[..6],
        ["--port", "5432", "--to", "db:5432", "--fallback", "192.0.2.7"]
    );
    assert_eq!(candidates.preferred.labels["io.github.docker-assemble.target"], "db:5432=192.0.2.7");
    assert!(steps(&followed, &started(&followed)).is_empty());

    let fixed = started(&with(Target::Host { name, addr, port }));
    assert_eq!(
        steps(&followed, &fixed),
        [
            vec!["note 5432 db:5432=192.0.2.7"],
            vec!["set aside B-proxy-port-5432 (Changed)"],
            vec!["run B-proxy-port-5432 x1"],
            vec!["remove B-proxy-port-5432 (Changed)"],
        ]
    );
}

#[test]
fn another_target_touches_only_its_sidecar() {
    let world = started(&Desired { forwards: forwards("5000,6000"), ..wish() });
    let mapped = Desired { forwards: forwards("5000:5001,6000"), ..wish() };
    assert_eq!(
        steps(&mapped, &world),
        [
            vec!["note 5000 gateway:5001, 6000 gateway"],
            vec!["set aside B-proxy-port-5000 (Changed)"],
            vec!["run B-proxy-port-5000-to-5001 x1"],
            vec!["remove B-proxy-port-5000 (Changed)"],
        ]
    );
    let loopback = Desired { forwards: forwards("5000@loopback,6000"), ..wish() };
    assert_eq!(
        steps(&loopback, &world),
        [
            vec!["note 5000 loopback, 6000 gateway"],
            vec!["set aside B-proxy-port-5000 (Changed)"],
            vec!["create volume B-dialer"],
            vec!["run B-dialer x1"],
            vec!["run B-proxy-port-5000 x1"],
            vec!["remove B-proxy-port-5000 (Changed)"],
        ]
    );
}

#[test]
fn a_changed_list_replaces_the_dialer_alone() {
    let world = started(&Desired { forwards: forwards("5000@loopback"), ..wish() });
    let more = Desired { forwards: forwards("5000@loopback,6000@loopback"), ..wish() };
    assert_eq!(
        steps(&more, &world),
        [
            vec!["note 5000 loopback, 6000 loopback"],
            vec!["set aside B-dialer (Changed)"],
            vec!["run B-dialer x1"],
            vec!["run B-proxy-port-6000 x1"],
            vec!["remove B-dialer (Changed)"],
        ]
    );
    let mut dead = world.clone();
    dead.dialer.as_mut().unwrap().state = State::Exited;
    let same = Desired { forwards: forwards("5000@loopback"), ..wish() };
    assert_eq!(steps(&same, &dead), [vec!["remove B-dialer (Ended)"], vec!["run B-dialer x1"]]);
    // It serves whatever run of the backend there is.
    let mut restarted = world;
    restarted.sidecars[0].beside_backend = Some(false);
    assert_eq!(
        steps(&same, &restarted),
        [vec!["remove B-proxy-port-5000 (Stale)"], vec!["run B-proxy-port-5000 x1"]]
    );
}

#[test]
fn the_dialer_and_its_volume_go_with_the_last_that_needs_them() {
    let mut world = started(&Desired { forwards: forwards("5000@loopback"), ..wish() });
    assert_eq!(
        steps(&wish(), &world),
        [
            vec!["note 5000 gateway"],
            vec!["set aside B-proxy-port-5000 (Changed)"],
            vec!["run B-proxy-port-5000 x1"],
            vec!["remove B-proxy-port-5000 (Changed)", "remove B-dialer (Idle)"],
            vec!["remove volume B-dialer"],
        ]
    );
    assert_eq!(
        stages(&teardown(&world, STOP_GRACE)),
        [
            vec!["remove B-proxy-port-5000 (Asked)", "remove B-dialer (Asked)"],
            vec!["remove B (Asked)"],
            vec!["remove volume B-dialer"],
        ]
    );
    // A stray may still have it mounted.
    world.strays.push(world::container("stray", Default::default()));
    assert_eq!(steps(&wish(), &world).len(), 4);
}

#[test]
fn a_dialers_names_are_never_freed() {
    let wish = Desired { forwards: forwards("5000@loopback"), ..wish() };
    let world = Observed { foreign: vec![wish.user.dialer()], ..empty() };
    assert_eq!(plan(&wish, &world).unwrap_err(), PlanError::Foreign { name: wish.user.dialer() });
    assert!(plan(&world::wish(), &world).is_ok(), "nobody needs that name");

    let world = Observed { volumes: vec![wish.user.dialer_volume()], ..empty() };
    let error = plan(&wish, &world).unwrap_err();
    assert_eq!(error, PlanError::ForeignVolume { name: wish.user.dialer_volume() });
    assert!(plan(&world::wish(), &world).is_ok());
}

#[test]
fn a_range_is_one_sidecar_which_ports_beside_it_leave_alone() {
    let range = Desired { forwards: forwards("8000-8099"), ..wish() };
    assert_eq!(steps(&range, &empty()), [vec!["run B x2"], vec!["run B-proxy-port-8000-8099 x1"]]);
    let plan = plan(&range, &empty()).unwrap();
    let Some(Action::Run { candidates }) = plan.actions().last() else { panic!("no sidecar") };
    let (sidecar, labels) = (&candidates.preferred, &candidates.preferred.labels);
    assert_eq!(sidecar.args[..4], ["--port", "8000-8099", "--to", "gateway"]);
    assert_eq!(sidecar.env, ["ASSEMBLE_PROXY_PORT=8000-8099"]);
    assert_eq!(labels["io.github.docker-assemble.port"], "8000-8099");
    assert_eq!(labels["io.github.docker-assemble.target"], "gateway");
    let one = docker_assemble::spec::sidecar(&wish(), &Forward::plain(Port::new(8000).unwrap()));
    // Two listeners each.
    assert_eq!(sidecar.descriptors, one.descriptors.map(|most| most + 2 * 99));

    let more = Desired { forwards: forwards("8000-8099,8100"), ..wish() };
    assert_eq!(
        steps(&more, &started(&range)),
        [vec!["note 8000-8099 gateway, 8100 gateway"], vec!["run B-proxy-port-8100 x1"]]
    );
    let mapped = Desired { forwards: forwards("8000-8099:9000-9099@loopback"), ..wish() };
    let Some(Action::Run { candidates }) =
        docker_assemble::plan::plan(&mapped, &empty()).unwrap().actions().last().cloned()
    else {
        panic!("no sidecar")
    };
    assert_eq!(candidates.preferred.args[..4], ["--port", "8000-8099:9000-9099", "--to", "loopback"]);
    assert_eq!(candidates.preferred.labels["io.github.docker-assemble.target"], "loopback:9000");
    let dialer = docker_assemble::spec::dialer(&mapped).unwrap();
    assert_eq!(dialer.args[3..], ["--allow", "9000-9099"]);
}

/// As versions made them that had a sidecar for each port: they hold the ports until they have left.
#[test]
fn sidecars_of_single_ports_make_way_for_one_of_a_range() {
    let singles = started(&Desired { forwards: forwards("5000,8000,8001,8002"), ..wish() });
    let range = Desired { forwards: forwards("5000,8000-8002"), ..wish() };
    assert_eq!(
        steps(&range, &singles),
        [
            vec!["note 5000 gateway, 8000-8002 gateway"],
            vec![
                "set aside B-proxy-port-8000 (Divided)",
                "set aside B-proxy-port-8001 (Divided)",
                "set aside B-proxy-port-8002 (Divided)",
            ],
            vec!["run B-proxy-port-8000-8002 x1"],
            vec![
                "remove B-proxy-port-8000 (Divided)",
                "remove B-proxy-port-8001 (Divided)",
                "remove B-proxy-port-8002 (Divided)",
            ],
        ]
    );
    // What serves nobody has nothing to come back for.
    let mut ended = singles.clone();
    ended.sidecars[1].container.state = State::Exited;
    let steps = steps(&range, &ended);
    assert!(steps[1].contains(&"remove B-proxy-port-8000 (Divided)".to_owned()), "{steps:?}");
}

#[test]
fn a_port_out_of_a_range_leaves_two() {
    let range = started(&Desired { forwards: forwards("8000-8099"), ..wish() });
    let rest = Desired { forwards: forwards("8000-8004,8006-8099"), forwards_only: true, ..wish() };
    assert_eq!(
        steps(&rest, &range),
        [
            vec!["note 8000-8004 gateway, 8006-8099 gateway"],
            vec!["set aside B-proxy-port-8000-8099 (Divided)"],
            vec!["run B-proxy-port-8000-8004 x1", "run B-proxy-port-8006-8099 x1"],
            vec!["remove B-proxy-port-8000-8099 (Divided)"],
        ]
    );
}
