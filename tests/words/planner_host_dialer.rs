//! Plans where the dialer is a process on this host, as a rootless engine needs it.

use docker_assemble::desired::Desired;
use docker_assemble::observed::Observed;
use docker_assemble::plan::action::Action;
use docker_assemble::plan::{STOP_GRACE, plan, teardown};
use docker_assemble::spec::{HostDialer, Mount};

use crate::steps::{stages, steps};
use crate::world::{empty, forwards, started, wish};

const DIRECTORY: &str = "/run/user/7/docker-assemble-0";

fn dialling(ports: &str) -> Desired {
    Desired { forwards: forwards(ports), dialer_directory: Some(DIRECTORY.to_owned()), ..wish() }
}

/// The command line of the dialer that a plan runs.
fn command(wish: &Desired, world: &Observed) -> Vec<String> {
    let plan = plan(wish, world).unwrap();
    let of = |action: &Action| match action {
        Action::Dial { dialer, .. } => Some(dialer.command()),
        _ => None,
    };
    plan.actions().find_map(of).unwrap()
}

#[test]
fn a_process_takes_the_place_of_the_dialers_container_and_volume() {
    let wish = dialling("5000@loopback,6000");
    assert_eq!(
        steps(&wish, &empty()),
        [vec!["run B x2"], vec!["dial 5000"], vec!["run B-proxy-port-5000 x1", "run B-proxy-port-6000 x1"]]
    );
    let socket = format!("{DIRECTORY}/dial.sock");
    let program = format!("{DIRECTORY}/assemble-proxy-0123456789ab");
    let line = command(&wish, &empty());
    assert_eq!(line, [&program, "dial", "--socket", &socket, "--allow", "5000"]);
    assert_eq!(HostDialer::of(DIRECTORY, &line).unwrap().command(), line);
    assert!(steps(&wish, &started(&wish)).is_empty());
}

/// The directory is the user's alone, and so is the sidecar that asks there; the other knows nothing of it.
#[test]
fn only_the_sidecar_that_asks_has_the_directory_and_its_owner() {
    let wish = dialling("5000@loopback,6000");
    let plan = plan(&wish, &empty()).unwrap();
    let sidecars: Vec<_> = plan.stages.last().unwrap().iter().collect();
    let [Action::Run { candidates: asks }, Action::Run { candidates: other }] = sidecars[..] else {
        panic!()
    };
    let (source, target) = (DIRECTORY.to_owned(), "/run/assemble".to_owned());
    assert_eq!(asks.preferred.mounts, [Mount::Bind { source, target, read_only: true }]);
    assert_eq!(
        (asks.preferred.user.as_deref(), other.preferred.user.as_deref()),
        (Some("0:0"), Some("65532:65532"))
    );
    assert_eq!(asks.preferred.labels["io.github.docker-assemble.dialer-directory"], DIRECTORY);
    assert_eq!(
        (&other.preferred.mounts[..], other.preferred.labels.len()),
        (&[][..], asks.preferred.labels.len() - 1)
    );
}

#[test]
fn another_list_and_a_dead_process_replace_the_dialer_alone() {
    let world = started(&dialling("5000@loopback"));
    let more = dialling("5000@loopback,6000@loopback");
    assert_eq!(
        steps(&more, &world),
        [vec!["note 5000 loopback, 6000 loopback"], vec!["dial 5000,6000"], vec!["run B-proxy-port-6000 x1"],]
    );
    let mut dead = world.clone();
    dead.host_dialers[0].process = None;
    assert_eq!(steps(&dialling("5000@loopback"), &dead), [vec!["dial 5000"]]);
    // One of another version goes by another name.
    let mut old = world;
    old.host_dialers[0].process.as_mut().unwrap().command[0].push('x');
    assert_eq!(steps(&dialling("5000@loopback"), &old), [vec!["dial 5000"]]);
}

/// A directory that is made anew is another one than the sidecar has mounted.
#[test]
fn a_sidecar_whose_directory_is_gone_is_replaced_with_the_dialer() {
    let wish = dialling("5000@loopback,6000");
    let mut world = started(&wish);
    world.host_dialers.clear();
    assert_eq!(
        steps(&wish, &world),
        [vec!["remove B-proxy-port-5000 (Cut)"], vec!["dial 5000"], vec!["run B-proxy-port-5000 x1"],]
    );
}

#[test]
fn a_process_that_nobody_asks_any_more_goes_last() {
    let world = started(&dialling("5000@loopback"));
    let gateway = dialling("5000");
    assert_eq!(
        steps(&gateway, &world),
        [
            vec!["note 5000 gateway"],
            vec!["set aside B-proxy-port-5000 (Changed)"],
            vec!["run B-proxy-port-5000 x1"],
            vec!["remove B-proxy-port-5000 (Changed)"],
            vec!["end the dialer"],
        ]
    );
    // So does one where it is a container from now on, and a container where it is a process.
    let container = Desired { dialer_directory: None, ..dialling("5000@loopback") };
    let last = |steps: Vec<Vec<String>>| steps.last().unwrap().clone();
    assert_eq!(last(steps(&container, &world)), ["end the dialer"]);
    assert_eq!(last(steps(&dialling("5000@loopback"), &started(&container))), ["remove volume B-dialer"]);
}

#[test]
fn a_stop_ends_the_process_when_nobody_asks_it_any_more() {
    let world = started(&dialling("5000@loopback"));
    let plan = teardown(&world, STOP_GRACE);
    assert_eq!(
        stages(&plan),
        [vec!["remove B-proxy-port-5000 (Asked)"], vec!["remove B (Asked)"], vec!["end the dialer"]]
    );
    assert!(teardown(&world.after(&plan), STOP_GRACE).is_empty());
}
