//! What helps with command lines: help, completion, scripts for shells, manual pages.

use docker_assemble::commands::complete::Source;
use docker_assemble::commands::{manual, parse};
use docker_plugin::cli::{Invocation, Source as From};

use crate::words::{refused, words};

#[test]
fn help_is_found_in_every_way_docker_asks_for_it() {
    let help = |line: &str| match parse(&words(line)) {
        Ok(Invocation::Help(text)) => text,
        other => panic!("{line}: {other:?}"),
    };
    let start = help("assemble backend start --help");
    assert!(start.starts_with("Usage:  docker assemble backend start [OPTIONS]\n\n"), "{start}");
    for line in [
        "help assemble backend start",
        "assemble help backend start",
        "backend start --allow-host-port 1 --help",
        "backend start -h --help",
    ] {
        assert_eq!(help(line), start, "{line}");
    }
    // As docker has it, with a word of its own about that.
    assert_eq!(parse(&words("backend start -h")), Ok(Invocation::ShortHelp(start.clone())));
    assert!(start.lines().all(|line| line.len() <= 80), "{start}");
    assert!(start.contains("\n\nExamples:\n  $ docker assemble backend start --use\n"), "{start}");
    let usage = help("backend cache du --help");
    assert!(usage.starts_with("Usage:  docker assemble backend cache usage [OPTIONS]\n"), "{usage}");
    let aliases = "\n\nAliases:\n  docker assemble backend cache usage, docker assemble backend cache du\n\n";
    assert!(usage.contains(aliases), "{usage}");
    let logs = help("backend logs --help");
    assert!(logs.starts_with("Usage:  docker assemble backend logs [OPTIONS] [CONTAINER]\n"), "{logs}");

    let Ok(Invocation::Bare(group)) = parse(&words("assemble backend")) else { panic!("no help") };
    assert_eq!(group, help("assemble backend --help"));
    assert!(group.contains("\nManagement Commands:\n  cache       Manage the build cache\n"), "{group}");
    assert!(
        group.contains("\nCommands:\n  doctor      ")
            && group.contains("\n  env         ")
            && group.contains("\n  info        "),
        "{group}"
    );
    assert!(
        group.ends_with("Run 'docker assemble backend COMMAND --help' for more information on a command.\n")
    );
}

#[test]
fn completion_walks_the_tree() {
    let complete = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match parse(&words) {
            Ok(Invocation::Complete(wanted)) => wanted.text(Vec::new()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(complete(&["__completeNoDesc", "assemble", "backend", "st"]), "start\nstats\nstop\n:4\n");
    assert_eq!(complete(&["__completeNoDesc", "assemble", "backend", "start", "--pu"]), "--pull\n:4\n");
    assert_eq!(complete(&["__complete", "assemble", "v"]), "version\tShow the version\n:4\n");
    assert_eq!(
        complete(&["__complete", "assemble", "backend", "start", "--security", "p"]),
        "privileged\n:4\n"
    );
    let value = |words: &[&str]| complete(&[&["__complete", "assemble", "backend"], words].concat());
    assert_eq!(value(&["info", "--format", ""]), "pretty\njson\n:4\n");
    assert_eq!(value(&["info", "-f", "j"]), "json\n:4\n");
    assert_eq!(
        complete(&["__completeNoDesc", "assemble", "backend", "info", "-"]),
        "--format\n-f\n--name\n--no-trunc\n--quiet\n-q\n--timeout\n--verbose\n-v\n:4\n"
    );
    assert_eq!(value(&["cache", "usage", "--format=t"]), "table\n:4\n");
    assert_eq!(value(&["cache", "purge", "--filter", "u"]), "until=\n:6\n");
    assert_eq!(value(&["cache", "usage", "--filter", "u"]), ":6\n");
    assert_eq!(value(&["cache", "purge", "--filter", "p"]), "parents=\nprivate\n:4\n");
    assert_eq!(value(&["cache", "purge", "--filter", "type=r"]), "type=regular\n:4\n");
    assert_eq!(value(&["start", "--config", ""]), ":0\n");
    assert_eq!(
        value(&["start", "--dry-run", "--pul"]),
        "--pull\tPull images before running (\"always\", \"missing\", \"never\") (default \"missing\")\n:4\n"
    );
    assert_eq!(value(&["start", "--timeout", "-"]), ":4\n");
}

#[test]
fn completion_asks_the_engine_for_names() {
    let wanted = |line: &str| match parse(&words(line)) {
        Ok(Invocation::Complete(wanted)) => wanted,
        other => panic!("{line}: {other:?}"),
    };
    for (line, source) in [
        ("backend start --cache-volume ''", From::Own(Source::Volumes)),
        ("backend start --cache-volume=x", From::Own(Source::Volumes)),
        ("backend start --image ''", From::Own(Source::Images)),
        ("backend start --proxy-image ''", From::Own(Source::Images)),
        ("backend start --allow-host-port ''", From::Own(Source::HostPorts)),
        ("backend port add ''", From::Own(Source::HostPorts)),
        ("backend port add 5000 --dry-run 6", From::Own(Source::HostPorts)),
        ("backend port rm 5000 ''", From::Own(Source::ForwardedPorts)),
        ("backend logs --proxy ''", From::Own(Source::ForwardedPorts)),
        ("backend logs ''", From::Own(Source::Containers)),
        ("backend logs -f --tail 10 ''", From::Own(Source::Containers)),
        ("backend logs -fn 10 d", From::Own(Source::Containers)),
        ("backend doctor ''", From::Own(Source::HostPorts)),
        ("backend stop --name ''", From::Own(Source::Backends)),
        ("backend cache usage --name=c", From::Own(Source::Backends)),
        ("--context ''", From::Contexts),
        ("--context=x", From::Contexts),
        ("-H x -c ''", From::Contexts),
    ] {
        assert_eq!(wanted(&format!("__complete {line}")).source, Some(source), "{line}");
    }
    for line in ["logs --tail ''", "logs -n ''", "logs one ''", "doctor 5000 ''", "stop ''"] {
        assert_eq!(wanted(&format!("__complete backend {line}")).source, None, "{line}");
    }

    let list = wanted("__complete -H tcp://h backend start --allow-host-port 6000,5");
    assert_eq!(list.globals.host.as_deref(), Some("tcp://h"));
    let ports = ["443", "5000", "5432"].map(str::to_owned).to_vec();
    assert_eq!(list.text(ports), "6000,5000\n6000,5432\n:4\n");
}

#[test]
fn what_a_list_has_already_is_not_offered_again() {
    let offered = |line: &str, found: &[&str]| match parse(&words(&format!("__complete backend {line}"))) {
        Ok(Invocation::Complete(wanted)) => {
            wanted.text(found.iter().map(|word| (*word).to_owned()).collect())
        }
        other => panic!("{line}: {other:?}"),
    };
    let ports = ["5000", "5432", "6000"];
    for (typed, candidates) in [
        ("--allow-host-port 5000,", "5000,5432\n5000,6000\n:4\n"),
        ("--allow-host-port=5000,", "5000,5432\n5000,6000\n:4\n"),
        ("--allow-host-port 5000:80,6000@loopback,", "5000:80,6000@loopback,5432\n:4\n"),
        ("--allow-host-port 5400-5500,5", "5400-5500,5000\n:4\n"),
        ("--allow-host-port 5000 --allow-host-port=6000 --allow-host-port ''", "5432\n:4\n"),
        ("--forward 5432=db --allow-host-port 6", "6000\n:4\n"),
        ("--forward 5432=db --allow-host-port 5", "5000\n:4\n"),
    ] {
        assert_eq!(offered(&format!("start {typed}"), &ports), candidates, "{typed}");
    }
    assert_eq!(offered("cache purge --filter inuse --filter in", &[]), ":4\n");
}

/// What bash offers with this script behind `line`.
fn in_bash(script: &str, line: &str) -> String {
    let ask = "eval \"$1\"; read -ra COMP_WORDS <<<\"$2\"; [[ $2 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        set -- $(complete -p docker-assemble); while [ \"$1\" != -F ]; do shift; done
        \"$2\" docker-assemble \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        echo \"${COMPREPLY[*]}\"";
    let output = std::process::Command::new("bash").args(["-c", ask, "bash", script, line]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn scripts_for_shells_know_the_options() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let Ok(Invocation::Help(script)) = parse(&words(&format!("completion {shell}"))) else { panic!() };
        assert!(script.contains("docker-assemble") && script.contains("registry-ca"), "{shell}");
    }
    let Ok(Invocation::Help(script)) = parse(&words("completion bash")) else { panic!() };
    for (line, candidates) in [
        ("docker-assemble ", "backend version"),
        ("docker-assemble backend sta", "start stats"),
        ("docker-assemble backend cache purge --m", "--max-used-space --min-free-space"),
        ("docker-assemble backend cache du --q", "--quiet"),
        ("docker-assemble backend start --security ", "auto privileged restricted"),
        ("docker-assemble backend start --dry-run --rec", "--recreate"),
    ] {
        let completed = in_bash(&script, line);
        assert_eq!(completed, candidates, "{line}");
    }
    for bad in ["completion", "completion tcsh", "completion bash zsh"] {
        assert!(refused(bad).0.starts_with("completion wants one shell: "), "{bad}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    manual(&directory).unwrap();
    let page = std::fs::read_to_string(directory.join("docker-assemble-backend-start.1")).unwrap();
    assert!(page.contains("cache\\-max\\-used"), "{page}");
    assert!(page.contains("\n.SH EXAMPLES\n.nf\n\\&$ docker assemble backend start \\-\\-use\n"), "{page}");
    assert!(page.contains(".SH \"EXIT STATUS\"\n"), "{page}");
    let usage = std::fs::read_to_string(directory.join("docker-assemble-backend-cache-usage.1")).unwrap();
    assert!(usage.contains("table {{.ID}}\\et{{.Size}}"), "what a shell gets: {usage}");
    std::fs::remove_dir_all(&directory).unwrap();
}
