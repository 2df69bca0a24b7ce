//! The program against engines that hang or break off.

use std::process::{Output, Stdio};

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::scripted_engine::{Deed, Hangs, Script, ScriptedEngine};

const BACKEND: &str = "docker-assemble-backend-ann";

pub(crate) fn run(engine: &ScriptedEngine, args: &[&str]) -> Child {
    command(&["-H", &engine.endpoint().host], args).spawn().unwrap()
}

pub(crate) fn command(globals: &[&str], args: &[&str]) -> Command {
    let home = concat!(env!("CARGO_TARGET_TMPDIR"), "/empty-home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_docker-assemble"));
    command
        .args(globals)
        .arg("assemble")
        .args(args)
        .env_clear()
        .envs([("HOME", home), ("USER", "ann"), ("XDG_RUNTIME_DIR", env!("CARGO_TARGET_TMPDIR"))])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) fn tell(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), signal).unwrap();
}

pub(crate) fn words(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn inspected(id: &str, name: &str, role: &str, state: &str) -> Deed {
    Deed::ok(format!(
        r#"{{"Id":"{id}","Name":"/{name}","State":{{"Status":"{state}","StartedAt":"2024-05-01T10:00:00Z"}},
            "Config":{{"Labels":{{"io.github.docker-assemble.role":"{role}","io.github.docker-assemble.port":"5000",
            "io.github.docker-assemble.target":"gateway","io.github.docker-assemble.settings-hash":"0",
            "io.github.docker-assemble.user":"ann"}}}}}}"#
    ))
}

/// An engine with a backend whose BuildKit never says anything.
pub(crate) fn running() -> Script {
    vec![
        ("/info", vec![Deed::ok("{}")]),
        ("/containers/json", vec![Deed::ok(r#"[{"Id":"b1"},{"Id":"s1"}]"#)]),
        ("/containers/b1/json", vec![inspected("b1", BACKEND, "backend", "running")]),
        (
            "/containers/s1/json",
            vec![inspected("s1", &format!("{BACKEND}-proxy-port-5000"), "sidecar", "running")],
        ),
        ("/volumes", vec![Deed::ok(r#"{"Volumes":[],"Warnings":null}"#)]),
        ("/exec", vec![Deed::Answer(201, r#"{"Id":"e1"}"#.to_owned())]),
        ("/exec/e1/start", vec![Deed::SilentUpgrade]),
        ("/logs", vec![Deed::Silence]),
        ("/stop", vec![Deed::Answer(204, String::new())]),
        ("/containers/s1", vec![Deed::Answer(204, String::new())]),
        ("/containers/b1", vec![Deed::Silence]),
    ]
}

/// One without anything but BuildKit's image, on which a container is made that never gets ready.
pub(crate) fn empty() -> Script {
    vec![
        ("/info", vec![Deed::ok("{}")]),
        ("/containers/json", vec![Deed::ok("[]"), Deed::ok(r#"[{"Id":"c1"}]"#)]),
        ("/volumes", vec![Deed::ok(r#"{"Volumes":[],"Warnings":null}"#)]),
        ("buildx-stable-1/json", vec![Deed::ok(r#"{"Id":"sha256:b1","RepoTags":[],"RepoDigests":[]}"#)]),
        ("/containers/create", vec![Deed::Answer(201, r#"{"Id":"c1","Warnings":[]}"#.to_owned())]),
        ("/containers/c1/archive", vec![Deed::ok("")]),
        ("/containers/c1/start", vec![Deed::Answer(204, String::new())]),
        ("/containers/c1/json", vec![inspected("c1", BACKEND, "backend", "running")]),
        ("/containers/c1/exec", vec![Deed::Answer(201, r#"{"Id":"e1"}"#.to_owned())]),
        ("/exec/e1/start", vec![Deed::SilentUpgrade]),
        ("/containers/c1", vec![Deed::Answer(204, String::new())]),
    ]
}

/// Waits until the engine has left the command waiting: one that ends before that never will.
async fn hung(engine: &ScriptedEngine, child: &mut Child) {
    tokio::select! {
        () = engine.has_hung() => {}
        status = child.wait() => panic!("it has ended: {status:?}"),
    }
}

/// How many requests the command makes until its script leaves one without an answer, or its end.
async fn requests(script: Script, args: &[&str]) -> usize {
    let engine = ScriptedEngine::start(script);
    let mut child = run(&engine, args);
    tokio::select! {
        () = engine.has_hung() => {}
        _ = child.wait() => {}
    }
    engine.requests().len()
}

/// Has the engine hang at a request of the command and tells the command to end; gives the requests by
/// then and what came of it.
async fn told_to_end(engine: &ScriptedEngine, args: &[&str], signal: Signal) -> (Vec<String>, Output) {
    let mut child = run(engine, args);
    hung(engine, &mut child).await;
    let before = engine.requests();
    tell(&child, signal);
    (before, child.wait_with_output().await.unwrap())
}

#[tokio::test]
async fn the_end_is_heard_at_every_request_of_every_command() {
    let (interrupt, terminate) = ((Signal::SIGINT, 130), (Signal::SIGTERM, 143));
    for (args, (signal, status)) in [
        (&["backend", "info"][..], interrupt),
        (&["backend", "stop"], terminate),
        (&["backend", "logs", "--follow"], interrupt),
        (&["backend", "cache", "usage"], terminate),
        (&["backend", "cache", "purge", "--force"], interrupt),
        (&["backend", "stats"], terminate),
        (&["backend", "doctor"], interrupt),
        (&["version"], terminate),
        (&["backend", "start", "--dry-run", "--forward", "1=192.0.2.1"], interrupt),
    ] {
        let all = requests(running(), args).await;
        assert!(all > 3, "{args:?}");
        for number in 1..=all {
            let engine = ScriptedEngine::that_hangs(running(), Hangs::At(number));
            let (before, output) = told_to_end(&engine, args, signal).await;
            assert_eq!(output.status.code(), Some(status), "{args:?} {:?}: {output:?}", before.last());
        }
    }
}

#[tokio::test]
async fn the_end_of_a_log_is_cut_where_its_lines_have_none() {
    // A piece of standard error, with its length before it.
    let piece = format!("\u{2}\0\0\0\0\0\u{10}\0{}", "x".repeat(4096));
    let mut script = running();
    script.retain(|(path, _)| *path != "/logs");
    script.push(("/logs", vec![Deed::Flood(piece)]));
    let engine = ScriptedEngine::start(script);
    let child = run(&engine, &["backend", "cache", "usage", "--timeout", "1s"]);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = words(&output);
    assert!(said.contains("The end of the log of"), "{}", &said[..said.len().min(400)]);
    assert!(said.len() < 2 << 20, "{} bytes", said.len());
}

/// Whoever says how long they want to wait is not kept longer by an engine that takes connections and is
/// silent. That of a stop is the backend's, which the engine is given to end it.
#[tokio::test]
async fn a_silent_engine_has_no_longer_than_was_said() {
    for hangs in [Hangs::From(1), Hangs::From(2), Hangs::From(3)] {
        let commands = [
            &["backend", "info"][..],
            &["backend", "info", "--quiet"],
            &["backend", "stats"],
            &["backend", "cache", "usage"],
            &["backend", "cache", "purge", "--force"],
            &["backend", "port", "add", "6000"],
            &["backend", "port", "rm", "5000"],
            &["backend", "start", "--allow-host-port", "0"],
            &["backend", "start", "--dry-run"],
            &["backend", "doctor"],
        ];
        let told = commands.map(async |args| {
            let engine = ScriptedEngine::that_hangs(running(), hangs);
            let child = run(&engine, &[args, &["--timeout", "1s"]].concat());
            let output = child.wait_with_output().await.unwrap();
            assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
            let all = [output.stdout.clone(), output.stderr.clone()].concat();
            let all = String::from_utf8(all).unwrap();
            assert!(all.contains("answer within 1 s"), "{args:?} {hangs:?}: {output:?}");
        });
        join_all(told).await;
    }
}

#[tokio::test]
async fn a_start_hears_of_the_end_at_every_request_and_takes_back_what_it_made() {
    let args = ["backend", "start", "--allow-host-port", "0"];
    let all = requests(empty(), &args).await;
    let mut removals = 0;
    for number in 1..=all {
        let engine = ScriptedEngine::that_hangs(empty(), Hangs::At(number));
        let (before, output) = told_to_end(&engine, &args, Signal::SIGTERM).await;
        let story = format!("request {number}: {:?}: {output:?}", before.last());
        assert_eq!(output.status.code(), Some(143), "{story}");
        let is_made = before[..before.len() - 1].iter().any(|head| head.contains("/containers/create?"));
        let says = |what: &str| words(&output).ends_with(&format!("Cancelled; {what}\n"));
        let is_wishing = says("nothing has been changed") && !is_made;
        assert!(is_wishing || says("what this start made is removed again"), "{story}");
        let of_it = |head: &&String| head.starts_with("DELETE ") && head.contains("/containers/c1?");
        let removed = engine.requests().iter().filter(of_it).count();
        assert_eq!(removed, usize::from(is_made), "{story}");
        removals += removed;
    }
    assert!(removals > 3, "{all} requests");
}

#[tokio::test]
async fn a_second_signal_ends_what_a_hung_engine_keeps_from_being_taken_back() {
    let args = ["backend", "start", "--allow-host-port", "0"];
    // The container is made; nothing is answered from its start on.
    let engine = ScriptedEngine::start(empty());
    let mut child = run(&engine, &args);
    hung(&engine, &mut child).await;
    let start = engine.requests().iter().position(|head| head.contains("/containers/c1/start")).unwrap() + 1;
    drop(child);

    let engine = ScriptedEngine::that_hangs(empty(), Hangs::From(start));
    let mut child = run(&engine, &args);
    hung(&engine, &mut child).await;
    tell(&child, Signal::SIGINT);
    // The removal.
    hung(&engine, &mut child).await;
    assert!(engine.requests().last().unwrap().starts_with("DELETE "), "{:?}", engine.requests());
    tell(&child, Signal::SIGINT);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(
        words(&output).contains("'docker assemble backend stop' removes what this start made"),
        "{output:?}"
    );
}

#[tokio::test]
async fn an_engine_that_stops_reading_is_an_error_and_no_reader_who_left() {
    let mut script = empty();
    script.push(("/images/load", vec![Deed::Deaf]));
    let engine = ScriptedEngine::start(script);
    let output = run(&engine, &["backend", "start"]).wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(words(&output).starts_with("load image"), "{output:?}");
}

#[tokio::test]
async fn an_engine_that_says_done_and_does_nothing_is_an_error() {
    let stopped = |args: &'static [&'static str], script: Script| async move {
        let engine = ScriptedEngine::start(script);
        let output = run(&engine, args).wait_with_output().await.unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
        words(&output)
    };
    let mut loads = empty();
    loads.push(("/images/load", vec![Deed::ok("")]));

    let mut pulls = empty();
    pulls.retain(|(path, _)| *path != "buildx-stable-1/json");
    pulls.push(("/images/create", vec![Deed::ok(r#"{"status":"Pulling"}"#)]));

    let mut removes = running();
    removes.retain(|(path, _)| *path != "/containers/b1");
    removes.push(("/containers/b1", vec![Deed::Answer(204, String::new())]));

    // A container without a name is not one that is not there.
    let nameless = vec![
        ("/containers/json", vec![Deed::ok(r#"[{"Id":"b1"}]"#)]),
        ("/containers/b1/json", vec![Deed::ok(r#"{"Id":"b1"}"#)]),
    ];
    let (loads, pulls, removes, nameless) = tokio::join!(
        stopped(&["backend", "start"], loads),
        stopped(&["backend", "start", "--allow-host-port", "0"], pulls),
        stopped(&["backend", "stop"], removes),
        stopped(&["backend", "stop"], nameless),
    );
    assert!(loads.contains("the engine has no such image after it"), "{loads}");
    assert!(pulls.contains("the engine has no such image after it"), "{pulls}");
    assert!(removes.contains("the engine removes nothing: "), "{removes}");
    assert!(nameless.contains("the engine's answer lacks an id or a name"), "{nameless}");
}
