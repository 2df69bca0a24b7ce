//! Command lines: what they mean, and what is said when they mean nothing.

mod start_options;

use std::time::Duration;

use docker_assemble::commands::builder::Load;
use docker_assemble::commands::cache::{Format, Limits, Manner, Purge, Usage};
use docker_assemble::commands::doctor::Examination;
use docker_assemble::commands::info::Info;
use docker_assemble::commands::logs::{Logs, Since, Whose};
use docker_assemble::commands::start::How;
use docker_assemble::commands::stats::Stats;
use docker_assemble::commands::{Command, Offline, OnEngine, Tolerant, WhenInUse, parse};
use docker_assemble::desired::Port;
use docker_assemble::forward::{asked, merge};
use docker_plugin::cli::Invocation;
use docker_plugin::exit::Exit;
use docker_plugin::output::{Form, ListTemplate, ObjectForm, Template};

use crate::words::{refused, words};

fn command(line: &str) -> Command {
    match parse(&words(line)) {
        Ok(Invocation::Run(request)) => request.command,
        other => panic!("{line}: {other:?}"),
    }
}

fn on_engine(line: &str) -> OnEngine {
    match command(line) {
        Command::OnEngine(command, _) => command,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn each_command_about_a_backend_takes_its_name() {
    let name = |line: &str| match parse(&words(line)) {
        Ok(Invocation::Run(request)) => request.name.map(|name| name.to_string()),
        other => panic!("{line}: {other:?}"),
    };
    for line in [
        "start",
        "stop",
        "info",
        "logs",
        "doctor",
        "stats",
        "env",
        "use",
        "cache usage",
        "cache purge",
        "cache volume",
        "port add 1",
        "port rm 1",
        "port ls",
    ] {
        assert_eq!(name(&format!("backend {line}")), None, "{line}");
        assert_eq!(name(&format!("backend {line} --name a --name=ci")).as_deref(), Some("ci"), "{line}");
        let (text, exit) = refused(&format!("backend {line} --name a/b"));
        assert!(text.starts_with("invalid argument \"a/b\" for \"--name\" flag: must be 1 to 63 "), "{text}");
        assert_eq!(exit, Exit::Usage, "{line}");
    }
    for line in ["backend ls --name ci", "version --name ci"] {
        assert!(refused(line).0.starts_with("unknown flag: --name\n"), "{line}");
    }
}

fn version(form: Form) -> Command {
    Command::Tolerant(Tolerant::Version(form))
}

fn doctor(ports: &str, form: Form) -> Command {
    let asked = asked::some(ports).map(|words| merge(Some(&words), &[], false).unwrap());
    let asked = if ports.is_empty() { Vec::new() } else { asked.unwrap() };
    Command::Tolerant(Tolerant::Doctor(Examination { asked, limit: None, form }))
}

#[test]
fn a_limit_for_waits_is_given_to_whatever_waits() {
    for line in ["start", "stop", "info", "doctor", "stats", "cache usage", "cache purge"] {
        let limit = |line: &str| match command(line) {
            Command::OnEngine(_, limit) => limit,
            Command::Tolerant(Tolerant::Doctor(examination)) => examination.limit,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(limit(&format!("backend {line} --timeout 90")), Some(Duration::from_secs(90)));
        assert_eq!(limit(&format!("backend {line}")), None);
        for bad in ["0", "-1", "1.5", "10ms", "x"] {
            let (text, exit) = refused(&format!("backend {line} --timeout {bad}"));
            assert!(text.contains("--timeout\" flag: must be a time of 1s or more"), "{text}");
            assert_eq!(exit, Exit::Usage);
        }
    }
}

#[test]
fn every_command_is_found_with_and_without_the_plugins_name() {
    for name in ["assemble ", ""] {
        let command = |line: &str| command(&format!("{name}{line}"));
        let on_engine = |line: &str| on_engine(&format!("{name}{line}"));
        assert_eq!(on_engine("backend stop"), OnEngine::Stop(How::default()));
        assert_eq!(on_engine("backend use"), OnEngine::Use(Load::default()));
        assert_eq!(command("backend env"), Command::Offline(Offline::Env));
        assert_eq!(on_engine("backend info"), OnEngine::Info(Info::All { form: Form::Text, verbose: false }));
        assert_eq!(
            on_engine("backend info --format json"),
            OnEngine::Info(Info::All { form: Form::Object(ObjectForm::Json), verbose: false })
        );
        assert_eq!(
            on_engine("backend info -f json"),
            OnEngine::Info(Info::All { form: Form::Object(ObjectForm::Json), verbose: false })
        );
        assert_eq!(on_engine("backend info -q"), OnEngine::Info(Info::Ids { whole: false }));
        assert_eq!(on_engine("backend info --quiet --no-trunc"), OnEngine::Info(Info::Ids { whole: true }));
        assert_eq!(command("version"), version(Form::Text));
        assert_eq!(command("version --format=json"), version(Form::Object(ObjectForm::Json)));
        assert_eq!(command("backend doctor"), doctor("", Form::Text));
        let words = command("backend doctor --format json 5000 8000-8009@loopback,80=db:81");
        assert_eq!(words, doctor("5000,8000-8009@loopback,80=db:81", Form::Object(ObjectForm::Json)));
        assert_eq!(
            on_engine("backend stop --dry-run -f"),
            OnEngine::Stop(How { dry_run: true, in_use: WhenInUse::Force, ..How::default() })
        );
        let stats = |watch, form| OnEngine::Stats(Stats { watch, form, ..Stats::default() });
        assert_eq!(on_engine("backend stats"), stats(false, Form::Text));
        assert_eq!(on_engine("backend stats -w --format=json"), stats(true, Form::Object(ObjectForm::Json)));
        assert_eq!(on_engine("backend stats --format table"), stats(false, Form::Text));
        let own = ListTemplate::new("table{{.Port}}").unwrap();
        assert_eq!(
            on_engine("backend stats --format table{{.Port}}"),
            OnEngine::Stats(Stats { table: Some(own), ..Stats::default() })
        );
        assert_eq!(on_engine("backend logs"), OnEngine::Logs(Logs::default()));
        let ten = Logs { follow: true, tail: Some(10), ..Logs::default() };
        assert_eq!(on_engine("backend logs -f --tail 10"), OnEngine::Logs(ten.clone()));
        assert_eq!(on_engine("backend logs -fn 10"), OnEngine::Logs(ten));
        assert_eq!(on_engine("backend logs --follow=false -n all"), OnEngine::Logs(Logs::default()));
        let one = Logs {
            since: Some(Since::Ago(Duration::from_secs(600))),
            until: Some(Since::At(1_714_557_600)),
            timestamps: true,
            whose: Whose::Forward(Port::new(6000).unwrap().into()),
            ..Logs::default()
        };
        let line = "-t --since 10m --until 2024-05-01T10:00:00Z --proxy 6000";
        assert_eq!(on_engine(&format!("backend logs {line}")), OnEngine::Logs(one));
        let named = Logs { whose: Whose::Container("x".to_owned()), tail: Some(1), ..Logs::default() };
        assert_eq!(on_engine("backend logs -n 1 x"), OnEngine::Logs(named));
        let usage = |format, filters: &[&str]| {
            let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
            OnEngine::CacheUsage(Usage { filters, format })
        };
        assert_eq!(on_engine("backend cache usage"), usage(Format::Table, &[]));
        assert_eq!(on_engine("backend cache du"), usage(Format::Table, &[]));
        assert_eq!(on_engine("backend cache usage --verbose"), usage(Format::Pretty, &[]));
        assert_eq!(
            on_engine("backend cache usage --format json --filter type=regular --filter inuse"),
            usage(Format::Json, &["type==regular", "inuse"])
        );
        let purge = Purge { until: Some(Duration::from_secs(3600)), all: true, ..Purge::default() };
        assert_eq!(
            on_engine("backend cache purge -af --filter until=1h --dry-run"),
            OnEngine::CachePurge(purge.clone(), Manner { ask: false, dry_run: true, verbose: false })
        );
        assert_eq!(
            on_engine("backend cache prune -a --filter until=1h"),
            OnEngine::CachePurge(purge, Manner { ask: true, dry_run: false, verbose: false })
        );
        let limits = Limits {
            reserved_bytes: Some(1 << 30),
            max_used_bytes: Some(2 << 30),
            min_free_bytes: Some(3 << 20),
        };
        for reserved in ["reserved-space", "keep-storage"] {
            let line = format!("--{reserved} 1gb --max-used-space=2GB --min-free-space 3mb --verbose");
            assert_eq!(
                on_engine(&format!("backend cache purge {line}")),
                OnEngine::CachePurge(
                    Purge { limits: limits.clone(), ..Purge::default() },
                    Manner { ask: true, dry_run: false, verbose: true }
                )
            );
        }
    }
}

#[test]
fn outputs_have_forms() {
    let template = |source: &str| Form::Object(ObjectForm::Template(Template::new(source).unwrap()));
    assert_eq!(
        on_engine("backend info --format {{.Name}}"),
        OnEngine::Info(Info::All { form: template("{{.Name}}"), verbose: false })
    );
    assert_eq!(command("version --format={{.Version}}"), version(template("{{.Version}}")));
    assert_eq!(command("version --format ''"), version(Form::Text));
    let usage = |line: &str| match on_engine(&format!("backend cache usage {line}")) {
        OnEngine::CacheUsage(usage) => usage.format,
        other => panic!("{line}: {other:?}"),
    };
    let list = |source: &str| Format::Template(ListTemplate::new(source).unwrap());
    assert_eq!(usage("--format {{.ID}}"), list("{{.ID}}"));
    assert_eq!(usage("--format=table{{.ID}}"), list("table{{.ID}}"));
    assert_eq!(usage("--format table"), Format::Table);
    assert_eq!(usage("--format ''"), Format::Table);
    assert_eq!(usage("--format '' --verbose"), Format::Pretty);
    assert_eq!(usage("--format pretty"), Format::Pretty);
    for quiet in ["-q", "--quiet", "--quiet --format json", "-q --verbose"] {
        assert_eq!(usage(quiet), Format::Ids, "{quiet}");
    }
}

#[test]
fn a_bad_template_is_one_line_and_has_dockers_status() {
    let (one, list) = (("template parsing error", 64), ("failed to parse template", 1));
    for (line, (words, status)) in [
        ("backend info --format ", one),
        ("version -f ", one),
        ("backend doctor -f ", one),
        ("backend stats --format ", one),
        ("backend stats --format table", list),
        ("backend cache usage --format ", list),
    ] {
        for (template, why) in [("{{", "unclosed action"), ("{{foo}}", "function \"foo\" not defined")] {
            let (text, exit) = refused(&format!("{line}{template}"));
            assert_eq!(text, format!("{words}: template: :1: {why}\n"));
            assert_eq!(exit.code(), status, "{line}");
        }
    }
}

#[test]
fn wrong_words_are_told_in_dockers_shape() {
    let (text, exit) = refused("assemble backend frobnicate");
    assert_eq!(
        text,
        "docker: unknown command: docker assemble backend frobnicate\n\n\
         Usage:  docker assemble backend COMMAND\n\n\
         Run 'docker assemble backend --help' for more information\n"
    );
    assert_eq!(exit, Exit::Failure);
    let (text, exit) = refused("assemble backend stop now");
    assert!(text.starts_with("docker: 'docker assemble backend stop' accepts no arguments\n"), "{text}");
    assert_eq!(exit, Exit::Failure);
    for (line, exit, first) in [
        (
            "assemble backend logs one other",
            Exit::Failure,
            "docker: 'docker assemble backend logs' requires at most 1 argument\n\n\
             Usage:  docker assemble backend logs [OPTIONS] [CONTAINER]\n",
        ),
        (
            "assemble backend doctor none",
            Exit::Usage,
            "invalid argument \"none\": \"none\" is not a port (1 to 65535, or 0 alone for none), nor ",
        ),
    ] {
        let (text, ended) = refused(line);
        assert!(text.starts_with(first), "{text}");
        assert_eq!(ended, exit);
    }
    for (line, first) in [
        ("backend start --nope", "unknown flag: --nope"),
        ("backend start -x", "unknown shorthand flag: 'x' in -x"),
        ("backend logs -fx --tail 1", "unknown shorthand flag: 'x' in -fx"),
        ("backend logs --proxy 5000 x", "conflicting options: cannot specify both --proxy and a container"),
        ("backend --nope", "unknown flag: --nope"),
        (
            "backend cache usage --format json --verbose",
            "conflicting options: cannot specify both --format and --verbose",
        ),
        (
            "backend cache purge --dry-run --reserved-space 1gb",
            "conflicting options: --dry-run cannot tell what a limit of space leaves",
        ),
        (
            "backend cache purge --reserved-space much",
            "invalid argument \"much\" for \"--reserved-space\" flag: must be a size such as 512mb or 10gb",
        ),
        (
            "backend logs --proxy 0",
            "invalid argument \"0\" for \"--proxy\" flag: \"0\" is not a port (1 to 65535)",
        ),
        (
            "backend cache usage --filter until=1h",
            "invalid argument \"until\" for \"--filter\" flag: \"until\" is for cache purge only",
        ),
    ] {
        let (text, exit) = refused(line);
        assert_eq!(text.lines().next(), Some(first));
        assert_eq!(exit, Exit::Usage);
    }
}
