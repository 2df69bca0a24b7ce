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
        self.register_as("docker-container://docker-assemble-backend-ann", "null");
    }

    /// As buildx keeps it, who writes "null" for what there is none of.
    fn register_as(&self, endpoint: &str, options: &str) {
        let node = format!(
            r#"{{"Name":"{BACKEND}0","Endpoint":"{endpoint}","Platforms":null,"DriverOpts":{options}}}"#
        );
        let text = format!(r#"{{"Name":"{BACKEND}","Driver":"remote","Nodes":[{node}],"Dynamic":false}}"#);
        std::fs::write(self.0.join(".docker/buildx/instances").join(BACKEND), text).unwrap();
    }

    async fn run(&self, engine: &ScriptedEngine, args: &[&str]) -> Output {
        self.run_with(engine, args, &[]).await
    }

    async fn run_with(&self, engine: &ScriptedEngine, args: &[&str], vars: &[(&str, &str)]) -> Output {
        let host = engine.endpoint().host;
        self.run_by(&[], args, &[&[("DOCKER_HOST", &*host)], vars].concat()).await
    }

    /// With these of docker's global options.
    async fn run_by(&self, globals: &[&str], args: &[&str], vars: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_docker-assemble"))
            .args(globals)
            .args(["assemble", "backend"])
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

    /// How docker was called.
    fn calls(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.0.join("log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    /// Has docker know this engine as a context.
    fn context(&self, name: &str, engine: &ScriptedEngine) {
        let meta = self.0.join(".docker/contexts/meta").join(docker_id(name));
        std::fs::create_dir_all(&meta).unwrap();
        let host = engine.endpoint().host;
        let text =
            format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
        std::fs::write(meta.join("meta.json"), text).unwrap();
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
    // Whether it is in use, what there is, what is left.
    let there = r#"[{"Id":"b1"}]"#;
    let listed = [there, there, "[]"].repeat(2).into_iter().map(Deed::ok).collect();
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
    assert_eq!(home.calls(), std::slice::from_ref(&create));
    // Buildx would refuse to make it twice.
    home.register();
    assert!(home.run(&engine, &["use"]).await.status.success());
    assert_eq!(home.calls(), [create, format!("buildx use {BACKEND}")]);
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
    assert_eq!(home.calls(), [""; 0], "nobody asked for a builder");
    home.register();
    assert!(home.run(&engine, &["stop"]).await.status.success());
    assert_eq!(home.calls(), [format!("buildx rm --force {BACKEND}")]);

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

/// The directory of a context (docker/cli, `cli/context/store`).
fn docker_id(name: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_context_leads_to_its_engine_wherever_docker_leads_later() {
    let (home, engine) = (Home::new("context", ""), engine("running"));
    home.context("far+off", &engine);
    let address = format!("docker-container://{BACKEND}?context=far%2Boff");
    let create = format!("buildx create --name {BACKEND} --driver remote --use {address}");
    let host = engine.endpoint().host;
    // By its name, or by a host that it has.
    for globals in [["-c", "far+off"], ["-H", &host]] {
        std::fs::write(home.0.join("log"), "").unwrap();
        let output = home.run_by(&globals, &["use"], &[]).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(home.calls(), [format!("{} {create}", globals.join(" "))]);
        let output = home.run_by(&globals, &["env"], &[]).await;
        assert_eq!(text(&output.stdout), format!("export BUILDKIT_HOST='{address}'\n"));
    }
    // One that leads elsewhere is changed, and one that is right is not.
    home.register();
    let calls = async || {
        std::fs::write(home.0.join("log"), "").unwrap();
        let output = home.run_by(&[], &["use"], &[("DOCKER_CONTEXT", "far+off")]).await;
        assert!(output.status.success(), "{output:?}");
        home.calls()
    };
    let change = format!("buildx create --name {BACKEND} --node {BACKEND}0 --driver remote --use {address}");
    assert_eq!(calls().await, [change]);
    home.register_as(&address, "null");
    assert_eq!(calls().await, [format!("buildx use {BACKEND}")]);
    // It is not forgotten with the backend of another engine, nor is that one's with this.
    std::fs::write(home.0.join("log"), "").unwrap();
    assert!(home.run(&stoppable(), &["stop"]).await.status.success());
    let other = stoppable();
    home.context("other", &other);
    assert!(home.run_by(&["-c", "other"], &["stop"], &[]).await.status.success());
    home.register();
    let other = stoppable();
    home.context("other", &other);
    assert!(home.run_by(&["-c", "other"], &["stop"], &[]).await.status.success());
    assert_eq!(home.calls(), [""; 0]);
}

#[tokio::test]
async fn an_engine_that_only_an_option_names_is_refused_with_what_to_do() {
    let (home, engine) = (Home::new("nameless", ""), engine("running"));
    let host = engine.endpoint().host;
    for args in [&["use"][..], &["env"], &["start", "--use"]] {
        let output = home.run_by(&["-H", &host], args, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let complaint = text(&output.stderr);
        let context = host.split(['/', ':', '.', '-', '_']).filter(|word| !word.is_empty());
        let context = context.collect::<Vec<_>>().join("-");
        let make = format!("'docker context create {context} --docker \"host={host}\"'");
        assert!(complaint.contains(&make) && complaint.lines().count() == 1, "{complaint}");
    }
    assert_eq!((home.calls(), engine.requests()), (Vec::new(), Vec::new()), "nothing is made");
}

#[tokio::test]
async fn a_builder_loads_what_it_builds_until_told_otherwise() {
    let (home, engine) = (Home::new("load", ""), engine("running"));
    let calls = async |args: &[&str]| {
        std::fs::write(home.0.join("log"), "").unwrap();
        let output = home.run(&engine, args).await;
        assert!(output.status.success(), "{output:?}");
        home.calls()
    };
    let address = format!("docker-container://{BACKEND}");
    let made = format!(
        "buildx create --name {BACKEND} --driver remote --driver-opt default-load=true --use {address}"
    );
    assert_eq!(calls(&["use", "--default-load"]).await, [made]);
    home.register_as(&address, r#"{"default-load":"true"}"#);
    for args in [&["use"][..], &["use", "--default-load"]] {
        assert_eq!(calls(args).await, [format!("buildx use {BACKEND}")]);
    }
    // Buildx keeps the options that are not named.
    let ended = format!(
        "buildx create --name {BACKEND} --node {BACKEND}0 --driver remote --driver-opt default-load=false --use {address}"
    );
    assert_eq!(calls(&["use", "--default-load=false"]).await, [ended]);
    let output = home.run(&engine, &["start", "--default-load"]).await;
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(text(&output.stderr).starts_with("--default-load needs --use"), "{output:?}");
}
