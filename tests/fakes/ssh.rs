//! Engines behind ssh and behind the docker command, with programs in their places.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::program::program;

/// A search path with a program called `ssh`.
struct FakeSsh(PathBuf);

impl FakeSsh {
    fn new(test: &str, script: &str) -> Self {
        let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("ssh-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        // One that tells nothing of its configuration, as others than OpenSSH.
        let log = directory.join("log");
        let script =
            format!("#!/bin/sh\n[ \"$1\" != -G ] || exit 1\necho \"$@\" >> {}\n{script}\n", log.display());
        program(&directory, "ssh", &script);
        Self(directory)
    }

    fn info(&self, host: &str) -> Output {
        let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
        Command::new(env!("CARGO_BIN_EXE_docker-assemble"))
            .args(["-H", host, "assemble", "backend", "info"])
            .env_clear()
            .envs([("PATH", path.as_str()), ("USER", "nobody-in-particular"), ("HOME", "/nonexistent")])
            .output()
            .unwrap()
    }

    /// The command lines so far.
    fn calls(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.0.join("log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for FakeSsh {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(words.lines().count(), 1, "{words}");
    words
}

#[test]
fn the_words_of_a_failed_ssh_are_passed_on() {
    let ssh = FakeSsh::new("failed", "echo 'me@far: Permission denied (publickey).' >&2; exit 255");
    let words = complaint(&ssh.info("ssh://me@far:2222/run/d.sock"));
    assert!(words.contains("\"ssh://me@far:2222/run/d.sock\""), "{words}");
    assert!(words.contains("me@far: Permission denied (publickey)."), "{words}");
    assert!(words.contains("does 'ssh ssh://me@far:2222 docker version' work?"), "{words}");
    let line =
        "-o ConnectTimeout=30 -T -l me -p 2222 -- far docker --host=unix:///run/d.sock system dial-stdio";
    assert_eq!(ssh.calls(), [line]);

    let silent = FakeSsh::new("silent", "exit 1");
    let words = complaint(&silent.info("ssh://far"));
    assert!(words.contains("ssh ended without a word"), "{words}");
}

#[test]
#[ignore = "needs a docker engine and the docker command"]
fn an_engine_is_spoken_to_through_one_login() {
    let ssh = FakeSsh::new("works", "while [ \"$1\" != docker ]; do shift; done; exec \"$@\"");
    let words = complaint(&ssh.info("ssh://far"));
    assert!(
        words.starts_with("there is no backend \"docker-assemble-backend-nobody-in-particular\""),
        "{words}"
    );
    assert_eq!(ssh.calls().len(), 1, "every further request goes over the same connection");
}

/// `info` by way of a docker command that is this program, as docker runs a plugin.
fn info_through(docker: &std::path::Path, globals: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_docker-assemble"))
        .args(globals)
        .args(["assemble", "backend", "info"])
        .env_clear()
        .envs([("USER", "nobody-in-particular"), ("HOME", "/nonexistent")])
        .env("PATH", std::env::var("PATH").unwrap())
        .env("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO", "1")
        .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", docker)
        .output()
        .unwrap()
}

#[test]
fn a_plugin_that_is_told_to_goes_through_the_docker_command() {
    let fake = FakeSsh::new("dial", "echo 'no such context' >&2; exit 1");
    let docker = fake.0.join("ssh");
    let words = complaint(&info_through(&docker, &["--tlsverify=false", "-H", "tcp://far:1"]));
    assert!(
        words.starts_with("cannot reach the docker engine at \"tcp://far:1\": no such context"),
        "{words}"
    );
    assert_eq!(fake.calls(), ["--tlsverify=false -H tcp://far:1 system dial-stdio"]);
}

#[test]
#[ignore = "needs a docker engine and the docker command"]
fn the_docker_command_is_a_way_to_its_engine() {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let fake = FakeSsh::new("dials", "exec docker \"$@\"");
    let words = complaint(&info_through(&fake.0.join("ssh"), &["-H", &host]));
    assert!(
        words.starts_with("there is no backend \"docker-assemble-backend-nobody-in-particular\""),
        "{words}"
    );
    assert_eq!(fake.calls().len(), 1, "every further request goes over the same connection");
}
