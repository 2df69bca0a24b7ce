//! Devices of an engine that has a driver for them, though none of the devices: the engine takes a program
//! of this name on its `PATH` for NVIDIA's, and what that is told is all that a start has to do with it.

use std::fs::read_to_string;
use std::path::Path;

use serde_json::{Value, json};

use crate::buildx::Client;
use crate::program::program;
use crate::support::{Backend, Context, OwnEngine, TempDir, backend_image, run};

/// What the engine runs before the container's own program, in place of one that makes the devices.
const HOOK: &str = "nvidia-container-runtime-hook";

/// The variables of NVIDIA's that the engine gives the container.
fn given(engine: &OwnEngine, backend: &Backend) -> Vec<String> {
    let environment = ["exec", &backend.name(), "sh", "-c", "tr '\\0' '\\n' </proc/1/environ"];
    let all = engine.docker(&environment).ok().stdout;
    let mut given: Vec<_> =
        all.lines().filter(|line| line.starts_with("NVIDIA_")).map(str::to_owned).collect();
    given.sort();
    given
}

fn id(engine: &OwnEngine, backend: &Backend) -> String {
    engine.docker(&["container", "inspect", "--format", "{{.Id}}", &backend.name()]).ok().stdout
}

/// Devices of a backend are its daemon's: a step has those that BuildKit gives it, which asks no driver of the
/// engine's for that.
fn builds_with_buildx(engine: &OwnEngine, client: &Client, calls: &Path) {
    let docker = |args: &[&str]| run(client.0.command_of("docker", args).env("DOCKER_HOST", engine.host()));
    let (before, name) = (read_to_string(calls).unwrap(), client.0.name());
    docker(&[
        "buildx",
        "create",
        "--driver",
        "remote",
        "--name",
        "gpus",
        &format!("docker-container://{name}"),
    ])
    .ok();
    let context = Context::new("FROM scratch\nADD busybox.tar /\nRUN ! env | grep NVIDIA_\n");
    let directory = context.path().to_str().unwrap();
    docker(&["buildx", "build", "--builder", "gpus", "--progress=plain", "--no-cache", directory]).ok();
    docker(&["buildx", "rm", "--keep-daemon", "gpus"]).ok();
    assert_eq!(read_to_string(calls).unwrap(), before);
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn a_backend_has_the_devices_that_a_start_asks_for() {
    let (client, programs) = (Client::new(), TempDir::new());
    let (Client(backend), calls) = (&client, programs.path().join("calls"));
    program(programs.path(), HOOK, &format!("#!/bin/sh\necho \"$@\" >>{}\n", calls.display()));
    let engine = OwnEngine::start_finding(programs.path());
    engine.take(&[backend_image()]);
    let start = |args: &[&str]| engine.plugin(backend, &[&["start", "--allow-host-port=0"], args].concat());

    let would = start(&["--gpus", "all", "--dry-run"]).ok();
    assert!(would.stdout.contains("gpus \"all\""), "{would:?}");
    start(&["--gpus", "all"]).ok();
    assert_eq!(given(&engine, backend), ["NVIDIA_VISIBLE_DEVICES=all"]);
    // More than once where the engine refuses a privileged container first.
    assert!(read_to_string(&calls).unwrap().starts_with("prestart\n"));
    let told = engine.plugin(backend, &["info", "--format", "json"]).ok().stdout;
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["Settings"]["gpus"], json!(["all"]));

    let first = id(&engine, backend);
    for same in [&["--gpus", "all"][..], &["--gpus=count=-1"], &[]] {
        let again = start(same).ok();
        assert!(again.stdout.contains("is already running"), "{again:?}");
    }
    let other = start(&["--gpus", "2"]).fails(1);
    assert!(other.stderr.contains("gpus: has \"all\", asked for \"2\""), "{other:?}");
    assert_eq!(id(&engine, backend), first);

    for (asked, devices) in
        [("2", "0,1"), ("\"device=0,3\"", "0,3"), ("\"device=1\",capabilities=utility", "1")]
    {
        start(&["--gpus", asked, "--recreate"]).ok();
        let visible = format!("NVIDIA_VISIBLE_DEVICES={devices}");
        assert!(given(&engine, backend).contains(&visible), "{:?}", given(&engine, backend));
    }
    assert!(given(&engine, backend).contains(&"NVIDIA_DRIVER_CAPABILITIES=utility".to_owned()));
    let daemon = ["exec", &backend.name(), "buildctl", "debug", "workers"];
    engine.docker(&daemon).ok();
    builds_with_buildx(&engine, &client, &calls);

    // Taken back, and of a driver that the engine has not.
    let before = id(&engine, backend);
    let refused = start(&["--gpus", "driver=none", "--recreate"]).fails(125);
    assert!(refused.stderr.contains("asked for gpus \"driver=none,1\""), "{refused:?}");
    assert_eq!(id(&engine, backend), before);
    start(&["--gpus", "", "--recreate"]).ok();
    assert_eq!(given(&engine, backend), [""; 0]);
    engine.plugin(backend, &["stop"]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn an_engine_without_a_driver_says_so_and_nothing_changes() {
    let backend = Backend::new();
    let engine = OwnEngine::start(&[]);
    engine.take(&[backend_image()]);
    let start = |args: &[&str]| engine.plugin(&backend, &[&["start", "--allow-host-port=0"], args].concat());
    // Each engine says it in words of its own.
    let plain = engine.docker(&["run", "--rm", "--gpus", "all", &backend_image()]);
    let told = plain.stderr.lines().next().and_then(|line| line.split_once("Error response from daemon: "));
    let (_, reason) = told.unwrap_or_else(|| panic!("{plain:?}"));
    let refused = |args: &[&str]| {
        let refused = start(args).fails(125);
        let error = refused.stderr.lines().last().unwrap();
        assert!(error.contains(reason) && error.ends_with("; asked for gpus \"all\""), "{refused:?}");
    };
    refused(&["--gpus", "all"]);
    assert_eq!(engine.docker(&["ps", "--all", "--quiet"]).ok().stdout, "");
    assert_eq!(engine.docker(&["volume", "ls", "--quiet"]).ok().stdout, "");
    start(&[]).ok();
    let before = id(&engine, &backend);
    refused(&["--gpus", "all", "--recreate"]);
    assert_eq!(id(&engine, &backend), before);
    let again = start(&[]).ok();
    assert!(again.stdout.contains("is already running"), "{again:?}");
    engine.plugin(&backend, &["stop"]).ok();
}
