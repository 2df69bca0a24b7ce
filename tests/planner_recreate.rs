//! The planner: backends that are replaced because the user said so.

#[path = "support/steps.rs"]
mod steps;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "the other tests of the planner use the rest")]
mod world;

use docker_assemble::desired::{CacheVolume, Desired, ImageRef, Security, VolumeName};
use docker_assemble::observed::State;
use docker_assemble::plan::diff::Field;
use docker_assemble::plan::plan;
use docker_assemble::spec::Mount;
use steps::{backend_candidates, steps};
use world::{IMAGE, empty, started, wish};

#[test]
fn a_new_backend_takes_over_the_volume_of_the_old() {
    let mut world = empty();
    world.volumes.push(VolumeName("mine".to_owned()));
    let first = Desired { cache: CacheVolume::Named(VolumeName("mine".to_owned())), ..wish() };
    world = world.after(&plan(&first, &world).unwrap());
    let wish = Desired { security: Security::Restricted, recreate: true, ..wish() };
    assert_eq!(
        steps(&wish, &world),
        [
            vec!["remove B-proxy-port-5000 (Stale)"],
            vec!["remove B (Changed)"],
            vec!["run B x1"],
            vec!["run B-proxy-port-5000 x1"]
        ]
    );
    let volume = VolumeName("mine".to_owned());
    let target = "/var/lib/buildkit".to_owned();
    assert!(
        backend_candidates(&wish, &world)[0].mounts.contains(&Mount::Volume { name: volume, target }),
        "the cache goes over"
    );
    assert!(plan(&wish, &world.after(&plan(&wish, &world).unwrap())).unwrap().is_empty());
    // Even for an image that is only newer, and even a frozen one.
    let mut older = world.clone();
    older.images.insert(ImageRef(IMAGE.to_owned()), "sha256:b2".to_owned());
    assert_eq!(steps(&Desired { recreate: true, ..first }, &older)[1], ["remove B (Changed)"]);
    world.backend.as_mut().unwrap().state = State::Paused;
    assert_eq!(steps(&wish, &world)[1], ["remove B (Changed)"]);
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
    assert_eq!(steps(&Desired { recreate: true, ..wish }, &world)[1], ["remove B (Changed)"]);
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
