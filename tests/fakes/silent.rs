//! Commands on an engine that falls silent midway. From then on the clock goes by itself, and tells to the
//! moment how long they wait.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use docker_assemble::commands::{Command, Here, understand};
use docker_plugin::cancel::Cancel;
use docker_plugin::cli::Invocation;
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::plugin_engine::running;
use crate::screen::Screen;
use crate::scripted_engine::{Deed, Hangs, Script, ScriptedEngine};
use crate::transcript::words;

/// An engine with a backend that cannot be asked anything, and logs without a word.
fn answering() -> Script {
    let mut script = running();
    let changed = ["/exec/e1/start", "/logs", "/containers/b1", "/containers/b1/json"];
    script.retain(|(path, _)| !changed.contains(path));
    let backend = body("/containers/b1/json");
    let more = r#""Image":"sha256:i1","HostConfig":{"NetworkMode":"builds"},"Config":{"Image":"b","#;
    let backend = backend.replace("\"Config\":{", more);
    script.push(("i1/json", vec![Deed::ok(r#"{"Id":"sha256:i1","RepoTags":[],"RepoDigests":[]}"#)]));
    script.push(("/containers/b1/json", vec![Deed::ok(backend)]));
    script.push(("/networks", vec![Deed::ok(r#"[{"Name":"builds","Id":"n1"}]"#)]));
    script.push(("/exec/e1/start", vec![Deed::error(500, "no")]));
    script.push(("/logs", vec![Deed::ok("")]));
    script.push(("/containers/b1", vec![Deed::Answer(204, String::new())]));
    script
}

/// The same with more sidecars than are asked at once.
fn crowded() -> Script {
    let (mut script, mut listed) = (answering(), r#"{"Id":"b1"}"#.to_owned());
    for port in 5001..5041 {
        listed.push_str(&format!(r#",{{"Id":"s{port}"}}"#));
        let sidecar = body("/containers/s1/json").replace("s1", &format!("s{port}"));
        let path: &str = format!("/containers/s{port}/json").leak();
        script.push((path, vec![Deed::ok(sidecar.replace("5000", &port.to_string()))]));
    }
    script.retain(|(path, _)| *path != "/containers/json");
    script.push(("/containers/json", vec![Deed::ok(format!("[{listed}]"))]));
    script
}

/// What a running engine says there.
fn body(path: &str) -> String {
    match running().into_iter().find(|(of, _)| *of == path).unwrap().1.remove(0) {
        Deed::Answer(_, body) => body,
        other => panic!("{other:?}"),
    }
}

/// What a command has done.
#[derive(Debug)]
struct Done {
    /// All that it said.
    said: String,
    /// The requests that it made until the engine fell silent.
    requests: Vec<String>,
    /// For how long after that it waited.
    waited: Duration,
}

/// What becomes of a command whose engine leaves this request and all after it without an answer; an error where it
/// makes fewer.
async fn waits(script: Script, number: usize, line: &str) -> Result<Done, Done> {
    let engine = ScriptedEngine::that_hangs(script, Hangs::From(number));
    let (host, directory) = (engine.endpoint().host, env!("CARGO_TARGET_TMPDIR"));
    let vars = BTreeMap::from([
        ("USER", "ann"),
        ("HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/empty-home")),
        ("XDG_RUNTIME_DIR", directory),
        ("DOCKER_HOST", host.as_str()),
    ]);
    let words = words(line);
    let Ok((globals, Invocation::Run(request))) = understand(&words, &[]) else { panic!("{line}") };
    let which = request.which(&vars).unwrap();
    let here = Here { vars: &vars, words: &words, globals: &globals, given: &[], which: which.as_ref() };
    let (screen, cancel) = (Screen::default(), Cancel::never());
    let console = screen.console();
    let mut command = pin!(async {
        match request.command {
            Command::Offline(_) => panic!("{line} asks no engine"),
            Command::Tolerant(command) => here.tolerate(command, &console).await,
            Command::OnEngine(command, limit) => here.obey(command, limit, &console, &cancel).await,
        }
    });
    let all = |done: anyhow::Result<()>| {
        let error = done.err().map(|error| format!("{error:#}")).unwrap_or_default();
        let all = format!("{}{}{error}", screen.out(), screen.err()).replace(&host, "HOST");
        // How many connections the host has is another number each time.
        all.lines().filter(|line| !line.contains("conntrack")).collect::<Vec<_>>().join("\n")
    };
    tokio::select! {
        done = &mut command => {
            return Err(Done { said: all(done), requests: engine.requests(), waited: Duration::ZERO });
        }
        () = engine.has_hung() => {}
    }
    let requests = engine.requests();
    tokio::time::pause();
    let silent_since = Instant::now();
    let done = command.await;
    let waited = silent_since.elapsed();
    tokio::time::resume();
    Ok(Done { said: all(done), requests, waited })
}

/// Has a command wait from each of its requests on, until it is done as with an engine that always answers.
async fn from_each(line: &str, check: impl FnMut(&Done)) {
    let mut check = check;
    let usual = waits(answering(), usize::MAX, line).await.unwrap_err();
    for number in 1.. {
        match waits(answering(), number, line).await {
            Ok(done) => check(&done),
            Err(done) => {
                assert_eq!((&done.said, done.requests.len()), (&usual.said, usual.requests.len()), "{line}");
                assert_eq!(done.requests.len(), number - 1, "{line}");
                return;
            }
        }
    }
}

/// That it was waited for twice at most, and is named.
#[track_caller]
fn is_told(line: &str, done: &Done) {
    assert!(done.said.contains("did not answer within 1 s"), "{line}: {:?}: {done:?}", done.requests.last());
    is_laid_on_no_other(line, done);
}

/// That it was waited for twice at most, and nothing is laid on whoever is asked through it.
#[track_caller]
fn is_laid_on_no_other(line: &str, done: &Done) {
    let story = format!("{line}: {:?}: {done:?}", done.requests.last());
    assert!(done.waited <= MOST, "{story}");
    let mut told =
        done.said.lines().filter(|line| line.contains("answer within") || line.contains("no answer"));
    assert!(told.all(|line| line.contains("the docker engine at")), "{story}");
}

/// What is asked in a container may hang with it, so that the engine is asked once more then; and no third time.
#[test]
fn an_engine_that_falls_silent_is_waited_for_twice_at_most() {
    /// That of a program's first thread; a test's is smaller.
    const STACK: usize = 8 << 20;
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.spawn(move || runtime.block_on(every_command())).unwrap().join().unwrap();
}

/// Twice a second, and what the clock rounds up.
const MOST: Duration = Duration::from_millis(2010);

/// Twice what an engine has where nothing is said.
const USUALLY: Duration = Duration::from_millis(40_010);

async fn every_command() {
    for line in [
        "backend info",
        "backend info --format json",
        "backend info --quiet",
        "backend stats",
        "backend cache usage",
        "backend cache purge --force",
        "backend port add 6000",
        "backend port rm 5000",
        "backend start --allow-host-port 0",
        "backend start --dry-run",
    ] {
        from_each(&format!("{line} --timeout 1s"), |done| is_told(line, done)).await;
    }
    let (mut all, mut paths) = (String::new(), Vec::new());
    let told = |done: &Done| {
        is_laid_on_no_other("doctor", done);
        all.push_str(&done.said);
        paths.extend(done.requests.last().cloned());
    };
    from_each("backend doctor --timeout 1s", told).await;
    let unasked = |done: &Done| assert!(done.waited <= USUALLY, "{done:?}");
    from_each("backend doctor", unasked).await;
    let inspecting = "inspect container \"docker-assemble-backend-ann\": the docker engine at";
    for check in ["backend         ", "buildkit        ", "sidecar 5000    cannot be asked: "] {
        assert!(all.contains(&format!("fail  {check}{inspecting}")), "{check}: {all}");
    }
    assert!(all.contains("-> the engine may be overloaded"), "{all}");
    for path in ["/networks ", "/archive?"] {
        assert!(paths.iter().any(|head| head.contains(path)), "{path}: {paths:?}");
    }

    // However many there are to ask.
    for line in ["backend info", "backend info --format json", "backend stats", "backend doctor"] {
        let line = format!("{line} --timeout 1s");
        let usual = waits(crowded(), usize::MAX, &line).await.unwrap_err();
        let is_asked = |head: &String| head.contains("/containers/s50") && head.contains("/exec");
        let first =
            usual.requests.iter().position(is_asked).unwrap_or_else(|| panic!("{line}: {usual:?}")) + 1;
        is_told(&line, &waits(crowded(), first, &line).await.unwrap());
    }

    // BuildKit is reached before.
    let deaf = || {
        let mut script = answering();
        script.retain(|(path, _)| !["/exec/e1/start", "/containers/json"].contains(path));
        script.push(("/exec/e1/start", vec![Deed::SilentUpgrade]));
        script.push(("/containers/json", vec![Deed::ok(r#"[{"Id":"b1"}]"#)]));
        script
    };
    for line in
        ["backend info --timeout 1s", "backend cache usage --timeout 1s", "backend doctor --timeout 1s"]
    {
        let reached = waits(deaf(), usize::MAX, line).await.unwrap().requests.len();
        is_told(line, &waits(deaf(), reached + 1, line).await.unwrap());
    }
}
