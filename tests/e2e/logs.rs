//! `backend logs` says what BuildKit said.

use std::thread::sleep;
use std::time::Duration;

use crate::support::{Backend, Background, docker};

/// What BuildKit logs once it serves.
const SERVES: &str = "running server on";

#[test]
#[ignore = "needs a docker engine"]
fn the_log_is_that_of_the_daemon() {
    let backend = Backend::new();
    backend.start(&[]);
    let logs = backend.run(&["logs"]).ok();
    assert!(logs.words().contains(SERVES), "{logs:?}");
    // The daemon's two streams stay apart, as docker has them.
    let own = docker(&["logs", &backend.name()]).ok();
    assert_eq!((&logs.stdout, &logs.stderr), (&own.stdout, &own.stderr));

    for (args, count) in [(["--tail", "1"], 1), (["-n", "2"], 2), (["--tail", "0"], 0)] {
        let tail = backend.run(&[&["logs"][..], &args].concat()).ok();
        let words = tail.words();
        assert_eq!(words.lines().count(), count, "{tail:?}");
        assert!(logs.words().ends_with(&words), "{tail:?}");
    }
    backend.run(&["logs", "--tail", "x"]).fails(125);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_followed_log_ends_with_the_backend_or_on_ctrl_c() {
    let backend = Backend::new();
    backend.start(&[]);
    let follow = || Background::start(&mut backend.command(&["logs", "--follow"]));

    let (mut interrupted, mut terminated, mut to_the_end) = (follow(), follow(), follow());
    sleep(Duration::from_secs(1));
    assert!(!interrupted.has_ended() && !terminated.has_ended() && !to_the_end.has_ended());
    interrupted.signal("INT");
    terminated.signal("TERM");
    let interrupted = interrupted.outcome().fails(130);
    assert!(interrupted.words().contains(SERVES), "{interrupted:?}");
    terminated.outcome().fails(143);

    assert!(!to_the_end.has_ended());
    backend.run(&["stop"]).ok();
    let ended = to_the_end.outcome().ok();
    assert!(ended.words().contains(SERVES), "{ended:?}");
}
