//! The backend as a builder of buildx, with a program in docker's place.

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

use crate::program::program;
use crate::scripted_engine::{Deed, Script, ScriptedEngine};

/// A home with a docker command that notes how it is called.
struct Home(PathBuf);

impl Home {
    fn new(test: &str, script: &str) -> Self {
        let home =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("buildx-{test}-{}", std::process::id()));
        std::fs::create_dir_all(home.join(".docker/buildx/instances")).unwrap();
        let log = home.join("log");
        program(&home, "docker", &format!("#!/bin/sh\necho \"$@\" >> {}\n{script}\n", log.display()));
        std::fs::write(log, "").unwrap();
        Self(home)
    }

    fn register(&self) {
        std::fs::write(self.0.join(".docker/buildx/instances").join(BACKEND), "{}").unwrap();
    }

    async fn run(&self, engine: &ScriptedEngine, args: &[&str]) -> Output {
        self.run_with(engine, args, &[]).await
    }

    async fn run_with(&self, engine: &ScriptedEngine, args: &[&str], vars: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_docker-assemble"))
            .args(["-H", &engine.endpoint().host, "assemble", "backend"])
            .args(args)
            .env_clear()
            .env("USER", "ann")
            .env("HOME", &self.0)
            .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", self.0.join("docker"))
            .envs(vars.iter().copied())
            .output()
            .await
            .unwrap()
    }

    /// How docker was called, without the engine's address.
    fn calls(&self, engine: &ScriptedEngine) -> Vec<String> {
        let log = std::fs::read_to_string(self.0.join("log")).unwrap();
        let globals = format!("-H {} ", engine.endpoint().host);
        log.lines().map(|line| line.strip_prefix(&globals).unwrap().to_owned()).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

const BACKEND: &str = "docker-assemble-backend-ann";

/// An engine on which the backend is in this state.
fn engine(state: &str) -> ScriptedEngine {
    ScriptedEngine::start(script(state))
}

fn script(state: &str) -> Script {
    let inspected = format!(
        r#"{{"Id":"b1","Name":"/{BACKEND}","State":{{"Status":"{state}"}},"Config":{{"Labels":{{
            "io.github.docker-assemble.role":"backend","io.github.docker-assemble.user":"ann"}}}}}}"#
    );
    vec![
        ("/containers/json", vec![Deed::ok(r#"[{"Id":"b1"}]"#)]),
        ("/containers/b1/json", vec![Deed::ok(inspected)]),
        ("/containers/b1/stop", vec![Deed::Answer(204, String::new())]),
        ("/containers/b1", vec![Deed::Answer(204, String::new())]),
        ("/volumes", vec![Deed::ok(r#"{"Volumes":[],"Warnings":null}"#)]),
    ]
}

/// One on which it runs and is gone once it is stopped, twice.
fn stoppable() -> ScriptedEngine {
    let listed = [r#"[{"Id":"b1"}]"#, "[]"].repeat(2).into_iter().map(Deed::ok).collect();
    let mut script = script("running");
    script[0].1 = listed;
    ScriptedEngine::start(script)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_running_backend_becomes_the_builder_in_use() {
    let (home, engine) = (Home::new("use", ""), engine("running"));
    let output = home.run(&engine, &["use"]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), format!("Builder \"{BACKEND}\" is in use by docker buildx\n"));
    let create = format!("buildx create --name {BACKEND} --driver remote --use docker-container://{BACKEND}");
    assert_eq!(home.calls(&engine), std::slice::from_ref(&create));
    // Buildx would refuse to make it twice.
    home.register();
    assert!(home.run(&engine, &["use"]).await.status.success());
    assert_eq!(home.calls(&engine), [create, format!("buildx use {BACKEND}")]);
}

#[tokio::test]
async fn what_does_not_use_the_builder_in_use_is_told() {
    let (home, engine) = (Home::new("told", ""), engine("running"));
    let told = async |vars: &[(&str, &str)]| {
        let output = home.run_with(&engine, &["use"], vars).await;
        assert!(output.status.success(), "{output:?}");
        text(&output.stderr)
    };
    let plain = told(&[]).await;
    assert!(
        plain.starts_with("'docker build' and 'docker bake' go on with the builder of the engine: "),
        "{plain}"
    );
    assert_eq!(told(&[("BUILDX_BUILDER", "")]).await, plain);
    let other = told(&[("BUILDX_BUILDER", "other")]).await;
    let warning = "WARNING: \"BUILDX_BUILDER\" is \"other\" here, and builds use that one; 'unset BUILDX_BUILDER' ends it\n";
    assert_eq!(other, format!("{warning}{plain}"));
    assert_eq!(told(&[("BUILDX_BUILDER", BACKEND)]).await, "", "everything uses it");
    // As 'docker buildx install' has it.
    std::fs::write(home.0.join(".docker/config.json"), r#"{"aliases":{"builder":"buildx"}}"#).unwrap();
    assert_eq!(told(&[]).await, "");
    assert_eq!(told(&[("BUILDX_BUILDER", "other")]).await, warning);
}

#[tokio::test]
async fn a_builder_goes_with_its_backend() {
    let (home, engine) = (Home::new("stop", ""), stoppable());
    assert!(home.run(&engine, &["stop"]).await.status.success());
    assert_eq!(home.calls(&engine), [""; 0], "nobody asked for a builder");
    home.register();
    assert!(home.run(&engine, &["stop"]).await.status.success());
    assert_eq!(home.calls(&engine), [format!("buildx rm --force {BACKEND}")]);

    let (home, engine) = (Home::new("stop-fails", "echo 'ERROR: no room' >&2; exit 1"), stoppable());
    home.register();
    let output = home.run(&engine, &["stop"]).await;
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stderr).starts_with("WARNING: could not forget the builder: "), "{output:?}");
    assert!(engine.requests().iter().any(|request| request.starts_with("DELETE ")));
}

#[tokio::test]
async fn what_is_in_the_way_is_one_line() {
    let missing = "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1";
    let newer = "echo \"unknown flag: --name\n\nRun 'docker --help' for more information\" >&2; exit 125";
    for (script, state, words) in [
        (missing, "running", "docker has no buildx here; "),
        (newer, "running", "docker has no buildx here; "),
        ("echo 'ERROR: no room' >&2; exit 1", "running", " failed: no room\n"),
        ("", "exited", "is not running (exited)"),
    ] {
        let (home, engine) = (Home::new("refused", script), engine(state));
        let output = home.run(&engine, &["use"]).await;
        assert_eq!(output.status.code(), Some(1));
        let complaint = text(&output.stderr);
        assert!(complaint.contains(words) && complaint.lines().count() == 1, "{complaint}");
    }
}

#[tokio::test]
async fn the_environment_for_other_clients_is_a_line_for_a_shell() {
    let (home, engine) = (Home::new("env", ""), engine("exited"));
    let output = home.run(&engine, &["env"]).await;
    assert_eq!(text(&output.stdout), format!("export BUILDKIT_HOST=docker-container://{BACKEND}\n"));
    assert_eq!(engine.requests(), [""; 0], "no engine is asked");
}
