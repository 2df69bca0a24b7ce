//! The words of a command, as clap has taken them apart, to the command itself.

use std::time::Duration;

use clap::{ArgMatches, Command as Tree};

use super::filters::Filter;
use super::{Command, Start, UsageError, daemon, forwards, manifest, values};
use crate::commands::cache::{Format, Limits, Purge};
use crate::commands::logs::{Logs, Whose};
use crate::desired::CacheVolume;
use crate::output::{Form, Progress};

pub(super) fn read(tree: &Tree, path: &[&str], matches: &ArgMatches) -> Result<Command, UsageError> {
    let switch = |name| switch(matches, name);
    let format = matches.try_get_one::<String>("format").ok().flatten().map(String::as_str);
    // As for docker, a template for one object that cannot be understood has a status of its own.
    let output = || values::form(format).map_err(|error| UsageError::template(&error));
    Ok(match path {
        ["backend", "start"] => Command::Start(Box::new(start(tree, path, matches)?)),
        ["backend", "stop"] => Command::Stop,
        ["backend", "use"] => Command::Use,
        ["backend", "env"] => Command::Env,
        ["backend", "info"] if switch("quiet") => Command::Ids { whole: switch("no-trunc") },
        ["backend", "info"] => Command::Info(output()?),
        ["backend", "doctor"] => Command::Doctor { port: matches.get_one("port").copied(), form: output()? },
        ["backend", "stats"] => {
            let table = values::rows(format).map_err(|error| UsageError::list_template(&error))?;
            let form = if table.is_some() || format == Some("table") { Form::Text } else { output()? };
            Command::Stats { watch: switch("watch"), form, table }
        }
        ["backend", "manifest"] => Command::Manifest(Box::new(manifest::read(
            tree,
            path,
            matches,
            forwards::of_manifest(tree, path, matches)?,
        )?)),
        ["backend", "logs"] => Command::Logs(logs(tree, path, matches)?),
        ["backend", "cache", "usage"] => {
            let (filters, until) = filters(matches);
            if until.is_some() {
                let why = "\"until\" is for cache purge only";
                return Err(UsageError::value(tree, path, "--filter", "until", why));
            }
            let format = format.filter(|format| !format.is_empty());
            if format.is_some() && switch("verbose") {
                let words = "conflicting options: cannot specify both --format and --verbose";
                return Err(UsageError::option(tree, path, words));
            }
            let format = match format {
                _ if switch("quiet") => Format::Ids,
                None if switch("verbose") => Format::Pretty,
                format => values::format(format).map_err(|error| UsageError::list_template(&error))?,
            };
            Command::CacheUsage { filters, format }
        }
        ["backend", "cache", "volume"] => Command::CacheVolume,
        ["backend", "cache", "purge"] => {
            let (filters, until) = filters(matches);
            let bytes = |name| matches.get_one(name).copied();
            let limits = Limits {
                reserved_bytes: bytes("reserved-space"),
                max_used_bytes: bytes("max-used-space"),
                min_free_bytes: bytes("min-free-space"),
            };
            let dry_run = switch("dry-run");
            if dry_run && limits != Limits::default() {
                let words = "conflicting options: --dry-run cannot tell what a limit of space leaves";
                return Err(UsageError::option(tree, path, words));
            }
            let purge = Purge { filters, until, all: switch("all"), limits };
            Command::CachePurge { purge, force: switch("force"), dry_run, verbose: switch("verbose") }
        }
        _ => Command::Version(output()?),
    })
}

/// Whether a switch is on.
pub(super) fn switch(matches: &ArgMatches, name: &str) -> bool {
    matches.get_one(name).copied().unwrap_or(false)
}

/// A start with these options, as [`crate::remembered`] keeps them; `None` where they are not understood.
#[must_use]
pub fn remembered(options: &str) -> Option<Start> {
    let words: Vec<String> =
        ["backend", "start"].into_iter().chain(options.split_whitespace()).map(str::to_owned).collect();
    match super::parse(&words) {
        Ok(super::Invocation::Run(Command::Start(start), _)) => Some(*start),
        _ => None,
    }
}

fn start(tree: &Tree, path: &[&str], matches: &ArgMatches) -> Result<Start, UsageError> {
    Ok(Start {
        forwards: forwards::forwards(tree, path, matches)?,
        usual: forwards::are_usual(matches),
        cache: matches.get_one("cache-volume").cloned().map_or(CacheVolume::Conventional, CacheVolume::Named),
        image: matches.get_one("image").cloned(),
        pull: matches.get_one("pull").copied().unwrap_or_default(),
        security: matches.get_one("security").copied().unwrap_or_default(),
        proxy_image: matches.get_one("proxy-image").cloned(),
        daemon: daemon::daemon(matches),
        recreate: switch(matches, "recreate"),
        dry_run: switch(matches, "dry-run"),
        select: switch(matches, "use"),
        progress: if switch(matches, "quiet") {
            Progress::Quiet
        } else {
            matches.get_one("progress").copied().unwrap_or_default()
        },
    })
}

fn logs(tree: &Tree, path: &[&str], matches: &ArgMatches) -> Result<Logs, UsageError> {
    let port = matches.get_one("proxy").copied().map(Whose::Forward);
    let container = matches.get_one::<String>("container").cloned().map(Whose::Container);
    if port.is_some() && container.is_some() {
        let words = "conflicting options: cannot specify both --proxy and a container";
        return Err(UsageError::option(tree, path, words));
    }
    Ok(Logs {
        whose: port.or(container).unwrap_or_default(),
        follow: switch(matches, "follow"),
        tail: matches.get_one::<Option<u64>>("tail").copied().flatten(),
        since: matches.get_one("since").copied(),
        until: matches.get_one("until").copied(),
        timestamps: switch(matches, "timestamps"),
    })
}

fn filters(matches: &ArgMatches) -> (Vec<String>, Option<Duration>) {
    let mut expressions = Vec::new();
    let mut until = None;
    for filter in matches.get_many::<Filter>("filter").into_iter().flatten() {
        match filter {
            Filter::Expression(text) => expressions.push(text.clone()),
            Filter::Until(duration) => until = Some(*duration),
        }
    }
    (expressions, until)
}
