//! A backend that is set aside, for others than the start that did it.

use docker_assemble::commands::builder::Registered;
use docker_assemble::commands::doctor::{self, Doctor};
use docker_assemble::commands::info;
use docker_assemble::desired::VolumeName;
use docker_plugin::output::Form;

use super::*;
use crate::fake_engine::Kill;
use crate::world::cached;

/// A start that replaces the backend.
fn replacing_all() -> Desired {
    Desired { settings: secured(Security::Restricted), recreate: true, ..wish() }
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

/// What `info` says of it, as a result or an error.
pub(super) async fn info(engine: &FakeEngine) -> String {
    let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
    let console = screen.console();
    let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
    let result =
        info::run(session, info::Info::All { form: Form::Text, verbose: false }, Registered::No).await;
    screen.out() + &result.map_or_else(|error| error.to_string(), |()| String::new())
}

pub(super) async fn doctor(engine: &FakeEngine) -> String {
    let (screen, user) = (Screen::default(), user());
    let (builder, proxies) = (Registered::No, Vec::new());
    let patient = Doctor { engine: Ok(engine), user: Some(&user), builder, proxies, runtime: None };
    // What fails is in its words.
    doctor::run(patient, &screen.console(), doctor::Examination::default()).await.ok();
    screen.out()
}

async fn preview(engine: &FakeEngine, wish: &Desired) -> anyhow::Result<String> {
    let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
    let console = screen.console();
    let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
    start::preview(session, wish, Default::default()).await?;
    Ok(screen.out())
}

/// Whatever call the start that replaces a backend with a configuration and forwards of its own is killed
/// at: as long as that one is set aside, everybody names it, no advice loses it, and what it had counts.
#[tokio::test(start_paused = true)]
async fn a_backend_that_is_set_aside_is_the_users_until_another_one_serves() {
    let first = Desired { forwards: forwards("5000,6000"), ..configured("debug = true\n") };
    let second = Desired { recreate: true, settings: secured(Security::Restricted), ..wish() };
    let (mut apart, mut beside) = (0, 0);
    for kill in [Kill::Before, Kill::After] {
        for call in 1.. {
            let engine = fresh();
            must_start(&engine, &first).await;
            let old = engine.world().containers[0].clone();
            {
                let mut world = engine.world();
                world.kill = Some((world.log.len() + call, kill));
            }
            let never = Cancel::never();
            tokio::select! {
                (result, _) = run_start(&engine, &second, &never) => { result.unwrap(); break }
                () = engine.killed.notified() => {}
            }
            engine.world().kill = None;
            let story = format!("{kill:?} {:?}", engine.world().log);
            let aside = format!("\"{}\"", old.name.aside(old.id.short()));
            let is_aside =
                engine.world().containers.iter().any(|now| now.id == old.id && now.name != old.name);
            let new = engine.world().containers.iter().find(|now| now.name == old.name).cloned();
            if !is_aside {
                continue;
            }
            let (info, doctor) = (info(&engine).await, doctor(&engine).await);
            for told in [&info, &doctor] {
                assert!(told.contains(&aside), "{story}: {told}");
                assert!(!told.contains("backend stop") && !told.contains("is gone"), "{story}: {told}");
            }
            match new.filter(|new| new.state != State::Created) {
                None => {
                    apart += 1;
                    let start = "docker assemble backend start --allow-host-port 5000,6000";
                    assert_eq!(advised(&info), start, "{story}");
                    assert!(doctor.contains(&format!("'{start}' puts it back")), "{story}: {doctor}");
                    let told = preview(&engine, &first).await.unwrap();
                    let line = format!("put back container \"{}\"", old.name);
                    assert!(told.contains(&line) && !told.contains("note the new"), "{story}: {told}");
                    let refused = preview(&engine, &wish()).await.unwrap_err().to_string();
                    assert!(refused.contains("has \"config debug\", asked for none"), "{story}: {refused}");
                    must_start(&engine, &first).await;
                }
                // That it serves is known to nobody.
                Some(new) => {
                    beside += 1;
                    let back = format!("docker rm --force --volumes {}", old.name);
                    let (refused, _) = run_start(&engine, &first, &never).await;
                    let refused = refused.unwrap_err().to_string();
                    assert!(refused.contains(&aside) && !refused.contains("backend stop"), "{refused}");
                    for told in [&info, &doctor, &refused] {
                        assert!(told.contains(&format!("'{back}'")), "{story}: {told}");
                    }
                    engine.world().containers.retain(|container| container.id != new.id);
                    must_start(&engine, &first).await;
                }
            }
            assert!(backends(&engine).contains(&(old.id, old.name.0, State::Running)), "{story}");
            assert_eq!(engine.containers_now().len(), 3, "{story}");
        }
    }
    assert!(apart >= 5 && beside >= 3, "{apart} {beside}");
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
    let told = info(&engine).await;
    let aside = backend.name.aside(backend.id.short());
    assert!(told.contains(&format!("\"{aside}\"")), "{told}");
    assert_eq!(advised(&told), "docker assemble backend start");

    let told = doctor(&engine).await;
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
    must_start(&engine, &Desired { settings: cached(&volume.0), ..wish() }).await;
    {
        // Something else is in the way for a moment.
        let mut world = engine.world();
        world.conflict = Some(world.log.len() + call);
    }
    must_start(&engine, &replacing_all()).await;
    let world = engine.world();
    assert_eq!(world.log.iter().rev().filter(|call| *call == "create B").count(), 3, "{:?}", world.log);
    let backend = world.containers.iter().find(|container| container.name == wish().user.backend()).unwrap();
    assert_eq!(backend.settings.cache_volume, Some(volume));
}

/// The containers whose names have no port in them.
fn backends(engine: &FakeEngine) -> Vec<(ContainerId, String, State)> {
    same(engine).into_iter().filter(|(_, name, _)| !name.contains("-proxy-port-")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_slow_to_answer_is_not_taken_back_for_one_that_was_set_aside() {
    let (engine, old, other) = replaced_and_kept(State::Running).await;
    let there = backends(&engine);
    // A busy machine.
    engine.world().hung.insert(user().backend());
    let (result, screen) = run_start(&engine, &other, &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    let aside = old.name.aside(old.id.short());
    assert!(
        error.ends_with(&format!("a longer '--timeout' may do; \"{aside}\" is kept until it serves")),
        "{error}"
    );
    assert!(!screen.err().contains("Put back"), "{}", screen.err());
    assert_eq!(backends(&engine), there);
    engine.world().hung.clear();
    must_start(&engine, &other).await;
    assert_eq!(backends(&engine), there[1..], "the one before it has gone");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_has_served_is_not_taken_back_by_another_start() {
    let (engine, old, other) = replaced_and_kept(State::Restarting).await;
    let there = backends(&engine);
    let said = "level=info msg=\"running server on /run/buildkit/buildkitd.sock\"\nbuildkitd: no space\n";
    engine.world().logs.insert(user().backend(), said);
    let (result, screen) = run_start(&engine, &other, &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    assert!(!screen.err().contains("Put back"), "{}", screen.err());
    assert_eq!(backends(&engine), there);

    // What is advised: `docker rm`, and another start.
    assert_eq!(advised(&error), format!("docker rm --force --volumes {}", user().backend()));
    engine.world().containers.retain(|container| container.name != user().backend());
    must_start(&engine, &wish()).await;
    assert_eq!(backends(&engine), [(old.id, old.name.0, State::Running)]);
}

/// Gives up a start that replaces the backend when it has asked the engine to stop that; `fails` has the
/// engine not hear of it.
async fn given_up_at_the_stop(fails: bool) -> (FakeEngine, Container) {
    let call = call_of("stop B").await;
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let backend = engine.world().containers[0].clone();
    let (canceller, cancel) = cancel::pair();
    {
        let mut world = engine.world();
        let number = world.log.len() + call;
        world.ending_takes = std::time::Duration::from_secs(3);
        if fails { world.fail = Some(number) } else { world.cancel = Some((number, canceller)) }
    }
    let there = same(&engine);
    let (result, _) = run_start(&engine, &replacing_all(), &cancel).await;
    result.unwrap_err();
    assert_eq!(same(&engine), there);
    assert!(!engine.world().cut.contains(&backend.name), "its cache's database is being flushed");
    (engine, backend)
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_being_stopped_has_its_time_to_end_before_it_is_put_back() {
    let (engine, backend) = given_up_at_the_stop(false).await;
    let world = engine.world();
    assert_eq!(world.log.iter().filter(|call| *call == "stop B").count(), 1, "{:?}", world.log);
    assert!(world.containers[0].started_at > backend.started_at, "{:?}", world.log);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_was_never_stopped_goes_on_with_its_builds() {
    let (engine, backend) = given_up_at_the_stop(true).await;
    assert_eq!(engine.world().containers[0], backend);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_gone_is_not_said_to_be_kept() {
    let call = call_of("create B").await;
    let engine = fresh();
    must_start(&engine, &wish()).await;
    {
        let mut world = engine.world();
        let number = world.log.len() + call;
        world.fail = Some(number);
        world.events.push((number, Box::new(|world| world.containers.clear())));
    }
    let (result, _) = run_start(&engine, &replacing_all(), &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    let told = format!("container \"{}\" cannot be put back, since it is gone", user().backend());
    assert!(error.contains(&told) && !error.contains("kept as"), "{error}");
}
