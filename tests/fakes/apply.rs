//! Starts and stops against an engine in memory: the order of calls, and that a failure at any
//! of them leaves nothing behind.

mod probes;
mod refusals;

use std::collections::BTreeMap;

use docker_assemble::commands::complete::Source;
use docker_assemble::commands::{self, Session, complete, start, stop};
use docker_assemble::desired::{Desired, File, Security, VolumeName};
use docker_assemble::forward::Forward;
use docker_assemble::observed::State;
use docker_plugin::cancel::{self, Cancel};
use docker_plugin::exit::Exit;

use crate::fake_engine::{FakeEngine, Refusal};
use crate::screen::Screen;
use crate::starting::{fresh, must_start, run_start};
use crate::world::{self, IMAGE, port, ports, secured, user, wish};

fn two_ports() -> Desired {
    Desired { forwards: ports(&[5000, 6000]), ..wish() }
}

const ALL_RUN: [(&str, State); 3] = [
    ("docker-assemble-backend-ann", State::Running),
    ("docker-assemble-backend-ann-proxy-port-5000", State::Running),
    ("docker-assemble-backend-ann-proxy-port-6000", State::Running),
];

fn names(engine: &FakeEngine) -> Vec<(String, State)> {
    engine.containers_now()
}

fn all_run() -> Vec<(String, State)> {
    ALL_RUN.map(|(name, state)| (name.to_owned(), state)).to_vec()
}

#[tokio::test(start_paused = true)]
async fn files_are_there_before_the_daemon_is_started() {
    let engine = fresh();
    let file = File { path: "/etc/buildkit/buildkitd.toml".to_owned(), content: String::new() };
    let wish = Desired { files: vec![file], forwards: ports(&[]), ..wish() };
    must_start(&engine, &wish).await;
    assert_eq!(engine.world().log, ["create B", "upload B", "start B"]);

    let engine = fresh();
    engine.world().fail = Some(2);
    run_start(&engine, &wish, &Cancel::never()).await.0.unwrap_err();
    assert_eq!(engine.world().log, ["create B", "upload B", "remove B"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_makes_everything_in_order_and_names_it() {
    let engine = fresh();
    let screen = must_start(&engine, &two_ports()).await;
    assert_eq!(
        engine.world().log,
        [
            "load docker-assemble-proxy:0123456789ab",
            "create B",
            "upload B",
            "start B",
            "create B-proxy-port-5000",
            "start B-proxy-port-5000",
            "create B-proxy-port-6000",
            "start B-proxy-port-6000",
        ]
    );
    assert_eq!(names(&engine), all_run());
    assert_eq!(
        screen.out(),
        "Started container \"docker-assemble-backend-ann\" (000000000002)\n\
         Started container \"docker-assemble-backend-ann-proxy-port-5000\" (000000000005)\n\
         Started container \"docker-assemble-backend-ann-proxy-port-6000\" (000000000007)\n"
    );
    assert_eq!(screen.err(), "");
}

#[tokio::test(start_paused = true)]
async fn a_second_start_changes_nothing_and_says_so() {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let calls = engine.world().log.len();
    let screen = must_start(&engine, &wish()).await;
    assert_eq!(engine.world().log.len(), calls);
    assert_eq!(screen.out(), "Backend \"docker-assemble-backend-ann\" is already running\n");
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_call_leaves_nothing_behind() {
    for n in 1..=8 {
        let engine = fresh();
        engine.world().fail = Some(n);
        let (result, _) = run_start(&engine, &two_ports(), &Cancel::never()).await;
        let error = result.unwrap_err();
        assert_eq!(names(&engine), [], "call {n}: {:?}", engine.world().log);
        assert_eq!(commands::exit(&error), Exit::Failure);
        assert!(!format!("{error:#}").contains("cleaning up"), "{error:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn giving_up_at_any_call_leaves_nothing_behind() {
    for n in 1..=8 {
        let engine = fresh();
        let (canceller, cancel) = cancel::pair();
        engine.world().cancel = Some((n, canceller));
        let (result, _) = run_start(&engine, &two_ports(), &cancel).await;
        let error = result.unwrap_err();
        assert_eq!(names(&engine), [], "call {n}: {:?}", engine.world().log);
        assert_eq!(commands::exit(&error).code(), 130);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_takes_back_only_what_this_run_made() {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    let before = (names(&engine), engine.world().files.clone());
    // The note, and create and start of the second sidecar.
    for n in 1..=3 {
        let calls = engine.world().log.len();
        engine.world().fail = Some(calls + n);
        let (result, _) = run_start(&engine, &two_ports(), &Cancel::never()).await;
        result.unwrap_err();
        assert_eq!((names(&engine), engine.world().files.clone()), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cleanup_that_fails_too_is_told_beside_the_failure() {
    let engine = fresh();
    engine.world().ending.insert(wish().user.sidecar(&Forward::plain(port(5000))));
    // load, create, upload, start, create, start; the sidecar ends; then two removals.
    engine.world().fail = Some(7);
    let (result, _) = run_start(&engine, &wish(), &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.contains("ended right after its start"), "{error}");
    assert!(error.contains("cleaning up failed too"), "{error}");
    assert!(error.contains("\"docker-assemble-backend-ann-proxy-port-5000\" is left behind"), "{error}");
    assert_eq!(names(&engine).len(), 1, "the other one is removed all the same");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_at_once_is_noticed_and_its_log_shown() {
    let engine = fresh();
    engine.world().ending.insert(wish().user.backend());
    let began = tokio::time::Instant::now();
    // With sidecars the engine refuses to start those; the cause is the same.
    for forwards in [ports(&[]), ports(&[5000, 6000])] {
        let (result, screen) = run_start(&engine, &Desired { forwards, ..wish() }, &Cancel::never()).await;
        let error = format!("{:#}", result.unwrap_err());
        assert_eq!(error, "container \"docker-assemble-backend-ann\" ended right after its start");
        assert!(screen.err().contains("  last words\n"), "{}", screen.err());
        assert!(began.elapsed() < start::READY_LIMIT / 10);
        assert_eq!(names(&engine), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_cannot_start_is_named_and_its_backend_not_blamed() {
    let engine = fresh();
    // load, create, upload, start, create, start
    engine.world().fail = Some(6);
    let (result, screen) = run_start(&engine, &wish(), &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    assert_eq!(error, "start \"docker-assemble-backend-ann-proxy-port-5000\": no");
    assert_eq!(screen.err(), "");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_backend_is_started_and_stopped_again_when_that_fails() {
    let engine = fresh();
    must_start(&engine, &wish()).await;
    engine.world().containers[0].state = State::Exited;
    let id = engine.world().containers[0].id.clone();

    let calls = engine.world().log.len();
    // Removal of the stale sidecar, start of the backend, then the sidecar's creation.
    engine.world().fail = Some(calls + 3);
    run_start(&engine, &wish(), &Cancel::never()).await.0.unwrap_err();
    assert_eq!(names(&engine), [(wish().user.backend().0, State::Exited)]);

    must_start(&engine, &wish()).await;
    assert_eq!(names(&engine), all_run()[..2]);
    assert_eq!(engine.world().containers[0].id, id);
}

#[tokio::test(start_paused = true)]
async fn a_container_of_somebody_else_is_left_alone() {
    let engine = fresh();
    let theirs = docker_assemble::observed::Container {
        name: wish().user.backend(),
        ..world::container("theirs", Default::default())
    };
    engine.world().containers.push(theirs.clone());
    let (result, _) = run_start(&engine, &wish(), &Cancel::never()).await;
    assert!(result.unwrap_err().to_string().contains("was not made by docker assemble"));
    assert_eq!(stop_all(&engine).await, NOTHING_TO_STOP);
    assert_eq!(engine.world().containers, [theirs]);
    assert_eq!(engine.world().log, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_stop_removes_sidecars_first_and_has_nothing_to_do_the_second_time() {
    let engine = fresh();
    must_start(&engine, &two_ports()).await;
    let calls = engine.world().log.len();
    assert_eq!(stop_all(&engine).await, "");
    assert_eq!(
        engine.world().log[calls..],
        ["remove B-proxy-port-5000", "remove B-proxy-port-6000", "stop B", "remove B"]
    );
    assert_eq!(names(&engine), []);
    assert_eq!(stop_all(&engine).await, NOTHING_TO_STOP);
    assert_eq!(engine.world().log.len(), calls + 4);
}

#[tokio::test(start_paused = true)]
async fn a_stop_finds_orphans_by_label() {
    let engine = fresh();
    must_start(&engine, &two_ports()).await;
    engine.world().containers.remove(0);
    engine.world().containers[0].name.0.push_str("-renamed");
    assert_eq!(stop_all(&engine).await, "");
    assert_eq!(names(&engine), []);
}

const NOTHING_TO_STOP: &str = "There is no backend \"docker-assemble-backend-ann\" to stop\n";

/// Returns what it says.
async fn stop_all(engine: &FakeEngine) -> String {
    let screen = Screen::default();
    let (user, console, cancel) = (user(), screen.console(), Cancel::never());
    stop::run(Session { engine, user: &user, console: &console, cancel: &cancel, limit: None }, None)
        .await
        .unwrap();
    assert_eq!(screen.out(), "");
    screen.err()
}

#[tokio::test]
async fn completion_offers_what_the_engine_has() {
    let engine = fresh();
    engine.world().volumes.insert(VolumeName("a-volume".to_owned()), BTreeMap::new());
    must_start(&engine, &two_ports()).await;
    let user = user();
    let ask = |source| complete::of_engine(&engine, Some(&user), source);
    assert_eq!(ask(Source::Volumes).await, ["a-volume"]);
    assert!(ask(Source::Images).await.contains(&IMAGE.to_owned()));
    assert_eq!(ask(Source::ForwardedPorts).await, ["5000", "6000"]);
}
