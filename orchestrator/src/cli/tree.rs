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
    .Workers (.ID .Platforms .Labels .GCPolicy) .Cache (.Entries .Size .InUse)";

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
                .subcommand(leaf("env", "Print the BUILDKIT_HOST of the backend, for buildctl and other clients").after_help(
                    "  $ eval \"$(docker assemble backend env)\"\n  $ buildctl debug workers",
                ))
                .subcommand(
                    leaf("info", "Describe the backend, what it forwards and its cache")
                        .after_help(
                            "  $ docker assemble backend info --format '{{.State}}'\n  \
                             $ docker assemble backend info --format '{{range .Sidecars}}{{.Port}} {{.State}}{{println}}{{end}}'\n  \
                             $ docker inspect $(docker assemble backend info -q)",
                        )
                        .arg(form(INFO_FIELDS).short('f'))
                        .arg(switch("no-trunc", None, "Don't truncate the ids of --quiet"))
                        .arg(switch("quiet", Some('q'), "Only display the ids of the containers"))
                        .arg(limit("Time BuildKit has for each answer (default 10s; 2m for its cache)")),
                )
                .subcommand(logs())
                .subcommand(manifest::command())
                .subcommand(start::command())
                .subcommand(
                    leaf("stats", "Show the connections and the throughput of each forward")
                        .after_help(
                            "  $ docker assemble backend stats --watch\n  \
                             $ docker assemble backend stats --format 'table {{.Port}}\\t{{.UpPerSecond}}'",
                        )
                        .arg(option("format", "string", "").help(format!(
                            "Format output: \"table\", \"table TEMPLATE\", \"json\" (one object per sample) or a \
                             Go template for a sample; fields: {STATS_FIELDS}; in a table those of .Forwards"
                        )))
                        .arg(limit("Time a sidecar has to answer (default 8s)"))
                        .arg(switch("watch", Some('w'), "Go on with a sample each second until interrupted")),
                )
                .subcommand(
                    leaf("stop", "Stop and remove the backend; a cache in a named volume is kept")
                        .arg(limit("Time the backend has to end before it is killed (default 10s)").short('t')),
                )
                .subcommand(leaf("use", "Make the backend the current builder of docker buildx").after_help(
                    "  $ docker assemble backend use\n  $ docker buildx build --push -t localhost:5000/app .",
                )),
        )
        .subcommand(leaf("version", "Show the version").arg(form(".Version .Commit .BuildKit .Os .Arch").short('f')))
}

fn cache() -> Command {
    let filter = || {
        option("filter", "filter", "Provide filter values (e.g. \"type=regular\"; keys: id, parents, description, type, inuse, mutable, immutable, shared, private)")
            .action(ArgAction::Append)
            .value_parser(filters::filter)
    };
    group("cache", "Manage the build cache")
        .subcommand(
            leaf("purge", "Remove build cache that no build uses")
                .visible_alias("prune")
                .after_help(
                    "  $ docker assemble backend cache purge --filter until=72h\n  \
                     $ docker assemble backend cache purge --filter type=exec.cachemount --dry-run\n  \
                     $ docker assemble backend cache purge --all --reserved-space 10gb --force",
                )
                .arg(switch("all", Some('a'), "Include internal and frontend records, and those shared with images"))
                .arg(switch("dry-run", None, "Only list what would be removed, and its size"))
                .arg(filter().help(
                    "Provide filter values (e.g. \"until=24h\"; keys: until, id, parents, description, type, inuse, mutable, immutable, shared, private)",
                ))
                .arg(switch("force", Some('f'), "Do not prompt for confirmation"))
                .arg(bytes("max-used-space", "Remove until the cache takes at most this (BuildKit 0.17)"))
                .arg(bytes(
                    "min-free-space",
                    "Remove until this much of the disk is free (BuildKit 0.17)",
                ))
                .arg(
                    bytes("reserved-space", "Keep this much cache, the most useful records first")
                        .alias("keep-storage"),
                )
                .arg(limit("Time BuildKit has for each record (default 5m), or to list them all (default 2m)"))
                .arg(switch("verbose", None, "Provide a more verbose output")),
        )
        .subcommand(
            leaf("usage", "Show what the build cache holds and how much it takes")
                .visible_alias("du")
                .after_help(
                    "  $ docker assemble backend cache usage --filter type=exec.cachemount\n  \
                     $ docker assemble backend cache usage --format 'table {{.ID}}\\t{{.Size}}\\t{{.Description}}'",
                )
                .arg(filter())
                .arg(
                    option(
                        "format",
                        "string",
                        "Format output: \"table\", \"pretty\", \"json\" (one object per line), a Go template, or \"table TEMPLATE\"; fields: .ID .Parents .CreatedAt .Mutable .Reclaimable .Shared .Size .Description .UsageCount .LastUsedAt .Type",
                    ),
                )
                .arg(switch("quiet", Some('q'), "Only display ids"))
                .arg(limit("Time BuildKit has to add up its cache (default 2m)"))
                .arg(switch("verbose", None, "Shorthand for --format=pretty; adds the size on disk and the daemon's own limits")),
        )
        .subcommand(
            leaf("volume", "Print the name of the volume that keeps the cache where it exists").after_help(
                "  $ docker volume create \"$(docker assemble backend cache volume)\"",
            ),
        )
}

fn doctor() -> Command {
    leaf("doctor", "Check the whole way from builds to the host's ports")
        .after_help("  $ docker assemble backend doctor\n  $ docker assemble backend doctor 8080")
        .arg(form(".Verdict .Checks (.Name .Verdict .Why .Help)").short('f'))
        .arg(
            Arg::new("port")
                .value_name("PORT")
                .help("The port whose service is asked whether it is a registry (default 5000)")
                .value_parser(values::port),
        )
        .arg(limit("Time each step has (default 10s)"))
}

fn logs() -> Command {
    leaf("logs", "Fetch the logs of the backend, or of one of its other containers")
        .after_help(
            "  $ docker assemble backend logs --follow --tail 20\n  \
             $ docker assemble backend logs --proxy 5000 --since 10m",
        )
        .arg(
            Arg::new("container")
                .value_name("CONTAINER")
                .help("Its name or the beginning of its id (default: the backend's)"),
        )
        .arg(switch("follow", Some('f'), "Follow log output"))
        .arg(
            option("proxy", "port", "Show the logs of the container that forwards this port")
                .value_parser(values::port),
        )
        .arg(
            option("since", "string", "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)")
                .value_parser(times::since),
        )
        .arg(
            option("tail", "string", "Number of lines to show from the end of the log (default \"all\")")
                .short('n')
                .value_parser(values::tail),
        )
        .arg(switch("timestamps", Some('t'), "Show timestamps"))
        .arg(
            option("until", "string", "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)")
                .value_parser(times::since),
        )
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

pub(super) fn hosts(help: &'static str) -> Arg {
    option("forward", "port=host:port", help)
        .action(ArgAction::Append)
        .value_parser(ValueParser::new(asked::hosts))
}

/// The form of one object; `fields` are those that a template finds in it.
fn form(fields: &str) -> Arg {
    option("format", "string", "")
        .help(format!("Format output: \"pretty\", \"json\" (one object) or a Go template; fields: {fields}"))
}

/// How long to wait.
fn limit(help: &'static str) -> Arg {
    option("timeout", "duration", help).value_parser(values::limit)
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
