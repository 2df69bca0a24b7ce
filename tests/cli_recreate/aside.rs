//! A backend that is set aside, for others than the start that did it.

use docker_assemble::commands::builder::Registered;
use docker_assemble::commands::doctor::{self, Doctor};
use docker_assemble::commands::info;
use docker_assemble::desired::{CacheVolume, VolumeName};
use docker_assemble::observed::Container;
use docker_assemble::output::Form;

use super::fake_engine::Kill;
use super::*;

/// A start that replaces the backend.
fn replacing_all() -> Desired {
    Desired { security: Security::Restricted, recreate: true, ..wish() }
}

/// Where this call stands in the log of a start that replaces the backend, counted from 1.
async fn call_of(wanted: &str) -> usize {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let earlier = engine.world().log.len();
    must_start(&engine, &replacing_all()).await;
    let log = engine.world().log.clone();
    1 + log[earlier..].iter().position(|call| call == wanted).unwrap()
}

/// An engine on which a start that replaces the backend was killed when it had set that aside, and the
/// container.
async fn killed_between() -> (FakeEngine, Container) {
    let call = call_of("rename B").await;
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let backend = engine.world().containers[0].clone();
    {
        let mut world = engine.world();
        world.kill = Some((world.log.len() + call, Kill::After));
    }
    let (after, never) = (replacing_all(), Cancel::never());
    tokio::select! {
        (result, _) = run_start(&engine, &after, &never) => panic!("{result:?}"),
        () = engine.killed.notified() => {}
    }
    (engine, backend)
}

/// The one command that is advised.
fn advised(words: &str) -> &str {
    let quoted: Vec<_> = words.split('\'').skip(1).step_by(2).collect();
    let [command] = quoted[..] else { panic!("{words}") };
    command
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_a_killed_start_has_set_aside_is_told_with_the_start_that_puts_it_back() {
    let (engine, backend) = killed_between().await;
    let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
    let console = screen.console();
    let session = Session { engine: &engine, user: &user, console: &console, cancel: &cancel, limit: None };
    let told = info::run(session, Form::Text, Registered::No).await.unwrap_err().to_string();
    let aside = backend.name.aside(backend.id.short());
    assert!(told.contains(&format!("\"{aside}\"")), "{told}");
    assert_eq!(advised(&told), "docker assemble backend start");

    let patient = Doctor {
        engine: Ok(&engine),
        user: Some(&user),
        port: None,
        limit: None,
        builder: Registered::No,
        proxies: Vec::new(),
    };
    let screen = Screen::default();
    doctor::run(patient, &screen.console(), Form::Text).await.unwrap();
    let told = screen.out();
    assert!(!told.contains("backend stop"), "{told}");
    let lines: Vec<_> =
        told.lines().skip_while(|line| !line.starts_with("warn  set aside")).take(2).collect();
    assert!(lines[0].contains(&format!("\"{aside}\"")), "{told}");
    assert_eq!(advised(lines[1]), "docker assemble backend start");

    // What that command asks for.
    must_start(&engine, &wish()).await;
    assert!(same(&engine).contains(&(backend.id, backend.name.0, State::Running)), "{:?}", same(&engine));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_another_start_has_just_set_aside_is_left_to_it() {
    let (engine, _) = killed_between().await;
    let done = fresh();
    must_start(&done, &wish()).await;
    must_start(&done, &replacing_all()).await;
    let calls = engine.world().log.len();
    let other = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let mut world = engine.world();
        world.containers = done.world().containers.clone();
        world.networks = done.world().networks.clone();
        world.files = done.world().files.clone();
    };
    let same_wish = wish();
    tokio::join!(must_start(&engine, &same_wish), other);
    assert_eq!(engine.world().log[calls..], [""; 0]);
    assert_eq!(same(&engine), same(&done));
}

#[tokio::test(start_paused = true)]
async fn the_cache_volume_goes_over_to_a_backend_that_comes_in_a_second_round() {
    let call = call_of("create B").await;
    let volume = VolumeName("mine".to_owned());
    let engine = fresh();
    engine.world().volumes.insert(volume.clone(), Default::default());
    must_start(&engine, &Desired { cache: CacheVolume::Named(volume.clone()), ..wish() }).await;
    {
        // Something else is in the way for a moment.
        let mut world = engine.world();
        world.conflict = Some(world.log.len() + call);
    }
    must_start(&engine, &replacing_all()).await;
    let world = engine.world();
    assert_eq!(world.log.iter().rev().filter(|call| *call == "create B").count(), 3, "{:?}", world.log);
    let backend = world.containers.iter().find(|container| container.name == wish().user.backend()).unwrap();
    assert_eq!(backend.cache_volume, Some(volume));
}
