//! What CI runs of this project: the action for GitHub, and the example of a job for GitLab.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write, copy};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use serde_norway::Value;

use crate::buildx::Client;
use crate::support::{Context, Outcome, PLUGIN, Registry, TempDir, base_image, docker, host, run};

const ACTION: &str = include_str!("../../action.yml");
const GITLAB: &str = include_str!("../../packaging/ci/gitlab-ci.yml");

/// The project's directory.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| serde_norway::to_string(value).unwrap(), str::to_owned)
}

/// The files of a release, served under any address that ends with their names.
pub(crate) struct Release {
    port: u16,
    files: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Release {
    pub(crate) fn new() -> Self {
        let (listener, files) = (TcpListener::bind("127.0.0.1:0").unwrap(), TempDir::new());
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        std::fs::copy(PLUGIN, files.path().join(format!("docker-assemble-linux-{arch}"))).unwrap();
        std::fs::copy(root().join("packaging/ci/setup.sh"), files.path().join("setup.sh")).unwrap();
        let sums = run(Command::new("sh").args(["-c", "sha256sum *"]).current_dir(files.path())).ok().stdout;
        std::fs::write(files.path().join("SHA256SUMS"), sums).unwrap();

        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<_>>>::default());
        let (directory, seen) = (files.path().to_owned(), Arc::clone(&asked));
        spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                let path =
                    head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
                let file = std::fs::read(directory.join(path.rsplit('/').next().unwrap_or_default()));
                let (status, body) = file.map_or(("404 Not Found", vec![]), |body| ("200 OK", body));
                seen.lock().unwrap().push(path);
                // One that has left wants no more.
                let _ = write!(stream, "HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&body);
            }
        });
        Self { port, files, asked }
    }

    pub(crate) fn server(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A client whose docker command has buildx, and not the plugin.
pub(crate) fn without_plugin() -> Client {
    let client = Client::new();
    std::fs::remove_file(plugin(&client)).unwrap();
    client
}

fn plugin(client: &Client) -> PathBuf {
    client.0.home().join("cli-plugins/docker-assemble")
}

/// Does one half of the action, "main" or "post", as GitHub's runner does: with a variable for each input,
/// and files for what is told to later steps.
fn action(client: &Client, release: &Release, half: &str, inputs: &[(&str, &str)]) -> Outcome {
    let action: Value = serde_norway::from_str(ACTION).unwrap();
    let program = root().join(text(&action["runs"][half]));
    let mut command = client.0.command_of("node", &[program.to_str().unwrap()]);
    let mut given: BTreeMap<_, _> = inputs.iter().copied().collect();
    for (name, input) in action["inputs"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        let default = input.get("default").map(text).unwrap_or_default();
        let value = given.remove(name).map_or(default, str::to_owned);
        command.env(format!("INPUT_{}", name.to_uppercase()), value);
    }
    assert!(given.is_empty(), "the action has no {given:?}");
    for file in ["GITHUB_STATE", "GITHUB_OUTPUT", "GITHUB_ENV"] {
        command.env(file, client.0.home().join(file));
    }
    for saved in told(client, "GITHUB_STATE").lines() {
        let (name, value) = saved.split_once('=').unwrap();
        command.env(format!("STATE_{name}"), value);
    }
    run(command
        .env("GITHUB_SERVER_URL", release.server())
        .env("GITHUB_ACTION_REPOSITORY", "owner/repository"))
}

/// What the action has told by this file.
fn told(client: &Client, file: &str) -> String {
    std::fs::read_to_string(client.0.home().join(file)).unwrap_or_default()
}

/// What was saved for the half after one job is not there in the next.
fn forget(client: &Client) {
    let _ = std::fs::remove_file(client.0.home().join("GITHUB_STATE"));
}

#[test]
#[ignore = "needs a docker engine, buildx and Node"]
fn the_action_installs_its_release_and_makes_a_builder_until_the_job_ends() {
    let (client, registry, release) = (without_plugin(), Registry::start(), Release::new());
    let backend = &client.0;
    let config = backend.home().join("buildkitd.toml");
    std::fs::write(&config, "[log]\n  format = \"json\"\n").unwrap();
    let cache = backend.volume(format!("{}-cache", backend.name()));
    // What setup-buildx-action would have been given `driver-opts: network=host` for.
    let ports = format!("5000:{}", registry.port);
    let inputs = [
        ("ports", ports.as_str()),
        ("cache", &cache),
        ("config", config.to_str().unwrap()),
        ("driver-opts", "env.ONE=1\nenv.TWO=2"),
    ];
    action(&client, &release, "main", &inputs).ok();
    let from = format!("/owner/repository/releases/download/v{}/", env!("CARGO_PKG_VERSION"));
    let asked = release.asked.lock().unwrap().clone();
    assert!(asked.len() == 2 && asked.iter().all(|path| path.starts_with(&from)), "{asked:?}");
    assert_eq!(told(&client, "GITHUB_OUTPUT"), format!("name={}\n", backend.name()));
    assert!(backend.volumes().contains(&cache));
    let env = backend.inspect()["Config"]["Env"].to_string();
    assert!(env.contains("\"ONE=1\"") && env.contains("\"TWO=2\""), "{env}");
    let logs = backend.run(&["logs"]).ok().words();
    assert!(logs.contains(r#""msg":"running server"#), "{logs}");

    let context = Context::new("FROM scratch\nADD busybox.tar /\n");
    let directory = context.path().to_str().unwrap();
    client.run(&["buildx", "build", "--push", "--tag", "localhost:5000/app", directory]).ok();
    assert!(registry.catalog().contains("app"), "{}", registry.catalog());

    action(&client, &release, "post", &[("cleanup", "false")]).ok();
    assert!(backend.runs());
    action(&client, &release, "post", &inputs).ok();
    assert_eq!((backend.containers(), client.builder()), (vec![], None));
}

#[test]
#[ignore = "needs a docker engine, buildx and Node"]
fn the_action_takes_nothing_that_the_sums_of_the_release_do_not_name() {
    let (client, release) = (without_plugin(), Release::new());
    let sums = release.files.path().join("SHA256SUMS");
    let good = std::fs::read_to_string(&sums).unwrap();
    let other: String = good.lines().map(|line| format!("{}{}\n", "0".repeat(64), &line[64..])).collect();
    for (bad, why) in [(other.as_str(), "is not what SHA256SUMS says"), ("", "does not name")] {
        std::fs::write(&sums, bad).unwrap();
        forget(&client);
        let refused = action(&client, &release, "main", &[]).fails(1);
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    std::fs::remove_file(&sums).unwrap();
    forget(&client);
    let refused = action(&client, &release, "main", &[("version", "latest")]).fails(1);
    assert!(refused.stderr.contains("/releases/latest/download/SHA256SUMS\" cannot be had"), "{refused:?}");
    // The half after the job comes after this one as well.
    std::fs::write(&sums, good).unwrap();
    action(&client, &release, "post", &[]).ok();
    assert!(!plugin(&client).exists() && client.0.containers().is_empty());
}

#[test]
#[ignore = "needs a docker engine, buildx and Node"]
fn steps_after_an_action_with_a_name_mean_its_backend() {
    let (client, release) = (without_plugin(), Release::new());
    let other = client.0.beside("7-build-0");
    let inputs = [("name", "7-build-0"), ("ports", "0")];
    action(&client, &release, "main", &inputs).ok();
    let wanted = format!("DOCKER_ASSEMBLE_NAME=7-build-0\nBUILDX_BUILDER={}\n", other.name());
    assert_eq!(told(&client, "GITHUB_ENV"), wanted);
    action(&client, &release, "post", &inputs).ok();
    assert_eq!((other.containers(), client.builder()), (vec![], None));
}

/// The engine in use at an address of TCP, as that of docker:dind is, until the tests end.
fn engine_on_tcp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = host().strip_prefix("unix://").expect("the engine's socket is a file");
    spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = UnixStream::connect(socket).unwrap();
            let (answers, asked) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
            // Whatever breaks is one of the two that has left.
            spawn(move || copy(&mut &asked, &mut &engine).and_then(|_| engine.shutdown(Shutdown::Write)));
            spawn(move || copy(&mut &answers, &mut &client).and_then(|_| client.shutdown(Shutdown::Write)));
        }
    });
    format!("tcp://{address}")
}

/// The address of this host for the engine's containers. Its network need not name one: that of 20.10 does from
/// the engine's second start on.
fn gateway() -> String {
    let routes = docker(&["run", "--rm", &base_image(), "ip", "route"]).ok().stdout;
    let default = routes.split_once("default via ").expect("a default route").1;
    default.split_whitespace().next().unwrap().to_owned()
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn the_job_for_gitlab_pushes_to_the_registry_beside_it() {
    let (client, registry, release) = (without_plugin(), Registry::start(), Release::new());
    let backend = &client.0;
    let file: Value = serde_norway::from_str(GITLAB).unwrap();
    let job = &file["build"];
    let lines = |section: &str| -> String {
        job[section].as_sequence().unwrap().iter().map(|line| format!("{}\n", text(line))).collect()
    };
    let context = Context::new("FROM scratch\nADD busybox.tar /\n");
    // The first two are one script to GitLab, which ends with the first line that fails.
    let engine = engine_on_tcp();
    let script = |lines: String| {
        let mut command = backend.command_of("sh", &["-e", "-c", &lines]);
        for (name, value) in job["variables"].as_mapping().unwrap() {
            command.env(name.as_str().unwrap(), text(value));
        }
        // What is another place here: the release, the engine, which has no TLS, and the registry.
        command.env("ASSEMBLE_RELEASES", release.server()).env("DOCKER_HOST", &engine);
        command.env_remove("DOCKER_TLS_VERIFY").env_remove("DOCKER_CERT_PATH");
        let forward = text(&job["variables"]["DOCKER_ASSEMBLE_FORWARD"]);
        let registry = format!("{}:{}", gateway(), registry.port);
        command.env("DOCKER_ASSEMBLE_FORWARD", forward.replace("registry:5000", &registry));
        run(command.current_dir(context.path())).ok()
    };
    script(format!("{}{}", lines("before_script"), lines("script")));
    assert!(registry.catalog().contains("app"), "{}", registry.catalog());
    script(lines("after_script"));
    assert_eq!((backend.containers(), client.builder()), (vec![], None));
}
