//! The planner: backends that are replaced because the user said so.

use docker_assemble::desired::{Desired, ImageRef, Security, VolumeName};
use docker_assemble::observed::{Container, ContainerId, Observed, State};
use docker_assemble::plan::diff::Field;
use docker_assemble::plan::{STOP_GRACE, plan, prepare, teardown};
use docker_assemble::spec::Mount;
use docker_assemble::spec::daemon::{self, Found, Settings};

use crate::steps::{backend_candidates, stages, steps};
use crate::world::{IMAGE, cached, empty, secured, started, wish};

#[test]
fn a_new_backend_takes_over_the_volume_of_the_old() {
    let mut world = empty();
    world.volumes.push(VolumeName("mine".to_owned()));
    let first = Desired { settings: cached("mine"), ..wish() };
    world = world.after(&plan(&first, &world).unwrap());
    let wish = Desired { settings: secured(Security::Restricted), recreate: true, ..wish() };
    assert_eq!(
        steps(&wish, &world),
        [
            vec!["set aside B-proxy-port-5000 (Stale)"],
            vec!["set aside B (Changed)"],
            vec!["run B x1"],
            vec!["run B-proxy-port-5000 x1"],
            vec!["remove B-proxy-port-5000 (Stale)", "remove B (Changed)"],
        ]
    );
    let volume = VolumeName("mine".to_owned());
    let target = "/var/lib/buildkit".to_owned();
    assert!(
        backend_candidates(&wish, &world).preferred.mounts.contains(&Mount::Volume { name: volume, target }),
        "the cache goes over"
    );
    assert!(plan(&wish, &world.after(&plan(&wish, &world).unwrap())).unwrap().is_empty());
    // Even for an image that is only newer, and even a frozen one.
    let mut older = world.clone();
    older.images.insert(ImageRef(IMAGE.to_owned()), "sha256:b2".to_owned());
    assert_eq!(steps(&Desired { recreate: true, ..first }, &older)[1], ["set aside B (Changed)"]);
    world.backend.as_mut().unwrap().state = State::Paused;
    assert_eq!(steps(&wish, &world)[1], ["set aside B (Changed)"]);
}

/// A backend that was set aside, and a successor in this state.
fn interrupted(successor: Option<State>) -> Observed {
    let mut world = started(&wish());
    let successor = successor.map(|state| Container {
        id: ContainerId("new".to_owned()),
        state,
        ..world.backend.clone().unwrap()
    });
    let old = std::mem::replace(&mut world.backend, successor).unwrap();
    world.sidecars.clear();
    let name = old.name.aside(old.id.short());
    world.replaced.push(Container { name, state: State::Exited, ..old });
    world.tell_unfinished();
    world
}

#[test]
fn a_backend_whose_successor_never_started_comes_back() {
    for (successor, removed) in [(None, vec![]), (Some(State::Created), vec![vec!["remove B (Ended)"]])] {
        let world = interrupted(successor);
        let first = prepare(&wish(), &world);
        assert_eq!(stages(&first), [removed, vec![vec!["put back B"]]].concat());
        let next = world.after(&first);
        assert_eq!(steps(&wish(), &next), [["start B"], ["run B-proxy-port-5000 x1"]]);
        assert_eq!(next.backend.as_ref().unwrap().id, started(&wish()).backend.unwrap().id);
    }
}

#[test]
fn a_successor_that_was_started_is_found_out_before_the_old_one_goes() {
    for (state, start) in [(State::Running, None), (State::Exited, Some(vec!["start B"]))] {
        let world = interrupted(Some(state.clone()));
        assert!(prepare(&wish(), &world).is_empty(), "{state:?}");
        let then = vec![vec!["run B-proxy-port-5000 x1"], vec!["remove B (Replaced)"]];
        assert_eq!(steps(&wish(), &world), [start.into_iter().collect(), then].concat());
    }
    assert_eq!(
        stages(&teardown(&interrupted(None), STOP_GRACE)),
        [["remove docker-assemble-replaced-ann.made:docker- (Asked)"]]
    );
}

#[test]
fn nothing_is_replaced_without_a_difference() {
    let wish = Desired { recreate: true, ..wish() };
    assert!(plan(&wish, &started(&wish)).unwrap().is_empty());
}

#[test]
fn other_proxies_are_told_and_come_with_a_new_backend() {
    let world = started(&wish());
    let proxies = vec!["HTTP_PROXY=http://p:1".to_owned()];
    let wish = Desired { proxies, ..wish() };
    let kept = plan(&wish, &world).unwrap();
    assert!(kept.is_empty());
    assert_eq!(kept.left_alone[0].field, Field::Proxies);
    assert_eq!(kept.left_alone[0].to_string(), "proxies: has none, asked for \"HTTP_PROXY\"");
    assert_eq!(steps(&Desired { recreate: true, ..wish }, &world)[1], ["set aside B (Changed)"]);
}

#[test]
fn other_certificates_of_the_engine_are_told_and_come_with_a_new_backend() {
    let world = started(&wish());
    let found = Found { authorities: vec!["pem".to_owned()], pairs: Vec::new() };
    let settings = Settings { found: [("localhost:5000".to_owned(), found)].into(), ..Settings::default() };
    let wish = Desired { files: daemon::files(&settings).unwrap(), ..wish() };
    let kept = plan(&wish, &world).unwrap();
    assert!(kept.is_empty());
    assert_eq!(kept.left_alone[0].field, Field::Certificates);
    assert_eq!(kept.left_alone[0].names, ["registry-ca localhost:5000"]);
    let renewed = Desired { recreate: true, ..wish };
    assert_eq!(steps(&renewed, &world)[1], ["set aside B (Changed)"]);
    assert!(plan(&renewed, &started(&renewed)).unwrap().left_alone.is_empty());
}

#[test]
fn proxies_are_compared_by_name_and_never_shown() {
    let of = |proxies: &[&str]| Desired {
        proxies: proxies.iter().map(|line| (*line).to_owned()).collect(),
        ..wish()
    };
    let first = of(&["HTTP_PROXY=http://ann:secret@p:1", "http_proxy=http://ann:secret@p:1", "NO_PROXY=x"]);
    let world = started(&first);
    assert!(plan(&first, &world).unwrap().left_alone.is_empty());
    let told = |wish: &Desired| {
        let left = plan(wish, &world).unwrap().left_alone;
        left.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let other = of(&["HTTP_PROXY=http://ann:other@p:1", "http_proxy=http://ann:other@p:1", "NO_PROXY=x"]);
    assert_eq!(told(&other), ["proxies: differs in \"HTTP_PROXY\""]);
    assert_eq!(told(&wish()), ["proxies: has \"HTTP_PROXY\", \"NO_PROXY\", asked for none"]);

    // What an image brings is none of ours.
    let mut world = started(&wish());
    world.backend.as_mut().unwrap().env.push("HTTP_PROXY=http://image".to_owned());
    assert!(plan(&wish(), &world).unwrap().left_alone.is_empty());
}
