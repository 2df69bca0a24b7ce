//! What the program says by itself, run as docker runs it, with no engine in reach.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::transcript::{Transcript, compare, words};

/// An engine that nobody has.
const NOWHERE: &str = "unix:///nonexistent/docker.sock";

/// Every command, the groups among them.
const COMMANDS: [&str; 21] = [
    "",
    "backend",
    "backend cache",
    "backend cache purge",
    "backend cache usage",
    "backend cache volume",
    "backend doctor",
    "backend env",
    "backend info",
    "backend logs",
    "backend ls",
    "backend manifest",
    "backend port",
    "backend port add",
    "backend port ls",
    "backend port rm",
    "backend start",
    "backend stats",
    "backend stop",
    "backend use",
    "version",
];

/// Where it runs: an empty directory.
fn nowhere() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn run(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_docker-assemble"))
        .args(words(line))
        .current_dir(nowhere())
        .env_clear()
        .envs([("HOME", "/nonexistent"), ("USER", "ann"), ("DOCKER_HOST", NOWHERE)])
        .output()
        .unwrap()
}

/// A session of these command lines, each of them behind `before`.
fn session(name: &str, before: &str, lines: &[&str]) {
    let mut told = Transcript::default();
    for line in lines {
        let line = format!("{before}{line}");
        told.add_output(&format!("docker-assemble {line}"), &run(&line));
    }
    told.compare_with(name);
}

#[test]
fn help() {
    let mut lines: Vec<String> = COMMANDS.iter().map(|path| format!("assemble {path} --help")).collect();
    lines.extend(["assemble", "assemble backend", "backend cache", ""].map(str::to_owned));
    lines.extend(
        ["backend info -h", "help assemble backend start", "assemble help backend cache du", "help nope"]
            .map(str::to_owned),
    );
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    session("plugin/help.txt", "", &lines);
}

#[test]
fn usage_errors() {
    session("plugin/usage.txt", "", &include!("usage_lines.rs"));
}

#[test]
fn completion() {
    session("plugin/completion.txt", "", &include!("completion_lines.rs"));
}

#[test]
fn manifests() {
    session(
        "plugin/manifest.txt",
        "backend manifest --kubernetes ",
        &[
            "",
            "--rootless --namespace ci --name builders-2 --storage 1Ti",
            "--privileged=false --allow-host-port 0",
            "--replicas 3 --namespace ci --allow-host-port 0",
            "--allow-host-port 5000,8000-8002 --forward 5432=db.internal:5432,6379=192.0.2.7:6380",
            "--image registry.example/buildkit:1 --proxy-image registry.example/proxy:2",
        ],
    );
}

#[test]
fn without_an_engine() {
    session(
        "plugin/no_engine.txt",
        "",
        &[
            "docker-cli-plugin-metadata",
            "assemble docker-cli-plugin-hooks nonsense",
            "assemble docker-cli-plugin-hooks '{\"RootCmd\":\"build\",\"Flags\":{},\"CommandError\":\"dial tcp 127.0.0.1:6000: connect: connection refused\"}'",
            "version --format '{{.Version}} {{.BuildKit}}'",
            "backend cache volume",
            "backend env",
            "backend cache volume --name ci",
            "backend env --name ci",
            "backend ls",
            "backend info",
            "backend info -q",
            "backend logs",
            "backend start",
            "backend start --dry-run",
            "backend start --config missing.toml",
            "backend start --registry-ca r=missing.pem",
            "backend stats",
            "backend stop",
            "backend cache usage",
            "backend cache purge",
            "backend use",
            "-H tcp://127.0.0.1:1 backend info",
            "-H ftp://x backend info",
            "-H https://h backend info",
            "-H ssh:// backend info",
            "-H ssh://ann:secret@h backend info",
            "-H 'ssh://h?x' backend info",
            "-H ssh://h:x backend info",
            "-H 'ssh://h/a b' backend info",
            "-c nope backend info",
            "-H a -c b backend info",
            "--tlsverify -H tcp://127.0.0.1:1 backend info",
            "--tlscert missing.pem -H tcp://127.0.0.1:1 backend info",
            "--config missing backend info",
        ],
    );
}

#[test]
fn scripts() {
    session("plugin/scripts.txt", "completion ", &["bash", "zsh", "fish", "powershell"]);
}

#[test]
fn manual_pages() {
    let directory = nowhere().join("man");
    let output = run(&format!("man-pages {}", directory.display()));
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let mut pages: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    let page = |path: &PathBuf| {
        let name = path.file_name().unwrap().display().to_string();
        format!("# {name}\n\n{}\n", std::fs::read_to_string(path).unwrap())
    };
    let all = pages.iter().map(page).collect();
    std::fs::remove_dir_all(&directory).unwrap();
    compare(all, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/plugin/man.txt"));
}
