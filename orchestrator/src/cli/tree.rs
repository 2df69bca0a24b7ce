//! The tree of commands and options, in clap's terms.

mod start;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};

use super::{filters, manifest, times, values};
use crate::forward::asked;

/// The program as users name it: they run it through docker.
pub(super) const PROGRAM: &str = "docker assemble";

/// What `backend info` tells to templates.
const INFO_FIELDS: &str = ".ID .Name .State .Unhealthy .Image .CacheVolume .Privileged \
    .Sidecars (.ID .Name .State .Unhealthy .Port .Target .Stale \
    .Forward (.Health .Why .Help .Active .Opened .BytesUp .BytesDown .LastError)) .Dialer \
    .Workers (.ID .Platforms .Labels) .Cache (.Entries .Size .InUse)";

/// What `backend stats` tells to templates, for each sample.
const STATS_FIELDS: &str = ".Time .Forwards (.Port .Target .Active .Opened .Failed .BytesUp .BytesDown \
    .UpPerSecond .DownPerSecond .Error)";

/// The whole tree. Help and errors are printed by this program in docker's own shape, so clap's
/// are turned off.
pub(super) fn tree() -> Command {
    group("assemble", "Manage a BuildKit backend that reaches the host's ports")
        .disable_help_subcommand(true)
        .subcommand(
            group("backend", "Manage the build backend")
                .subcommand(cache())
                .subcommand(doctor())
                .subcommand(leaf("env", "Print the setting by which BuildKit's clients find the backend"))
                .subcommand(
                    leaf("info", "Describe the backend").arg(form(INFO_FIELDS)).arg(limit(
                        "How long BuildKit may take for each answer (default 10; 120 for its cache)",
                    )),
                )
                .subcommand(logs())
                .subcommand(manifest::command())
                .subcommand(start::command())
                .subcommand(
                    leaf("stats", "Show what goes through each forwarded port")
                        .arg(form(STATS_FIELDS))
                        .arg(limit("How long a sidecar may take to answer (default 8)"))
                        .arg(switch(
                            "watch",
                            Some('w'),
                            "Go on until it is ended, with a sample each second",
                        )),
                )
                .subcommand(
                    leaf("stop", "Stop and remove the backend; its cache is kept only in a named volume")
                        .arg(limit(
                            "How long the backend may take to end by itself before it is killed (default 10)",
                        )),
                )
                .subcommand(leaf("use", "Make the backend the builder that docker buildx uses")),
        )
        .subcommand(leaf("version", "Show the version").arg(form(".Version .Commit .BuildKit .Os .Arch")))
}

fn cache() -> Command {
    let filter = || {
        option("filter", "filter", "Provide filter values (e.g. \"type=regular\")")
            .action(ArgAction::Append)
            .value_parser(filters::filter)
    };
    group("cache", "Manage the build cache")
        .subcommand(
            leaf("purge", "Remove the build cache")
                .arg(switch("all", Some('a'), "Include internal and frontend records"))
                .arg(switch("dry-run", None, "Only list what would be removed"))
                .arg(filter().help("Provide filter values (e.g. \"until=24h\")"))
                .arg(switch("force", Some('f'), "Do not ask for confirmation"))
                .arg(bytes("max-used-space", "Keep at most this much cache (BuildKit 0.17 and later)"))
                .arg(bytes(
                    "min-free-space",
                    "Remove until this much of the disk is free (BuildKit 0.17 and later)",
                ))
                .arg(
                    bytes("reserved-space", "Keep at least this much cache, the most useful records first")
                        .alias("keep-storage"),
                )
                .arg(limit("How long BuildKit may take for each record (default 300), or to list them for a dry run (default 120)"))
                .arg(switch("verbose", None, "Describe each record that is removed")),
        )
        .subcommand(
            leaf("usage", "Show what the build cache holds")
                .arg(filter())
                .arg(
                    option(
                        "format",
                        "string",
                        "Format output: \"table\", \"pretty\", \"json\" (one object per line), a Go template, or \"table TEMPLATE\"; fields: .ID .Parents .CreatedAt .Mutable .Reclaimable .Shared .Size .Description .UsageCount .LastUsedAt .Type",
                    ),
                )
                .arg(switch("quiet", Some('q'), "Only display ids"))
                .arg(limit("How long BuildKit may take to add up its cache (default 120)"))
                .arg(switch("verbose", None, "Shorthand for --format=pretty; also shows the size on disk")),
        )
}

fn doctor() -> Command {
    leaf("doctor", "Look for what keeps builds from the host's ports, all the way")
        .arg(form(".Verdict .Checks (.Name .Verdict .Why .Help)"))
        .arg(
            Arg::new("port")
                .value_name("PORT")
                .help("Ask what listens there whether it is a registry (default 5000)")
                .value_parser(values::port),
        )
        .arg(limit("How long each step may take (default 10)"))
}

fn logs() -> Command {
    leaf("logs", "Show the log of the backend, or of the container that forwards a port")
        .arg(switch("follow", Some('f'), "Follow log output"))
        .arg(
            option("proxy", "port", "Show the log of the container that forwards this port")
                .value_parser(values::port),
        )
        .arg(
            option("since", "string", "Show logs since a time (2024-05-01T10:00:00Z) or how long ago (10m)")
                .value_parser(times::since),
        )
        .arg(
            option("tail", "string", "Number of lines to show from the end of the log (default \"all\")")
                .short('n')
                .value_parser(values::tail),
        )
        .arg(switch("timestamps", Some('t'), "Show timestamps"))
}

pub(super) fn leaf(name: &'static str, about: &'static str) -> Command {
    // As in docker, the last of two equal options wins.
    Command::new(name)
        .about(about)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
}

fn group(name: &'static str, about: &'static str) -> Command {
    leaf(name, about).disable_help_subcommand(true)
}

/// An option with a value; `kind` names the value's type in help, as docker does. Whatever
/// follows is its value, a word with a dash too.
pub(super) fn option(name: &'static str, kind: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(kind).help(help).num_args(1).allow_hyphen_values(true)
}

/// The ports to forward.
pub(super) fn ports(help: &'static str) -> Arg {
    option("allow-host-port", "list", help)
        .action(ArgAction::Append)
        .value_parser(ValueParser::new(asked::ports))
}

/// The form of one object; `fields` are those that a template finds in it.
fn form(fields: &str) -> Arg {
    option("format", "string", "")
        .help(format!("Format output: \"json\" (one object) or a Go template; fields: {fields}"))
}

/// How long to wait.
fn limit(help: &'static str) -> Arg {
    option("timeout", "seconds", help).value_parser(values::seconds)
}

/// An option whose value is a size.
fn bytes(name: &'static str, help: &'static str) -> Arg {
    option(name, "bytes", help).value_parser(values::bytes)
}

/// A switch, which like docker's also takes `=true` and `=false`.
pub(super) fn switch(name: &'static str, short: Option<char>, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .short(short)
        .help(help)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(values::boolean)
}
