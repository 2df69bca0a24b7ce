//! The plugin as docker's own command runs it.

use std::process::Command;

use crate::support::{Backend, Background, Outcome, PATIENCE, eventually, host, run};

/// A user whose docker command has the plugin.
struct Client(Backend);

impl Client {
    fn new() -> Self {
        let backend = Backend::new();
        backend.install_plugin();
        Self(backend)
    }

    /// `docker ARGS`, not run yet.
    fn command(&self, args: &[&str]) -> Command {
        self.0.command_of("docker", args)
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn docker_lists_the_plugin() {
    let client = Client::new();
    let info = client.run(&["info"]).ok();
    let plugins = info.stdout.split("Plugins:").nth(1).unwrap_or_default();
    let plugins = plugins.split("\nServer:").next().unwrap_or_default();
    assert!(plugins.contains("assemble: Manage a BuildKit backend"), "{info:?}");
    assert!(plugins.contains("Version:  v"), "{info:?}");
    assert!(!info.stderr.contains("assemble"), "{info:?}");
    let help = client.run(&["--help"]).ok();
    assert!(help.stdout.lines().any(|line| line.trim_start().starts_with("assemble*")), "{help:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn docker_passes_on_questions_for_help() {
    let client = Client::new();
    for (args, usage) in [
        (&["assemble", "--help"][..], "docker assemble COMMAND"),
        (&["help", "assemble", "backend"], "docker assemble backend COMMAND"),
        (&["assemble", "backend", "--help"], "docker assemble backend COMMAND"),
        (&["help", "assemble"], "docker assemble COMMAND"),
        (&["assemble", "backend", "start", "--help"], "docker assemble backend start [OPTIONS]"),
    ] {
        let help = client.run(args).ok();
        assert_eq!(help.stdout.lines().next(), Some(format!("Usage:  {usage}").as_str()), "{help:?}");
        assert_eq!(help.stderr, "", "{help:?}");
    }
    // A group without a command is helped beside the results.
    let bare = client.run(&["assemble", "backend"]);
    assert!(
        bare.stdout.is_empty() && bare.stderr.contains("Usage:  docker assemble backend COMMAND"),
        "{bare:?}"
    );
}

#[test]
#[ignore = "needs a docker engine"]
fn the_version_has_four_lines() {
    let client = Client::new();
    let version = client.run(&["assemble", "version"]).ok();
    let names: Vec<_> = version.stdout.lines().map(|line| line.split([':', 'v']).next().unwrap()).collect();
    assert_eq!(names, ["docker assemble ", "commit", "buildkit", "os/arch"], "{version:?}");

    client.0.start(&[]);
    let version = client.run(&["assemble", "version"]).ok();
    let buildkit = version.stdout.lines().nth(2).unwrap();
    assert!(buildkit.starts_with("buildkit: v0."), "{version:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_lives_and_dies_by_dockers_command_and_its_host_option() {
    let client = Client::new();
    let Client(backend) = &client;
    let on = |host: &str, args: &[&str]| {
        let args = [&["-H", host, "assemble", "backend"], args].concat();
        run(client.command(&args).env_remove("DOCKER_HOST"))
    };
    let missing = on(host(), &["info"]).fails(1);
    assert!(missing.stderr.contains(&backend.name()), "{missing:?}");
    let nowhere = format!("unix://{}/docker.sock", backend.home().display());
    let unreachable = on(&nowhere, &["info"]).fails(1);
    assert!(unreachable.only_complaint().contains(&nowhere), "{unreachable:?}");

    on(host(), &["start", "--allow-host-port=0"]).ok();
    let info = on(host(), &["info"]).ok();
    assert!(info.stdout.starts_with(&format!("ID: {} (running)\n", backend.id())), "{info:?}");
    on(host(), &["stop"]).ok();
    assert_eq!(backend.containers(), [""; 0]);
}

#[test]
#[ignore = "needs a docker engine"]
fn exit_codes_and_words_of_bad_usage_get_through() {
    let client = Client::new();
    let option = client.run(&["assemble", "backend", "stop", "--now"]).fails(125);
    assert!(
        option.stderr.starts_with("unknown flag: --now\n\nUsage:  docker assemble backend stop [OPTIONS]\n"),
        "{option:?}"
    );
    let word = client.run(&["assemble", "backend", "halt"]).fails(1);
    assert!(word.stderr.starts_with("docker: unknown command: docker assemble backend halt\n"), "{word:?}");
    client.run(&["assemble", "backend", "stop", "now"]).fails(1);
}

#[test]
#[ignore = "needs a docker engine"]
fn words_are_completed() {
    let client = Client::new();
    let complete = client.run(&["__complete", "assemble", "backend", "st"]).ok();
    let mut values: Vec<_> = complete.stdout.lines().map(|line| line.split('\t').next().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, [":4", "start", "stats", "stop"], "{complete:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn the_plugin_ends_when_docker_is_told_to() {
    let client = Client::new();
    client.0.start(&[]);
    let mut follow = Background::start(&mut client.command(&["assemble", "backend", "logs", "--follow"]));
    follow.says("running server on");
    assert!(!follow.has_ended());
    follow.signal("TERM");
    let end = follow.outcome();
    assert!(end.took < PATIENCE && end.code != Some(0), "{end:?}");
    // And it is really gone.
    eventually("the plugin has ended", PATIENCE, || (!is_running(&client.0)).then_some(()));
}

/// Whether a plugin process of this user follows a log.
fn is_running(backend: &Backend) -> bool {
    let home = format!("HOME={}", backend.home().display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.map(|entry| entry.path()).any(|path| {
        let read = |name| std::fs::read(path.join(name)).unwrap_or_default();
        let of_user = String::from_utf8_lossy(&read("environ")).split('\0').any(|variable| variable == home);
        of_user && String::from_utf8_lossy(&read("cmdline")).contains("docker-assemble")
    })
}

#[test]
#[ignore = "needs a docker engine"]
fn a_context_leads_to_its_engine() {
    let client = Client::new();
    let host = format!("host={}", host());
    client.run(&["context", "create", "elsewhere", "--docker", &host]).ok();
    let nowhere = format!("host=unix://{}/docker.sock", client.0.home().display());
    client.run(&["context", "create", "nowhere", "--docker", &nowhere]).ok();
    let info = |context: &str| {
        let args = ["--context", context, "assemble", "backend", "info"];
        run(client.command(&args).env_remove("DOCKER_HOST")).fails(1)
    };
    let missing = info("elsewhere");
    assert!(missing.stderr.contains(&client.0.name()), "{missing:?}");
    let unreachable = info("nowhere");
    assert!(unreachable.stderr.contains("docker.sock"), "{unreachable:?}");
}
