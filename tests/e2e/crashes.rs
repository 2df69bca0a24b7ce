//! Starts and stops that are killed at each request that changes something, where they can clean up
//! nothing, and while the engine carries it out: one that is killed before the engine hears of a request leaves what
//! one leaves that is killed at the request before.
//!
//! That a start as well as a stop makes good whatever each of them leaves is shown beside a scripted engine
//! (`tests/fakes/killed.rs`); here, where each takes seconds, they take turns.

use std::time::Instant;

use crate::support::{Backend, Background, Deed, PATIENCE, Tap, Volume, Which, free_port};

/// Runs the command and kills it, as `kill -9` does, at its request of this number. False when it does not
/// make that many.
#[track_caller]
fn is_killed(backend: &Backend, tap: &Tap, args: &[&str], number: usize) -> bool {
    tap.choose(Which::Changing, number, Deed::Mute);
    let mut process = Background::start(backend.command(args).env("DOCKER_HOST", tap.host()));
    let Some(request) = tap.done(&mut process) else {
        process.outcome().ok();
        return false;
    };
    println!("killed at {number}: {request}");
    process.signal("KILL");
    assert_eq!(process.outcome().code, None);
    true
}

/// Whatever was left behind: a start makes a whole backend of it, or a stop leaves nothing.
#[track_caller]
fn is_made_good(backend: &Backend, start: &[&str], number: usize) {
    if number % 2 == 1 {
        start_makes_whole(backend, start);
    }
    stops_clean_up(backend);
}

/// What the engine was asked before the kill, it may finish when the start has found all well; the
/// next one makes that good.
#[track_caller]
fn start_makes_whole(backend: &Backend, start: &[&str]) {
    let patience = Instant::now() + PATIENCE;
    loop {
        backend.run(start).ok();
        let containers = backend.containers();
        let info = backend.run(&["info"]);
        if containers.len() == 3 && info.code == Some(0) && !info.stdout.contains("missing") {
            break;
        }
        assert!(Instant::now() < patience, "{containers:?} {info:?}");
    }
}

/// Stops alone clean up as well, and each of them succeeds.
///
/// One may not be enough right after the kill: what the engine was asked before, it may finish
/// after that stop has looked, and then it is the next one that finds it.
#[track_caller]
fn stops_clean_up(backend: &Backend) {
    let patience = Instant::now() + PATIENCE;
    loop {
        backend.run(&["stop"]).ok();
        let left = backend.containers();
        if left.is_empty() {
            // Nothing was on its way any more if nothing comes while another stop looks.
            backend.run(&["stop"]).ok();
            if backend.containers().is_empty() && !Volume::exists(&backend.dialer()) {
                return;
            }
        }
        assert!(Instant::now() < patience, "{left:?}");
    }
}

/// A start that takes all kinds of containers, and a volume.
fn start_with_dialer() -> Vec<String> {
    let list = format!("{}@loopback", free_port());
    ["start", "--security", "restricted", "--allow-host-port", &list].map(str::to_owned).to_vec()
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_that_is_killed_at_any_request_is_made_good_by_a_start_or_a_stop() {
    let (backend, tap, start) = (Backend::new(), Tap::new(), start_with_dialer());
    let start: Vec<_> = start.iter().map(String::as_str).collect();
    // An engine that has the image is asked for the same each time.
    backend.run(&start).ok();
    backend.run(&["stop"]).ok();
    let mut number = 1;
    while is_killed(&backend, &tap, &start, number) {
        is_made_good(&backend, &start, number);
        number += 1;
    }
    // The containers' creations and starts, and the volume's creation.
    assert!(number > 7, "only {number} requests");
    stops_clean_up(&backend);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_stop_that_is_killed_at_any_request_is_made_good_by_a_start_or_another_stop() {
    let (backend, tap, start) = (Backend::new(), Tap::new(), start_with_dialer());
    let start: Vec<_> = start.iter().map(String::as_str).collect();
    let mut number = 1;
    loop {
        backend.run(&start).ok();
        if !is_killed(&backend, &tap, &["stop"], number) {
            break;
        }
        is_made_good(&backend, &start, number);
        number += 1;
    }
    // The backend's end, and the removals of three containers and the volume.
    assert!(number > 5, "only {number} requests");
    assert!(backend.containers().is_empty());
}
