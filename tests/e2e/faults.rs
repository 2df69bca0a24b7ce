//! An engine that fails in the middle of a command: each command, at each of its requests.

use std::time::{Duration, Instant};

use crate::support::{Backend, Background, Deed, Outcome, Tap, Which, free_port};

/// An end without an answer, one within an answer, and an answer that is whole and makes no sense.
const FAULTS: [Deed; 3] = [
    Deed::Answer(""),
    Deed::Answer(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n[{\"Id\": \"a",
    ),
    Deed::Answer(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n[{\"Id\": \"a",
    ),
];

/// More requests than any command makes.
const MOST: usize = 60;

/// Runs the command with a fault at its request of this number; `None` when it makes fewer. They take
/// turns, since every request is read by the same code.
#[track_caller]
fn with_fault(backend: &Backend, tap: &Tap, args: &[&str], number: usize) -> Option<Outcome> {
    tap.choose(Which::Any, number, FAULTS[number % FAULTS.len()]);
    let mut process = Background::start(backend.command(args).env("DOCKER_HOST", tap.host()));
    let request = tap.done(&mut process);
    let outcome = process.outcome();
    let Some(request) = request else {
        // A doctor complains of what does not listen.
        assert!(outcome.code == Some(0) || args[0] == "doctor", "without a fault: {outcome:?}");
        return None;
    };
    // A panic ends with 101, and a command that hung was killed.
    assert!(matches!(outcome.code, Some(0 | 1)), "{request}: {outcome:?}");
    if outcome.code == Some(1) {
        let last = outcome.stderr.lines().last().unwrap_or_default();
        let is_told = !last.is_empty() && !last.contains("panicked") && !last.ends_with(':');
        // A doctor's results are its complaints.
        assert!(is_told || args[0] == "doctor", "{request}: {outcome:?}");
    }
    Some(outcome)
}

#[test]
#[ignore = "needs a docker engine"]
fn a_command_that_only_looks_says_what_broke() {
    let (backend, tap) = (Backend::new(), Tap::new());
    backend.start(&[free_port()]);
    for args in [
        &["info"][..],
        &["logs"],
        &["cache", "usage"],
        &["cache", "purge", "--dry-run"],
        &["doctor"],
        &["stats"],
        &["start", "--dry-run"],
    ] {
        let outcomes = (1..MOST).map_while(|number| with_fault(&backend, &tap, args, number));
        let failures = outcomes.filter(|outcome| outcome.code == Some(1)).count();
        // Two at least: the version, and the list of containers.
        assert!(failures >= 2, "{args:?} failed only {failures} times");
    }
    // None of it did any harm.
    backend.run(&["info"]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_that_breaks_anywhere_takes_back_what_it_made() {
    let (backend, tap, port) = (Backend::new(), Tap::new(), free_port().to_string());
    let start = ["start", "--security", "restricted", "--allow-host-port", &port];
    for number in 1..MOST {
        let Some(outcome) = with_fault(&backend, &tap, &start, number) else {
            assert!(number > 10, "only {number} requests");
            break;
        };
        if outcome.code == Some(1) {
            assert_eq!(backend.containers(), [""; 0], "{outcome:?}");
        } else {
            backend.run(&["stop"]).ok();
        }
    }
    backend.run(&["stop"]).ok();
    backend.run(&start).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_stop_that_breaks_anywhere_is_finished_by_the_next() {
    let (backend, tap, port) = (Backend::new(), Tap::new(), free_port());
    for number in 1..MOST {
        if backend.containers().is_empty() {
            backend.start(&[port]);
        }
        let whole = backend.containers();
        let outcome = with_fault(&backend, &tap, &["stop"], number);
        // One that breaks before it has removed anything leaves the backend to the next.
        if outcome.is_some() && backend.containers() == whole {
            continue;
        }
        backend.run(&["stop"]).ok();
        assert_eq!(backend.containers(), [""; 0], "{outcome:?}");
        if outcome.is_none() {
            assert!(number > 5, "only {number} requests");
            break;
        }
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn an_engine_that_falls_silent_half_way_is_given_up() {
    let backend = Backend::new();
    backend.start(&[]);
    let began = Instant::now();
    // Each with a way of its own, since all of them wait.
    let running: Vec<_> = [&["logs"][..], &["stop"]]
        .into_iter()
        .flat_map(|args| (1..=4).map(move |number| (args, number)))
        .map(|(args, number)| {
            let tap = Tap::new();
            tap.choose(Which::Any, number, Deed::Swallow);
            let process = Background::start(backend.command(args).env("DOCKER_HOST", tap.host()));
            (tap, process)
        })
        .collect();
    for (_tap, process) in running {
        let outcome = process.outcome().fails(1);
        assert!(outcome.stderr.contains("did not answer within"), "{outcome:?}");
    }
    println!("after {:.1?}", began.elapsed());
    assert!(began.elapsed() > Duration::from_secs(4), "nothing was waited for");
}

/// A filter in front of the engine that forbids commands in containers is quoted at once, whether it
/// forbids to prepare one or to start it, and not asked again until the time is over.
#[test]
#[ignore = "needs a docker engine"]
fn a_filter_that_forbids_commands_is_quoted_at_once() {
    let forbids = Deed::Answer(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n\
         {\"message\": \"authorization denied by plugin x: no exec\"}\n",
    );
    for number in [1, 2] {
        let (backend, tap) = (Backend::new(), Tap::new());
        tap.choose(Which::Commands, number, forbids);
        let start = ["start", "--security", "restricted", "--allow-host-port", "0"];
        let mut process = Background::start(backend.command(&start).env("DOCKER_HOST", tap.host()));
        assert!(tap.done(&mut process).is_some(), "{number}: no command was asked for");
        let outcome = process.outcome().fails(1);
        let words = format!(
            "run a command in container \"{}\": authorization denied by plugin x: no exec; \
             an authorization plugin or a proxy in front of the engine forbids it",
            backend.name()
        );
        assert!(outcome.stderr.replace('\n', " ").contains(&words), "{outcome:?}");
        assert_eq!(backend.containers(), [""; 0]);
    }
}
