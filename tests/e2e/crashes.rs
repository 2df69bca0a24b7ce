//! A start or a stop that is killed in the middle of its work, where it can clean up nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Backend, Volume};

/// How long an engine with much to do may take for what a killed command had asked it for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many moments each run is killed at, spread over the time that an undisturbed one takes.
const MOMENTS: u32 = 12;

/// Runs the command and kills it after `delay`, as `kill -9` does.
fn kill(backend: &Backend, args: &[&str], delay: Duration) {
    let mut command = backend.command(args);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Whatever was left behind: a start makes a whole backend of it, and a stop leaves nothing. Every
/// command succeeds.
///
/// What the engine was asked before the kill, it may finish when the start has found all well; the
/// next one makes that good.
#[track_caller]
fn recovers(backend: &Backend, list: &str, delay: Duration) {
    let patience = Instant::now() + PATIENCE;
    loop {
        backend.forward(list);
        let containers = backend.containers();
        if containers.len() == 3 && backend.run(&["info"]).code == Some(0) {
            break;
        }
        assert!(Instant::now() < patience, "after {delay:?}: {containers:?}");
    }
    stops_clean_up(backend, delay);
}

/// Stops alone clean up as well, and each of them succeeds.
///
/// One may not be enough right after the kill: what the engine was asked before, it may finish
/// after that stop has looked, and then it is the next one that finds it.
#[track_caller]
fn stops_clean_up(backend: &Backend, delay: Duration) {
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
        assert!(Instant::now() < patience, "after {delay:?}: {left:?}");
    }
}

/// A forward that takes all kinds of containers, and a volume.
fn with_dialer() -> String {
    format!("{}@loopback", crate::support::free_port())
}

/// The moments to kill `args` at, from how long it takes undisturbed.
fn moments(backend: &Backend, args: &[&str]) -> impl Iterator<Item = Duration> {
    let began = Instant::now();
    backend.run(args).ok();
    let whole = began.elapsed();
    (0..MOMENTS).map(move |at| whole * at / MOMENTS)
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_that_is_killed_is_made_good_by_the_next_one() {
    let (backend, list) = (Backend::new(), with_dialer());
    let start = ["start", "--allow-host-port", &list];
    let moments = moments(&backend, &start);
    backend.run(&["stop"]).ok();
    for delay in moments {
        kill(&backend, &start, delay);
        recovers(&backend, &list, delay);
        kill(&backend, &start, delay);
        stops_clean_up(&backend, delay);
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_stop_that_is_killed_is_made_good_by_a_start_or_another_stop() {
    let (backend, list) = (Backend::new(), with_dialer());
    backend.forward(&list);
    for delay in moments(&backend, &["stop"]) {
        backend.forward(&list);
        kill(&backend, &["stop"], delay);
        recovers(&backend, &list, delay);
    }
}
