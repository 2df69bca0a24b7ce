//! Starts that are only shown, and starts that replace a backend, against an engine in memory.

mod aside;

use docker_assemble::commands::{Session, start};
use docker_assemble::desired::{Desired, File, PullPolicy, Security};
use docker_assemble::labels;
use docker_assemble::observed::{Container, ContainerId, State};
use docker_assemble::spec::daemon::CONFIG_FILE;
use docker_plugin::cancel::{self, Cancel};

use crate::fake_engine::FakeEngine;
use crate::screen::Screen;
use crate::starting::{fresh, must_start, run_start};
use crate::world::{self, IMAGE, PROXY, forwards, secured, user, wish};

fn names(engine: &FakeEngine) -> Vec<(String, State)> {
    engine.containers_now()
}

#[tokio::test(start_paused = true)]
async fn a_preview_names_every_step_and_takes_none() {
    let engine = FakeEngine::with_images(&[]);
    let preview = async |engine: &FakeEngine, wish: &Desired| {
        let screen = Screen::default();
        let (user, console, cancel) = (user(), screen.console(), Cancel::never());
        let session = Session { engine, user: &user, console: &console, cancel: &cancel, limit: None };
        start::preview(session, wish, Default::default()).await.unwrap();
        screen
    };
    let b = wish().user.backend();
    assert_eq!(
        preview(&engine, &wish()).await.out(),
        format!(
            "Would pull image \"{IMAGE}\"\n\
             Would load the built-in image \"{PROXY}\"\n\
             Would create and start container \"{b}\" from image \"{IMAGE}\", privileged where the engine allows it\n\
             Would create and start container \"{b}-proxy-port-5000\" from image \"{PROXY}\", without privileges\n"
        )
    );
    assert_eq!(engine.world().log, Vec::<String>::new());

    let engine = fresh();
    must_start(&engine, &wish()).await;
    let (before, calls) = (names(&engine), engine.world().log.len());
    assert_eq!(preview(&engine, &wish()).await.out(), format!("Backend \"{b}\" is already running\n"));
    let other = Desired { settings: secured(Security::Restricted), recreate: true, ..wish() };
    let screen = preview(&engine, &other).await;
    assert!(screen.err().starts_with("WARNING: the build cache of"), "{}", screen.err());
    assert!(screen.out().contains("which was made from other settings\n"), "{}", screen.out());
    assert_eq!((names(&engine), engine.world().log.len()), (before, calls));
}

#[tokio::test(start_paused = true)]
async fn a_backend_is_replaced_when_that_is_asked_for() {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let other = Desired { settings: secured(Security::Restricted), ..wish() };
    let (refused, _) = run_start(&engine, &other, &Cancel::never()).await;
    assert!(refused.unwrap_err().to_string().contains("'--recreate'"));

    let calls = engine.world().log.len();
    must_start(&engine, &Desired { recreate: true, ..other }).await;
    assert_eq!(
        engine.world().log[calls..],
        [
            "stop B-proxy-port-5000",
            "rename B-proxy-port-5000",
            "stop B",
            "rename B",
            "create B",
            "upload B",
            "start B",
            "create B-proxy-port-5000",
            "start B-proxy-port-5000",
            // Now that all of it serves.
            "remove docker-assemble-replaced-ann-proxy-port-5000.000000000005",
            "remove docker-assemble-replaced-ann.000000000002",
        ]
    );
    let b = wish().user.backend();
    assert_eq!(
        names(&engine),
        [(b.0.clone(), State::Running), (format!("{b}-proxy-port-5000"), State::Running)]
    );
}

/// A wish with this configuration of the daemon.
fn configured(text: &str) -> Desired {
    let file = File { path: CONFIG_FILE.to_owned(), content: text.to_owned() };
    Desired { files: vec![file], ..wish() }
}

async fn is_running(engine: &FakeEngine, wish: &Desired) -> bool {
    must_start(engine, wish).await.out()
        == format!("Backend \"{}\" is already running\n", wish.user.backend())
}

#[tokio::test(start_paused = true)]
async fn a_difference_is_told_by_the_names_of_the_settings() {
    let engine = fresh();
    let proxies = vec!["HTTP_PROXY=http://ann:secret@p:1".to_owned()];
    let config = "[registry.\"docker.io\"]\nmirrors = [\"m:1\"]\n[worker.oci]\nmaxUsedSpace = 1\n";
    let first = Desired { proxies, ..configured(config) };
    must_start(&engine, &first).await;
    assert!(is_running(&engine, &first).await);
    assert!(is_running(&engine, &configured(&format!("# the same\n{config}"))).await);

    let other = configured("[registry.\"docker.io\"]\nmirrors = [\"m:2\"]\n[worker.oci]\nmaxUsedSpace = 1\n");
    let (refused, screen) = run_start(&engine, &other, &Cancel::never()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("(configuration: differs in \"registry-mirror docker.io\")"), "{refused}");
    let (refused, _) = run_start(&engine, &wish(), &Cancel::never()).await;
    let refused = refused.unwrap_err().to_string();
    let names = "\"cache-max-used\", \"registry-mirror docker.io\"";
    assert!(refused.contains(&format!("(configuration: has {names}, asked for none)")), "{refused}");

    let world = engine.world();
    let labels: Vec<&String> =
        world.containers.iter().flat_map(|container| container.labels.values()).collect();
    assert!(labels.iter().all(|label| !label.contains("secret")), "{labels:?}");
    assert!(!screen.err().contains("secret") && !screen.out().contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_something_else_made_anew_has_lost_its_configuration() {
    let engine = fresh();
    let wish = configured("debug = true\n");
    must_start(&engine, &wish).await;
    {
        // As watchtower does: a new container with the name, the labels and the arguments of the old.
        let mut world = engine.world();
        let backend = world.containers.iter_mut().find(|container| container.name == wish.user.backend());
        backend.unwrap().id = ContainerId("anew".to_owned());
        for label in labels::UPDATERS {
            assert!(
                world.containers.iter().all(|container| container.labels[label.0] == label.1),
                "{label:?}"
            );
        }
    }
    let (refused, _) = run_start(&engine, &wish, &Cancel::never()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("(configuration: has none, asked for \"config debug\")"), "{refused}");
    let screen = must_start(&engine, &world::wish()).await;
    assert!(screen.err().contains("has lost its configuration"), "{}", screen.err());

    must_start(&engine, &Desired { recreate: true, ..wish.clone() }).await;
    assert!(is_running(&engine, &wish).await);
}

#[tokio::test(start_paused = true)]
async fn fingerprints_of_old_versions_are_no_difference() {
    let engine = fresh();
    let wish = configured("debug = true\n");
    must_start(&engine, &wish).await;
    for container in &mut engine.world().containers {
        for label in [labels::SETTINGS, labels::CONFIG] {
            container.labels.entry(label.to_owned()).and_modify(|hash| *hash = "648dee26".to_owned());
        }
    }
    assert!(is_running(&engine, &wish).await);
    let (refused, _) = run_start(&engine, &configured("debug = false\n"), &Cancel::never()).await;
    assert!(refused.unwrap_err().to_string().contains("(configuration: differs in \"config debug\")"));
    // What can be seen of a sidecar still counts.
    let elsewhere = Desired { forwards: forwards("5000:5001"), ..wish.clone() };
    assert!(!is_running(&engine, &elsewhere).await);
}

#[tokio::test(start_paused = true)]
async fn the_kernel_and_no_clock_tells_whether_a_sidecar_is_stale() {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let set = |port: bool, time: &str| {
        for container in &mut engine.world().containers {
            if container.labels.contains_key(labels::PORT) == port {
                time.clone_into(&mut container.started_at);
            }
        }
    };
    // The clock was set back between the two.
    set(true, "2024-01-01T00:00:00Z");
    assert!(is_running(&engine, &wish()).await);
    // And here between the sidecar's start and another of the backend.
    set(true, "2024-12-31T00:00:00Z");
    let backend = engine.world().containers[0].id.clone();
    engine.world().networks.insert(backend, 99);
    let screen = must_start(&engine, &wish()).await;
    assert!(screen.err().contains("which belongs to an earlier run of the backend"), "{}", screen.err());
    assert!(is_running(&engine, &wish()).await);
}

/// What exists, with the ids: the very same containers.
fn same(engine: &FakeEngine) -> Vec<(ContainerId, String, State)> {
    let mut now: Vec<_> =
        engine.world().containers.iter().map(|c| (c.id.clone(), c.name.0.clone(), c.state.clone())).collect();
    now.sort_by(|(a, ..), (b, ..)| a.0.cmp(&b.0));
    now
}

/// Starts that replace all there is, or some of it, and what there is before.
fn replacing() -> [(Desired, Desired); 3] {
    let dialling = Desired { forwards: forwards("80:8080@loopback,5000,6000"), ..wish() };
    [
        (
            dialling.clone(),
            Desired { settings: secured(Security::Restricted), recreate: true, ..dialling.clone() },
        ),
        (dialling.clone(), Desired { forwards: forwards("80:8081@loopback,5000:5001,7000"), ..wish() }),
        (dialling, Desired { forwards: forwards("5000=192.0.2.7"), ..wish() }),
    ]
}

/// How many calls the start makes, and how many of them come when all that is new serves.
async fn calls(before: &Desired, after: &Desired) -> (usize, usize) {
    let engine = fresh();
    must_start(&engine, before).await;
    let earlier = engine.world().log.len();
    must_start(&engine, after).await;
    let world = engine.world();
    let last = world.log.iter().rev().take_while(|call| call.starts_with("remove ")).count();
    (world.log.len() - earlier, last)
}

/// Runs a start that ends at each of its calls in turn, by a failure or because the user gives up.
async fn ends_early(gives_up: bool) {
    for (before, after) in replacing() {
        let (all, last) = calls(&before, &after).await;
        assert!(all - last >= 5 && last > 0, "{after:?}");
        for call in 1..=all {
            let engine = fresh();
            must_start(&engine, &before).await;
            let there = same(&engine);
            let note = engine.world().files.clone();
            let (canceller, cancel) = cancel::pair();
            {
                let mut world = engine.world();
                let number = world.log.len() + call;
                if gives_up { world.cancel = Some((number, canceller)) } else { world.fail = Some(number) }
            }
            let (result, screen) = run_start(&engine, &after, &cancel).await;
            let story = format!("call {call} of {after:?}: {:?}", engine.world().log);
            if call > all - last {
                // It is too late to go back, and the next start finishes it.
                assert!(!screen.err().contains("removed again"), "{story}: {}", screen.err());
                if gives_up {
                    let told = "Cancelled; the backend serves, and another start removes what was to go\n";
                    assert!(screen.err().ends_with(told), "{story}: {}", screen.err());
                } else {
                    result.expect(&story);
                    let told = "; the backend serves, and another start removes \"docker-assemble-";
                    assert!(screen.err().contains(told), "{story}: {}", screen.err());
                }
                engine.world().fail = None;
                must_start(&engine, &after).await;
                assert_eq!(engine.containers_now().len(), after.container_names().len(), "{story}");
                continue;
            }
            let error = result.expect_err(&story);
            assert_eq!(same(&engine), there, "{story} {error:#}");
            let world = engine.world();
            assert!(note.iter().all(|(file, text)| world.files.get(file) == Some(text)), "{story}");
            if world.log.iter().any(|call| call.starts_with("rename")) {
                assert!(screen.err().contains("Put back container \""), "{story}: {}", screen.err());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_start_would_have_replaced_runs_as_before() {
    ends_early(false).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_start_that_was_given_up_would_have_replaced_runs_as_before() {
    ends_early(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_come_up_gives_its_place_back() {
    let (before, after) = replacing()[0].clone();
    let engine = fresh();
    must_start(&engine, &before).await;
    let there = same(&engine);
    // The daemon refuses its configuration.
    let name = before.user.backend();
    engine.world().ending_once.insert(name.clone());
    let (result, screen) = run_start(&engine, &after, &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.contains("ended right after its start"), "{error}: {:?}", engine.world().log);
    assert!(screen.err().contains("last words"), "{}", screen.err());
    assert!(screen.err().contains(&format!("Put back container \"{name}\"\n")), "{}", screen.err());
    assert_eq!(same(&engine), there);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_always_pulled_is_pulled_for_a_backend_that_runs() {
    let always = Desired { pull: PullPolicy::Always, ..wish() };
    let engine = fresh();
    must_start(&engine, &wish()).await;
    // No registry answers.
    let screen = must_start(&engine, &always).await;
    assert!(screen.err().starts_with("WARNING: could not pull image"), "{}", screen.err());
    assert!(screen.out().ends_with("is already running\n"), "{}", screen.out());

    engine.world().registry = true;
    let (there, screen) = (same(&engine), must_start(&engine, &always).await);
    assert!(screen.out().contains(": Success\n"), "{}", screen.out());
    let newer =
        format!("image \"{IMAGE}\" is newer than the running backend; '--recreate' brings it up to date");
    assert!(screen.err().contains(&newer), "{}", screen.err());
    assert_eq!(same(&engine), there);

    must_start(&engine, &Desired { recreate: true, ..always.clone() }).await;
    let backend =
        engine.world().containers.iter().find(|c| c.name == always.user.backend()).cloned().unwrap();
    assert_eq!(backend.image_id, format!("sha256:pulled-{IMAGE}"));
    let screen = must_start(&engine, &always).await;
    assert!(!screen.err().contains("newer"), "{}", screen.err());
}

/// An engine with a backend in this state whose predecessor is set aside still, that one as it was, and
/// the wish for its successor.
async fn replaced_and_kept(state: State) -> (FakeEngine, Container, Desired) {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let old = engine.world().containers[0].clone();
    let other = Desired { settings: secured(Security::Restricted), recreate: true, ..wish() };
    must_start(&engine, &other).await;
    {
        let mut world = engine.world();
        world.containers.retain(|container| container.name == user().backend());
        let name = old.name.aside(old.id.short());
        world.containers.push(Container { name, state: State::Exited, ..old.clone() });
        world.containers[0].state = state;
    }
    (engine, old, other)
}

/// A start that was killed while the new backend went from one end to the next: it is known to the
/// next start alone that it does not serve.
#[tokio::test(start_paused = true)]
async fn a_backend_that_a_killed_start_left_in_anothers_place_is_found_out() {
    let (engine, old, other) = replaced_and_kept(State::Restarting).await;
    let (result, screen) = run_start(&engine, &other, &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.ends_with("ended right after its start"), "{error}");
    assert!(screen.err().contains("Put back container"), "{}", screen.err());
    assert_eq!(same(&engine), [(old.id, old.name.0, State::Running)]);
}

/// What held the ports of a range until then has them again where the range does not serve.
#[tokio::test(start_paused = true)]
async fn sidecars_that_made_way_for_a_range_come_back_where_that_fails() {
    let engine = fresh();
    let singles = Desired { forwards: forwards("5000,8000,8001"), ..wish() };
    must_start(&engine, &singles).await;
    let before = names(&engine);
    let range = Desired { forwards: forwards("5000,8000-8001"), ..wish() };
    engine.world().ending.insert(user().sidecar(range.forwards.last().unwrap()));
    let (result, screen) = run_start(&engine, &range, &Cancel::never()).await;
    assert!(
        format!("{:#}", result.unwrap_err()).contains("proxy-port-8000-8001\" ended right after its start")
    );
    for port in [8000, 8001] {
        assert!(
            screen.err().contains(&format!("Put back container \"{}-proxy-port-{port}\"", user().backend()))
        );
    }
    let (mut now, mut was) = (names(&engine), before);
    now.sort_by(|one, other| one.0.cmp(&other.0));
    was.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(now, was);
    // They are what the backend is told of, too.
    must_start(&engine, &singles).await;
    assert_eq!(names(&engine).len(), was.len());
}
