//! `backend start`, which has the most options.

use clap::builder::ValueParser;
use clap::{ArgAction, Command};

use super::{bytes, leaf, limit, option, ports, switch};
use crate::cli::{daemon, values};
use crate::forward::asked;

/// The command.
pub(super) fn command() -> Command {
    leaf("start", "Start the backend, or change which ports it reaches")
        .arg(ports("Let builds reach this port of the host as localhost:PORT; also INSIDE:OUTSIDE, FIRST-LAST and PORT@loopback; may be repeated, 0 for none (default 5000)"))
        .arg(bytes("cache-max-used", "Have the daemon keep at most this much cache"))
        .arg(bytes("cache-min-free", "Have the daemon leave this much of the disk free (BuildKit 0.17 and later)"))
        .arg(bytes("cache-reserved", "Have the daemon keep at least this much cache"))
        .arg(
            option(
                "cache-volume",
                "string",
                "Keep the build cache in this volume (default \"docker-assemble-backend-cache-USER\" if it exists)",
            )
            .value_parser(values::volume),
        )
        .arg(
            option("config", "file", "BuildKit's own configuration (buildkitd.toml), beside which the options count")
                .value_parser(daemon::file),
        )
        .arg(switch("dry-run", None, "Only list what would be done"))
        .arg(
            option(
                "forward",
                "port=host:port",
                "Let builds reach a port of another host as localhost:PORT; may be repeated",
            )
            .action(ArgAction::Append)
            .value_parser(ValueParser::new(asked::hosts)),
        )
        .arg(switch(
            "host-loopback",
            None,
            "Reach the host's ports on its loopback, as a local user would, and not at the gateway",
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
            option("progress", "string", "How to show pulls: \"auto\", \"plain\" or \"tty\" (default \"auto\")")
                .value_parser(values::progress),
        )
        .arg(
            option("proxy-image", "string", "Image of the containers that forward ports (default: built in)")
                .value_parser(values::image),
        )
        .arg(
            option("pull", "string", "When to pull images: \"missing\", \"always\" or \"never\" (default \"missing\")")
                .value_parser(values::pull),
        )
        .arg(switch(
            "recreate",
            None,
            "Replace a backend that differs from what is asked for; only a cache in a named volume is kept",
        ))
        .arg(
            option("registry-ca", "host=file", "Trust the certificates in this file for a registry; may be repeated")
                .action(ArgAction::Append)
                .value_parser(daemon::authority),
        )
        .arg(
            option(
                "registry-insecure",
                "host",
                "Accept any certificate of a registry, and plain HTTP; may be repeated",
            )
            .action(ArgAction::Append)
            .value_parser(daemon::registry),
        )
        .arg(
            option("registry-mirror", "host=url", "Ask another registry before this one; may be repeated")
                .action(ArgAction::Append)
                .value_parser(daemon::mirror),
        )
        .arg(
            option(
                "security",
                "string",
                "Privileges of the backend: \"privileged\", \"restricted\", or \"auto\": privileged where the engine allows it (default \"auto\")",
            )
            .value_parser(values::security),
        )
        .arg(limit("How long the backend may take to answer (default 60)"))
        .arg(switch("use", None, "Make the backend the builder that docker buildx uses"))
}
