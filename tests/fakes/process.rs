//! The program as docker runs it, without an engine.

use std::process::{Command, Output};

use crate::temp::TempDir;

/// Runs the plugin with an empty configuration and nothing of this process's environment.
fn plugin(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn command(args: &[&str]) -> Command {
    let home = concat!(env!("CARGO_TARGET_TMPDIR"), "/empty-home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_docker-assemble"));
    command.args(args).env_clear().envs([("HOME", home), ("USER", "ann")]);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const NOWHERE: &str = "unix:///nonexistent/docker.sock";

#[test]
fn the_metadata_is_one_json_object_and_nothing_else() {
    let output = plugin(&["docker-cli-plugin-metadata"]);
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["SchemaVersion"], "0.1.0");
    for field in ["Vendor", "Version", "ShortDescription"] {
        assert!(object[field].as_str().is_some_and(|value| !value.is_empty()), "{field}");
    }
}

/// Whatever prints what was asked for fails when nobody gets it.
#[test]
fn words_that_were_asked_for_are_missed_where_they_cannot_be_written() {
    for args in [
        &["docker-cli-plugin-metadata"][..],
        &["--help"],
        &["backend", "start", "--help"],
        &["completion", "bash"],
        &["__complete", "backend", ""],
        &["assemble", "docker-cli-plugin-hooks", "{}"],
        &["version"],
        &["version", "--format", "json"],
        &["backend", "env"],
        &["-H", NOWHERE, "backend", "cache", "volume"],
        &["-H", NOWHERE, "backend", "doctor"],
        &["backend", "manifest", "--kubernetes", "--proxy-image", "a"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?} {output:?}");
        let told = text(&output.stderr);
        assert!(told.starts_with("cannot write the result: No space left"), "{args:?} {told}");
    }
}

#[test]
fn an_engine_that_is_not_there_is_one_line() {
    for command in
        [&["start"][..], &["stop"], &["info"], &["logs"], &["cache", "usage"], &["cache", "purge", "-f"]]
    {
        let mut args = vec!["-H", NOWHERE, "assemble", "backend"];
        args.extend(command);
        let output = plugin(&args);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(output.stdout.is_empty());
        let error = text(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(NOWHERE), "{error}");
    }
}

#[test]
fn what_docker_tells_of_other_commands_is_answered_without_an_engine() {
    let hook = |told: &str| {
        let output = plugin(&["assemble", "docker-cli-plugin-hooks", told]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let refused = r#"{"RootCmd":"build","Flags":{},
        "CommandError":"Get \"http://localhost:6000/v2/\": dial tcp 127.0.0.1:6000: connect: connection refused"}"#;
    let answer = hook(refused);
    assert_eq!(answer["Type"], 0);
    let words = answer["Template"].as_str().unwrap();
    assert!(words.contains("backend start --use --allow-host-port 6000"), "{words}");
    assert_eq!(hook("nonsense")["Template"], "");
}

#[test]
fn hints_after_other_commands_mean_the_backend_that_the_variable_names() {
    let told = r#"{"RootCmd":"build","CommandError":"dial tcp 127.0.0.1:6000: connect: connection refused"}"#;
    let hook = |name: &str| {
        let mut command = command(&["assemble", "docker-cli-plugin-hooks", told]);
        text(&command.env("DOCKER_ASSEMBLE_NAME", name).output().unwrap().stdout)
    };
    assert!(hook("ci").contains("backend start --name ci --use"), "{}", hook("ci"));
    assert!(hook("a/b").contains("backend start --use"), "{}", hook("a/b"));
}

#[test]
fn what_is_about_no_backend_cares_for_no_name_of_one() {
    let manifest = ["backend", "manifest", "--kubernetes", "--proxy-image", "a"];
    for (args, status) in [(&["version"][..], 0), (&manifest, 0), (&["backend", "cache", "volume"], 125)] {
        let output = command(args).env("DOCKER_ASSEMBLE_NAME", "a/b").output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{args:?} {output:?}");
    }
}

#[test]
fn the_short_option_for_help_is_discouraged_beside_the_help() {
    let output = plugin(&["assemble", "backend", "info", "-h"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).starts_with("Usage:  docker assemble backend info [OPTIONS]\n"));
    assert_eq!(text(&output.stderr), "Flag shorthand -h has been deprecated, use --help\n");
}

#[test]
fn the_version_needs_no_engine() {
    let output = plugin(&["-H", NOWHERE, "assemble", "version"]);
    assert!(output.status.success());
    let version = text(&output.stdout);
    let lines: Vec<_> = version.lines().collect();
    assert_eq!(lines.len(), 4, "{version}");
    assert!(lines[0].starts_with("docker assemble v"));
    let commit = lines[1].strip_prefix("commit: ").unwrap();
    let is_hash = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{commit}");
    assert!(lines[2].starts_with("buildkit: n/a"));
    assert!(lines[3].starts_with("os/arch: "));

    let output = plugin(&["-H", NOWHERE, "assemble", "version", "--format", "json"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["Commit"], commit);
    assert_eq!(object["BuildKit"], serde_json::Value::Null);

    let output = plugin(&["-H", NOWHERE, "version", "--format", "{{.Commit}} {{json .}}"]);
    let (line, rest) = (text(&output.stdout), format!("{commit} {object}\n"));
    assert_eq!((line, text(&output.stderr)), (rest, String::new()));
    let output = plugin(&["-H", NOWHERE, "version", "--format", "{{.Nope}}"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert_eq!(
        text(&output.stderr),
        "template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope\n"
    );
}

#[test]
fn a_manifest_needs_no_engine_and_comes_alone_on_its_stream() {
    let output = plugin(&["-H", NOWHERE, "assemble", "backend", "manifest", "--kubernetes"]);
    assert!(output.status.success());
    let manifest = text(&output.stdout);
    assert!(manifest.contains("\nkind: StatefulSet\n"), "{manifest}");
    let told = text(&output.stderr);
    assert!(told.contains("docker buildx create "), "{told}");
}

#[test]
fn a_base_for_kustomize_is_written_anew_and_its_kustomization_is_the_users() {
    let parent = TempDir::new();
    let base = parent.path().join("a base");
    let write = |options: &[&str]| {
        let base = ["backend", "manifest", "--kustomize", base.to_str().unwrap()];
        let output = plugin(&[&base, options].concat());
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        text(&output.stderr)
    };
    let read = |name| std::fs::read_to_string(base.join(name)).unwrap();

    let told = write(&[]);
    assert!(told.starts_with(&format!("Once 'kubectl apply -k '{}'' has taken", base.display())), "{told}");
    assert_eq!(read("backend.yaml"), text(&plugin(&["backend", "manifest", "--kubernetes"]).stdout));
    assert!(read("kustomization.yaml").ends_with("\nresources:\n- backend.yaml\n"));

    std::fs::rename(base.join("kustomization.yaml"), base.join("Kustomization")).unwrap();
    let told = write(&["--replicas", "3"]);
    let stays = "\"Kustomization\" stays as it is; \"backend.yaml\" must be among its resources\n";
    assert!(told.starts_with(stays), "{told}");
    assert!(read("backend.yaml").contains("\n  replicas: 3\n"));
    let files = std::fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().file_name());
    let files: std::collections::BTreeSet<_> = files.collect();
    assert_eq!(files, ["Kustomization", "backend.yaml"].map(Into::into).into());
}

#[test]
fn a_base_for_kustomize_that_cannot_be_written_names_the_file() {
    let output = plugin(&["backend", "manifest", "--kustomize", "/dev/null/base"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let told = "cannot write the file \"/dev/null/base/backend.yaml\" of --kustomize: Not a directory (os error 20)\n";
    assert_eq!(text(&output.stderr), told);
}

#[cfg(target_os = "linux")]
#[test]
fn a_docker_command_that_ended_early_ends_the_plugin() {
    use std::os::unix::net::UnixListener;

    // An engine that never answers, and a socket that is closed already.
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [silent, closed] = ["silent.sock", "closed.sock"].map(|name| directory.join(name));
    for path in [&silent, &closed] {
        std::fs::remove_file(path).ok();
    }
    let _engine = UnixListener::bind(&silent).unwrap();
    drop(UnixListener::bind(&closed).unwrap());
    let parent = std::env::args().next().unwrap();
    // A doctor gives an engine up when it is told to.
    for (command, limit, code) in [(parent.as_str(), "1h", 130), ("docker", "1s", 1)] {
        let output = Command::new(env!("CARGO_BIN_EXE_docker-assemble"))
            .args(["-H", &format!("unix://{}", silent.display()), "assemble", "backend", "doctor"])
            .args(["--timeout", limit])
            .env_clear()
            .env("USER", "ann")
            .env("DOCKER_CLI_PLUGIN_SOCKET", &closed)
            .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", command)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn completion_says_nothing_of_an_engine_that_does_not_answer() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let silent = directory.join("silent-to-completion.sock");
    std::fs::remove_file(&silent).ok();
    let _engine = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    let silent = format!("unix://{}", silent.display());
    for host in [NOWHERE, &silent, "ssh://nobody@192.0.2.1", "tcp://"] {
        for words in [&["start", "--cache-volume", ""][..], &["start", "--image="], &["logs", "--proxy", ""]]
        {
            let output = plugin(&[&["__complete", "-H", host, "backend"], words].concat());
            assert!(output.status.success(), "{host} {words:?}: {output:?}");
            assert_eq!((text(&output.stdout), text(&output.stderr)), (":4\n".to_owned(), String::new()));
        }
    }
}

#[test]
fn contexts_are_completed() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("completed-contexts");
    let meta = directory.join("contexts/meta/0123");
    std::fs::create_dir_all(&meta).unwrap();
    std::fs::create_dir_all(directory.join("contexts/meta/broken")).unwrap();
    std::fs::write(meta.join("meta.json"), r#"{"Name":"remote","Metadata":{},"Endpoints":{}}"#).unwrap();
    let config = directory.to_str().unwrap();
    let output = plugin(&["__complete", "--config", config, "--context", ""]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("default\nremote\n:4\n".into(), String::new()));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn exit_statuses_and_streams_are_dockers() {
    let cases: [(&[&str], i32, bool); 9] = [
        (&["version", "--format", "{{"], 64, false),
        (&["backend", "cache", "usage", "--format", "{{"], 1, false),
        (&["assemble", "backend", "--help"], 0, true),
        (&["help", "assemble", "backend", "start"], 0, true),
        (&["assemble", "backend"], 0, false),
        (&["assemble", "backend", "start", "--nope"], 125, false),
        (&["assemble", "backend", "nope"], 1, false),
        (&["--nope", "assemble", "backend", "info"], 125, false),
        (&["-H", "a", "-c", "b", "assemble", "backend", "info"], 1, false),
    ];
    for (args, code, on_stdout) in cases {
        let output = plugin(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(output.stdout.is_empty(), !on_stdout, "{args:?}");
        assert_eq!(output.stderr.is_empty(), on_stdout, "{args:?}");
    }
}
