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
    script.retain(|(path, _)| !["/exec/e1/start", "/logs", "/containers/b1"].contains(path));
    script.push(("/exec/e1/start", vec![Deed::error(500, "no")]));
    script.push(("/logs", vec![Deed::ok("")]));
    script.push(("/containers/b1", vec![Deed::Answer(204, String::new())]));
    script
}

/// What a command has done that made fewer requests: how many, and all that it said.
type Done = (usize, String);

/// How long a command waits for an engine that leaves this request and all after it without an answer, and all
/// that it says.
async fn waits(number: usize, line: &str) -> Result<(Duration, String), Done> {
    let engine = ScriptedEngine::that_hangs(answering(), Hangs::From(number));
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
        done = &mut command => return Err((engine.requests().len(), all(done))),
        () = engine.has_hung() => {}
    }
    tokio::time::pause();
    let silent_since = Instant::now();
    let done = command.await;
    let waited = silent_since.elapsed();
    tokio::time::resume();
    Ok((waited, all(done)))
}

/// Has a command wait from each of its requests on, until it is done as with an engine that always answers.
async fn from_each(line: &str, check: impl FnMut(usize, Duration, &str)) {
    let mut check = check;
    let usual = waits(usize::MAX, line).await.unwrap_err();
    for number in 1.. {
        match waits(number, line).await {
            Ok((waited, said)) => check(number, waited, &said),
            Err(done) => {
                assert_eq!(done, usual, "{line}");
                assert_eq!(done.0, number - 1, "{line}");
                return;
            }
        }
    }
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
        "backend info --quiet",
        "backend stats",
        "backend cache usage",
        "backend cache purge --force",
        "backend port add 6000",
        "backend port rm 5000",
        "backend start --allow-host-port 0",
        "backend start --dry-run",
    ] {
        let told = |number: usize, waited: Duration, said: &str| {
            assert!(waited <= MOST, "{line}, request {number}: {waited:?}: {said}");
            let is_told = said.contains("did not answer within 1 s") || said.contains("(no answer)");
            assert!(is_told, "{line}, request {number}: {said}");
        };
        from_each(&format!("{line} --timeout 1s"), told).await;
    }
    // Nor is it laid on others.
    let mut all = String::new();
    let told = |number: usize, waited: Duration, said: &str| {
        assert!(waited <= MOST, "request {number}: {waited:?}: {said}");
        for line in said.lines().filter(|line| line.contains("answer within 1 s")) {
            let is_the_engine = line.starts_with("fail  engine ") || line.contains("the docker engine at");
            assert!(is_the_engine, "request {number}: {said}");
        }
        all.push_str(said);
    };
    from_each("backend doctor --timeout 1s", told).await;
    let unasked = |number: usize, waited: Duration, said: &str| {
        assert!(waited <= USUALLY, "request {number}: {waited:?}: {said}");
    };
    from_each("backend doctor", unasked).await;
    for check in ["backend         ", "buildkit        ", "sidecar 5000    cannot be asked: "] {
        assert!(all.contains(&format!("fail  {check}the docker engine at")), "{check}: {all}");
    }
    assert!(all.contains("-> the engine may be overloaded"), "{all}");
}
