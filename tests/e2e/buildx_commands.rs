//! What people do with a builder beside building, on the backend: buildx' other commands, and docker's hints.

use crate::buildx::{Client, release_of};
use crate::support::{Context, Outcome, Registry, Terminal, docker, free_port, run};

#[test]
#[ignore = "needs a docker engine and buildx"]
fn each_command_of_buildx_works_on_a_backend_in_use() {
    let (client, registry) = (Client::new(), Registry::start());
    let start = ["assemble", "backend", "start", "--use", "--allow-host-port", &registry.port.to_string()];
    client.run(&start).ok();
    let (baked, copied) = (registry.image("baked"), registry.image("copied"));
    let context = Context::new("FROM scratch\nADD busybox.tar /\nRUN echo of this step\n");
    let bake = format!("target \"default\" {{\n tags = [\"{baked}\"]\n output = [\"type=registry\"]\n}}\n");
    std::fs::write(context.path().join("docker-bake.hcl"), bake).unwrap();
    let buildx = |args: &[&str]| -> Outcome {
        let mut command = client.0.command_of("docker", &[&["buildx"], args].concat());
        run(command.current_dir(context.path()).env("BUILDKIT_PROGRESS", "plain")).ok()
    };

    let inspected = buildx(&["inspect", "--bootstrap"]);
    assert!(inspected.stdout.contains("running"), "{inspected:?}");
    buildx(&["bake"]);
    buildx(&["imagetools", "create", "--tag", &copied, &baked]);
    assert!(registry.catalog().contains("copied"), "{}", registry.catalog());
    let inspected = buildx(&["imagetools", "inspect", &copied]);
    assert!(inspected.stdout.contains("linux/amd64"), "{inspected:?}");

    let used = buildx(&["du", "--verbose"]);
    assert!(used.stdout.contains("echo of this step"), "{used:?}");
    // Not every buildx keeps a history.
    if buildx(&["--help"]).stdout.contains("history") {
        let listed = buildx(&["history", "ls"]);
        assert_eq!(listed.stdout.matches("Completed").count(), 1, "{listed:?}");
        let logs = buildx(&["history", "logs"]).words();
        assert!(logs.contains("of this step"), "{logs}");
        let inspected = buildx(&["history", "inspect"]);
        assert!(inspected.stdout.contains("linux/amd64"), "{inspected:?}");
    }
    let pruned = buildx(&["prune", "--force", "--all"]);
    assert!(pruned.stdout.contains("Total:"), "{pruned:?}");
    let usage = client.run(&["assemble", "backend", "cache", "usage", "--format", "{{.ID}}"]).ok();
    assert_eq!(usage.stdout, "", "{usage:?}");

    // The backend is ours: buildx stops and forgets only what is its own.
    buildx(&["stop"]);
    buildx(&["rm"]);
    assert_eq!(client.builder(), None);
    client.run(&["assemble", "backend", "use"]).ok();
    client.push(&registry, "again");
}

/// Whether docker's command asks for hints after a command of a plugin has failed.
fn docker_asks_after_failures() -> bool {
    release_of(&docker(&["version", "--format", "{{.Client.Version}}"]).ok().stdout) >= (29, 3)
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn a_push_that_failed_ends_with_the_hint_that_was_turned_on_as_documented() {
    let client = Client::new();
    client.0.start(&[]);
    client.run(&["assemble", "backend", "use"]).ok();
    let usage = include_str!("../../docs/usage.md");
    let config = usage.lines().find(|line| line.contains("\"error-hooks\"")).expect("a configuration");
    std::fs::write(client.0.home().join("config.json"), config).unwrap();
    let context = Context::new("FROM scratch\nADD busybox.tar /\n");
    let (image, directory) = (format!("localhost:{}/app", free_port()), context.path().to_str().unwrap());
    let build = ["buildx", "build", "--progress=plain", "--push", "-t", &image, directory];

    let terminal = Terminal::start_wholly(&mut client.0.command_of("docker", &build));
    let asks = docker_asks_after_failures();
    if asks {
        terminal.shows("tells what is in the way");
    }
    terminal.shows("connection refused");
    let screen = terminal.screen();
    terminal.outcome().fails(1);
    assert_eq!(screen.contains("Was a push to localhost refused?"), asks, "{screen}");
    if asks {
        let words: Vec<_> = screen.split('\'').collect();
        let advised = words.iter().find(|words| words.starts_with("docker assemble ")).expect("advice");
        run(&mut client.0.command_of("sh", &["-c", advised])).ok();
        assert_eq!(client.0.forwarded(), [5000]);
    }
}
