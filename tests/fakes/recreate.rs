//! Starts that are only shown, and starts that replace a backend, against an engine in memory.

mod aside;
mod put_back;

use docker_assemble::commands::{Session, start};
use docker_assemble::desired::{
    BACKEND_IMAGE, Desired, File, ImageRef, Named, ProxyImage, PullPolicy, Security,
};
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
async fn what_a_new_backend_has_not_and_the_old_one_had_is_told() {
    let engine = fresh();
    engine.world().images.insert(ImageRef("mine:1".to_owned()), "sha256:mine".to_owned());
    let usual = ImageRef(BACKEND_IMAGE.to_owned());
    engine.world().images.insert(usual.clone(), "sha256:usual".to_owned());
    let config = |text: &str| Desired { image: ImageRef("mine:1".to_owned()), ..configured(text) };
    must_start(&engine, &config("debug = true\n[registry.\"docker.io\"]\nmirrors = [\"m:1\"]\n")).await;

    // What is named anew is not lost.
    let other = Desired { recreate: true, ..config("[registry.\"docker.io\"]\nmirrors = [\"m:2\"]\n") };
    let told = must_start(&engine, &other).await.err();
    let lost = "is made anew without what it had and this start does not name: \"config debug\"; ";
    assert!(told.contains(lost), "{told}");
    let plain = Desired { recreate: true, image: usual, ..wish() };
    let told = must_start(&engine, &plain).await.err();
    let lost = "this start does not name: \"image mine:1\", \"registry-mirror docker.io\"; ";
    assert!(told.contains(lost), "{told}");
    let own = ProxyImage::Custom(ImageRef("mine:1".to_owned()));
    must_start(&engine, &Desired { recreate: true, proxy_image: own, ..config("") }).await;
    let told = must_start(&engine, &plain).await.err();
    let lost = "this start does not name: \"image mine:1\", \"proxy-image mine:1\"; ";
    assert!(told.contains(lost), "{told}");
    let told = must_start(&engine, &Desired { settings: secured(Security::Restricted), ..plain.clone() })
        .await
        .err();
    assert!(!told.contains("does not name"), "{told}");
    let named = Named { image: true, ..Named::default() };
    let again = config("debug = true\n");
    must_start(&engine, &Desired { recreate: true, ..again }).await;
    // Nor is what its user takes out of a file, or the image that is named.
    let config_options = "--config /b.toml".to_owned();
    let file = Desired { recreate: true, named, config_options, ..plain };
    let told =
        must_start(&engine, &Desired { files: configured("trace = true\n").files, ..file }).await.err();
    assert!(!told.contains("does not name"), "{told}");
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
    // The clock was set back between the two: by its time the sidecar is the older one.
    set(true, "2024-01-01T00:00:00Z");
    assert!(is_running(&engine, &wish()).await);
    let (info, doctor) = (aside::info(&engine).await, aside::doctor(&engine).await);
    assert!(info.contains("-proxy-port-5000 (running)"), "{info}");
    assert!(!doctor.contains("its backend has left"), "{doctor}");
    // And here between the sidecar's start and another of the backend: it is the newer one.
    set(true, "2024-12-31T00:00:00Z");
    let backend = engine.world().containers[0].id.clone();
    engine.world().networks.insert(backend, 99);
    let (info, doctor) = (aside::info(&engine).await, aside::doctor(&engine).await);
    assert!(info.contains("-proxy-port-5000 (stale)"), "{info}");
    assert!(doctor.contains("serves a network that its backend has left"), "{doctor}");
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
