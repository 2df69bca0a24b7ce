//! Options of a start that the environment gives.

use std::collections::BTreeMap;

use docker_assemble::commands::start::Start;
use docker_assemble::commands::variables::given;
use docker_assemble::commands::{Command, OnEngine, understand};
use docker_plugin::cli::{Invocation, UsageError};
use docker_plugin::exit::Exit;

use crate::words::words;

type Vars<'a> = &'a [(&'a str, &'a str)];

fn start(line: &str, vars: Vars<'_>) -> Result<(Start, Vec<String>), UsageError> {
    let (words, vars): (_, BTreeMap<&str, &str>) = (words(line), vars.iter().copied().collect());
    let given = given(&words, &vars);
    let (_, Invocation::Run(request)) = understand(&words, &given)? else { panic!("{line}") };
    let Command::OnEngine(OnEngine::Start(start), _) = request.command else { panic!("{line} is no start") };
    Ok((*start, given.iter().map(ToString::to_string).collect()))
}

#[test]
fn what_the_command_line_leaves_out_comes_from_variables() {
    let vars: Vars<'_> = &[
        ("DOCKER_ASSEMBLE_ALLOW_HOST_PORT", "6000,7000@loopback"),
        ("DOCKER_ASSEMBLE_FORWARD", "5432=db:5432\n80=web:80\n"),
        ("DOCKER_ASSEMBLE_USE", "1"),
        ("DOCKER_ASSEMBLE_PULL", ""),
        ("DOCKER_ASSEMBLE_DRY_RUN", "1"),
        ("DOCKER_ASSEMBLE_BACKEND_IMAGE", "mine"),
    ];
    for line in ["backend start", "-H tcp://h:1 assemble backend start"] {
        let (from_variables, told) = start(line, vars).unwrap();
        assert_eq!(
            told,
            [
                "--allow-host-port 6000,7000@loopback from DOCKER_ASSEMBLE_ALLOW_HOST_PORT",
                "--forward 5432=db:5432 80=web:80 from DOCKER_ASSEMBLE_FORWARD",
                "--image mine from DOCKER_ASSEMBLE_BACKEND_IMAGE",
                "--use 1 from DOCKER_ASSEMBLE_USE",
            ]
        );
        let typed =
            format!("{line} --allow-host-port 6000,7000@loopback --forward 5432=db:5432,80=web:80 --use");
        assert_eq!(from_variables, start(&typed, &[]).unwrap().0);
        assert!(!from_variables.dry_run && from_variables.image.is_none());
    }
}

#[test]
fn the_command_line_counts_before_variables() {
    let vars: Vars<'_> = &[
        ("DOCKER_ASSEMBLE_ALLOW_HOST_PORT", "6000"),
        ("DOCKER_ASSEMBLE_QUIET", "1"),
        ("DOCKER_ASSEMBLE_USE", "1"),
    ];
    let (asked, told) = start("backend start --allow-host-port=7000 -q --use=false", vars).unwrap();
    assert_eq!((asked.forwards.len(), asked.select, told), (1, false, Vec::new()));
    let limits: Vars<'_> = &[("DOCKER_ASSEMBLE_MEMORY", "8g"), ("DOCKER_ASSEMBLE_CPUS", "2")];
    for line in ["--driver-opt memory=4g,cpu-quota=1000", "--driver-opt=memory=4g --cpus 1"] {
        assert_eq!(start(&format!("backend start {line}"), limits).unwrap().1, [""; 0], "{line}");
    }
    let other: BTreeMap<&str, &str> = vars.iter().copied().collect();
    for line in ["backend stop", "backend", "assemble backend info", "", "--nothing backend start"] {
        assert_eq!(given(&words(line), &other), [], "{line}");
    }
}

#[test]
fn a_bad_value_is_told_with_its_variable() {
    let vars: Vars<'_> = &[("DOCKER_ASSEMBLE_USE", "1"), ("DOCKER_ASSEMBLE_PULL", "sometimes")];
    let UsageError { text, exit } = start("backend start", vars).unwrap_err();
    assert_eq!(exit, Exit::Usage);
    let begin = "DOCKER_ASSEMBLE_PULL: invalid argument \"sometimes\" for \"--pull\" flag: ";
    assert!(text.starts_with(begin), "{text}");
    // What the user typed is told as ever.
    let UsageError { text, .. } = start("backend start --security none", vars).unwrap_err();
    assert!(!text.contains("DOCKER_ASSEMBLE_USE"), "{text}");
}

#[test]
fn what_may_be_a_secret_is_told_by_its_name() {
    let vars: Vars<'_> = &[
        ("DOCKER_ASSEMBLE_ENV", "TOKEN=s3cret and more s3cret\nA=s3cret"),
        ("DOCKER_ASSEMBLE_LABEL", "team=s3cret"),
        ("DOCKER_ASSEMBLE_DRIVER_OPT", "env.KEY=s3cret"),
        ("DOCKER_ASSEMBLE_MEMORY", "2g"),
    ];
    let (asked, told) = start("backend start", vars).unwrap();
    let told = told.join("\n");
    assert!(!told.contains("s3cret") && told.contains("--env TOKEN A from DOCKER_ASSEMBLE_ENV"), "{told}");
    assert_eq!(asked.settings.chosen.to_string(), "env \"A KEY TOKEN\", label \"team\", memory \"2g\"");
}
