//! `backend start`, which has the most options.

use clap::{ArgAction, Command};

use super::{bytes, hosts, leaf, limit, option, ports, switch};
use crate::cli::{daemon, values};

/// The command.
pub(super) fn command() -> Command {
    leaf("start", "Start the backend, or change what it forwards")
        .after_help(
            "  $ docker assemble backend start --use\n  \
             $ docker assemble backend start --allow-host-port 5000,8080:80\n  \
             $ docker assemble backend start --allow-host-port 5000@loopback\n  \
             $ docker assemble backend start --forward 5432=db.internal:5432\n  \
             $ docker assemble backend start --dry-run --recreate --cache-max-used 20gb",
        )
        .arg(ports("Let builds reach ports of the host as localhost:PORT: PORT, INSIDE:OUTSIDE, FIRST-LAST, each with @loopback for services on 127.0.0.1; 0 for none (default 5000)"))
        .arg(bytes("cache-max-used", "Let the daemon keep at most this much cache"))
        .arg(bytes("cache-min-free", "Let the daemon keep this much of the disk free (BuildKit 0.17)"))
        .arg(bytes("cache-reserved", "Let the daemon keep at least this much cache"))
        .arg(
            option(
                "cache-volume",
                "string",
                "Keep the build cache in this volume (default \"docker-assemble-backend-cache-USER\" if it exists)",
            )
            .value_parser(values::volume),
        )
        .arg(
            option("config", "file", "BuildKit's configuration file (buildkitd.toml), to which the other options are added")
                .value_parser(daemon::file),
        )
        .arg(switch("dry-run", None, "Only list what would be done"))
        .arg(hosts("Let builds reach a port of another host as localhost:PORT; a name is followed as it moves"))
        .arg(switch(
            "host-loopback",
            None,
            "Reach all ports on the host's 127.0.0.1, as a local user would",
        ))
        .arg(
            option(
                "image",
                "string",
                "BuildKit image to run, also $DOCKER_ASSEMBLE_BACKEND_IMAGE (default \"moby/buildkit:buildx-stable-1\")",
            )
            .value_parser(values::image),
        )
        .arg(
            option("progress", "string", "Set type of progress output (\"auto\", \"plain\", \"tty\", \"quiet\") (default \"auto\")")
                .value_parser(values::progress),
        )
        .arg(
            option("proxy-image", "string", "Image of the containers that forward ports (default built in)")
                .value_parser(values::image),
        )
        .arg(
            option("pull", "string", "Pull images before running (\"always\", \"missing\", \"never\") (default \"missing\")")
                .value_parser(values::pull),
        )
        .arg(switch("quiet", Some('q'), "Suppress the pull output"))
        .arg(switch(
            "recreate",
            None,
            "Replace a backend that differs from what is asked for; a cache in a named volume is kept",
        ))
        .arg(
            option("registry-ca", "host=file", "Trust the certificates in this file for a registry")
                .action(ArgAction::Append)
                .value_parser(daemon::authority),
        )
        .arg(
            option(
                "registry-insecure",
                "host",
                "Accept any certificate of a registry, and plain HTTP",
            )
            .action(ArgAction::Append)
            .value_parser(daemon::registry),
        )
        .arg(
            option("registry-mirror", "host=url", "Ask another registry before this one")
                .action(ArgAction::Append)
                .value_parser(daemon::mirror),
        )
        .arg(
            option(
                "security",
                "string",
                "Privileges of the backend (\"auto\", \"privileged\", \"restricted\"); auto is privileged where the engine allows it (default \"auto\")",
            )
            .value_parser(values::security),
        )
        .arg(limit("Time the backend has to answer (default 1m)"))
        .arg(switch("use", None, "Make the backend the current builder of docker buildx"))
}
