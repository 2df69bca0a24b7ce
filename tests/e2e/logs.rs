//! `backend logs` says what BuildKit said.

use crate::support::{Backend, Background, docker, free_port};

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
    for follow in [&mut interrupted, &mut terminated, &mut to_the_end] {
        follow.says(SERVES);
    }
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

#[test]
#[ignore = "needs a docker engine"]
fn lines_are_chosen_by_time_and_told_with_it() {
    let backend = Backend::new();
    backend.start(&[]);
    let logs = |args: &[&str]| backend.run(&[&["logs"], args].concat()).ok();
    let all = logs(&[]).words();
    let stamped = logs(&["--timestamps"]);
    let own = docker(&["logs", "--timestamps", &backend.name()]).ok();
    assert_eq!((&stamped.stdout, &stamped.stderr), (&own.stdout, &own.stderr));

    assert_eq!(logs(&["--since", "1h"]).words(), all);
    assert_eq!(logs(&["--until", "1h"]).words(), "");
    // The second line's own time, to the second: what comes from there on.
    let words = stamped.words();
    let time = words.lines().nth(1).unwrap().split(' ').next().unwrap();
    let second = format!("{}Z", &time[..19]);
    let since = logs(&["--since", &second]).words();
    assert!(!since.is_empty() && all.ends_with(&since), "{second} {since}");
    let own = docker(&["logs", "--since", &second, &backend.name()]).ok();
    assert_eq!(since, own.words());
}

#[test]
#[ignore = "needs a docker engine"]
fn the_log_of_any_container_of_the_backend_is_shown() {
    let (backend, port) = (Backend::new(), free_port());
    backend.forward(&format!("{port}@loopback"));
    let logs = |args: &[&str]| backend.run(&[&["logs"], args].concat());

    let relay = docker(&["logs", &backend.sidecar(port)]).ok().words();
    assert!(relay.contains(&port.to_string()), "{relay}");
    assert_eq!(logs(&["--proxy", &port.to_string()]).ok().words(), relay);
    assert_eq!(logs(&[&backend.sidecar(port)]).ok().words(), relay);
    let dialer = docker(&["logs", &backend.dialer()]).ok().words();
    assert_eq!(logs(&[&backend.dialer()]).ok().words(), dialer);
    assert!(logs(&[&backend.id()[..6]]).ok().words().contains(SERVES));

    let stranger = logs(&["stranger"]).fails(1);
    let known = format!("these are: {}, {}, {}", backend.name(), backend.sidecar(port), backend.dialer());
    assert!(stranger.only_complaint().ends_with(&known), "{stranger:?}");
    let other = logs(&["--proxy", "1"]).fails(1);
    assert_eq!(other.only_complaint(), format!("port \"1\" is not forwarded; these are: {port}"));
}
