//! Pipes and devices in the place of files.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use tokio::process::Child;

use crate::plugin_engine::{command, empty, run, tell, words};
use crate::scripted_engine::ScriptedEngine;
use crate::temp::TempDir;

/// For what would never end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a process reads from the pipe, and says nothing.
async fn read(pipe: &Path, child: &mut Child) -> File {
    // It cannot be opened so until somebody does (fifo(7), ENXIO).
    let mut opened = OpenOptions::new();
    opened.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
    loop {
        if let Ok(opened) = opened.open(pipe) {
            return opened;
        }
        assert_eq!(child.try_wait().unwrap(), None, "it has ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A pipe that a user names as a configuration, or as a certificate, may say nothing for long.
#[tokio::test]
async fn the_end_is_heard_while_a_file_is_read() {
    let directory = TempDir::new();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let (engine, named) = (ScriptedEngine::start(empty()), pipe.to_str().unwrap());
    let here = ["-H", &engine.endpoint().host];
    let elsewhere = ["-H", "tcp://127.0.0.1:1", "--tlsverify", "--tlscacert", named];
    for (globals, args, said) in [
        (&here[..], &["backend", "start", "--config", named][..], "Cancelled; nothing has been changed\n"),
        (&elsewhere, &["backend", "info"], ""),
        (&elsewhere, &["backend", "doctor"], ""),
        (&elsewhere, &["version"], ""),
    ] {
        let mut child = command(globals, args).spawn().unwrap();
        let _silent = read(&pipe, &mut child).await;
        tell(&child, Signal::SIGTERM);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(143), "{output:?}");
        assert!(words(&output).ends_with(said), "{output:?}");
    }
}

/// Nobody who pressed the Tab key is kept waiting for one.
#[tokio::test]
async fn completion_waits_for_no_pipe() {
    let directory = TempDir::new();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let globals =
        ["__complete", "-H", "tcp://127.0.0.1:1", "--tlsverify", "--tlscacert", pipe.to_str().unwrap()];
    let mut child = command(&globals, &["backend", "start", "--image="]).spawn().unwrap();
    let _silent = read(&pipe, &mut child).await;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output());
    let output = ended.await.expect("it waits").unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b":4\n"[..]), "{output:?}");
}

/// Where docker keeps files nothing else is waited for.
#[tokio::test]
async fn a_pipe_where_a_file_is_kept_is_refused() {
    let directory = TempDir::new();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let pipe = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    };
    let told = async |globals: &[&str], args: &[&str]| {
        let mut command = command(globals, args);
        let ended = command.env("XDG_CONFIG_HOME", path("")).output();
        words(&tokio::time::timeout(PATIENCE, ended).await.expect("it waits").unwrap())
    };
    // The digest of the name "p".
    const ID: &str = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940";
    pipe("config.json");
    pipe(&format!("contexts/meta/{ID}/meta.json"));
    pipe("docker/certs.d/localhost:5000/ca.crt");
    let engine = ScriptedEngine::start(empty());
    let host = engine.endpoint().host;
    let start = ["backend", "start", "--dry-run", "--allow-host-port", "0"];
    let said = told(&["--config", &path(""), "-H", &host], &start).await;
    for name in ["config.json", "docker/certs.d/localhost:5000/ca.crt"] {
        assert!(said.contains(&format!("WARNING: cannot read \"{}\"", path(name))), "{said}");
    }
    assert_eq!(said.matches(": it is not a regular file").count(), 2, "{said}");
    let said = told(&["--config", &path(""), "-c", "p"], &["backend", "info"]).await;
    assert!(said.ends_with("cannot read context \"p\": it is not a regular file\n"), "{said}");
}

#[tokio::test]
async fn a_file_without_an_end_is_no_configuration() {
    let directory = TempDir::new();
    let config = directory.path().join("buildkitd.toml");
    std::fs::write(&config, "registry.r.ca = [\"/dev/zero\"]\n").unwrap();
    for (option, value, of) in [
        ("--config", "/dev/zero", "--config"),
        ("--config", config.to_str().unwrap(), "\"registry.r.ca\" in --config"),
        ("--registry-ca", "r=/dev/zero", "--registry-ca"),
    ] {
        let engine = ScriptedEngine::start(empty());
        let output = run(&engine, &["backend", "start", option, value]).wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        let told = format!("cannot read the file \"/dev/zero\" of {of}: file too large\n");
        assert_eq!(words(&output), told);
    }
}
