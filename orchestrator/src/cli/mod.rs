//! The command line: the only place that knows clap.

mod complete;
mod daemon;
mod error;
mod filters;
mod forwards;
mod help;
mod manifest;
mod scripts;
mod times;
mod tree;
mod user;
mod values;

pub use complete::{Completion, Source};
pub use error::UsageError;
pub use filters::with_configured;
pub use scripts::manual;
pub use user::{home, user};

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Command as Tree};

use crate::commands::cache::{Format, Limits, Purge};
use crate::commands::logs::Logs;
use crate::commands::start::Daemon;
use crate::desired::{CacheVolume, HostPort, ImageRef, PullPolicy, Security};
use crate::exit::Exit;
use crate::forward::asked::Asked;
use crate::manifest::Wish;
use crate::output::{Form, Progress};
use crate::plugin::{HOOK_COMMAND, METADATA_COMMAND, NAME};
use filters::Filter;

/// What the user wants of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Print the plugin's metadata.
    Metadata,
    /// Answer what docker tells about another command of its own.
    Hook(String),
    /// Print this text, which was asked for, to standard output.
    Help(String),
    /// The same, asked for by the short option that docker discourages.
    ShortHelp(String),
    /// Offer what a word may go on with.
    Complete(Completion),
    /// Print this text to standard error, since a command is missing; that is no failure.
    Bare(String),
    /// Write manual pages into this directory.
    Manual(PathBuf),
    /// Run a command, and wait no longer than this for the backend where that was said.
    Run(Command, Option<Duration>),
}

/// A command with its options, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `backend start`.
    Start(Box<Start>),
    /// `backend stop`.
    Stop,
    /// `backend use`.
    Use,
    /// `backend env`.
    Env,
    /// `backend info`.
    Info(Form),
    /// `backend manifest`.
    Manifest(Box<Wish>),
    /// `backend doctor`.
    Doctor {
        /// The port whose service is asked what it speaks.
        port: Option<HostPort>,
        /// How to print it.
        form: Form,
    },
    /// `backend stats`.
    Stats {
        /// Go on until the user ends it.
        watch: bool,
        /// How to print it.
        form: Form,
    },
    /// `backend logs`.
    Logs(Logs),
    /// `backend cache usage`.
    CacheUsage {
        /// A record has to match all of them.
        filters: Vec<String>,
        /// How to print it.
        format: Format,
    },
    /// `backend cache purge`.
    CachePurge {
        /// What to purge.
        purge: Purge,
        /// Do not ask.
        force: bool,
        /// Only tell what would go.
        dry_run: bool,
        /// A paragraph for each record.
        verbose: bool,
    },
    /// `version`.
    Version(Form),
}

/// The options of `backend start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What to forward, by port inside, each once; empty means nothing.
    pub forwards: Vec<Asked>,
    /// Which volume keeps the cache.
    pub cache: CacheVolume,
    /// The BuildKit image, when it was named.
    pub image: Option<ImageRef>,
    /// When to pull.
    pub pull: PullPolicy,
    /// What the backend may do.
    pub security: Security,
    /// The sidecars' image, when it was named.
    pub proxy_image: Option<ImageRef>,
    /// What the daemon itself is told.
    pub daemon: Daemon,
    /// Whether a living backend may be replaced.
    pub recreate: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Make it the builder of buildx that is in use.
    pub select: bool,
    /// How to show what goes on.
    pub progress: Progress,
}

/// Understands the words behind docker's global options: `assemble backend start …`, the same
/// without the plugin's name when run by itself, and what docker asks of its plugins.
///
/// # Errors
/// The text to print and the exit status.
pub fn parse(words: &[String]) -> Result<Invocation, UsageError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [METADATA_COMMAND, ..] => Ok(Invocation::Metadata),
        ["__complete", words @ ..] => {
            Ok(Invocation::Complete(complete::complete(&tree::tree(), words, true)))
        }
        ["__completeNoDesc", words @ ..] => {
            Ok(Invocation::Complete(complete::complete(&tree::tree(), words, false)))
        }
        ["completion", words @ ..] => scripts::completion(words).map(Invocation::Help),
        ["man-pages", directory] => Ok(Invocation::Manual(PathBuf::from(directory))),
        [NAME, HOOK_COMMAND, told] => Ok(Invocation::Hook((*told).to_owned())),
        [NAME, words @ ..] | words => below_name(words),
    }
}

fn below_name(words: &[&str]) -> Result<Invocation, UsageError> {
    let root = tree::tree();
    if let ["help", topic @ ..] = words {
        let topic = topic.strip_prefix(&[NAME]).unwrap_or(topic);
        let (path, command, rest) = descend(&root, topic);
        return match rest.first() {
            Some(word) if !word.starts_with('-') => Err(UsageError::word(command, &path, word)),
            _ => Ok(Invocation::Help(help::help(command, &path))),
        };
    }
    let (path, command, rest) = descend(&root, words);
    let asks = |option: &str| rest.iter().take_while(|word| **word != "--").any(|word| *word == option);
    if asks("--help") {
        return Ok(Invocation::Help(help::help(command, &path)));
    }
    if asks("-h") {
        return Ok(Invocation::ShortHelp(help::help(command, &path)));
    }
    if command.has_subcommands() {
        return match rest.first() {
            None => Ok(Invocation::Bare(help::help(command, &path))),
            Some(word) if word.starts_with("--") => {
                Err(UsageError::option(command, &path, &format!("unknown flag: {word}")))
            }
            Some(word) if word.starts_with('-') => {
                let letter = word.chars().nth(1).unwrap_or('-');
                Err(UsageError::option(
                    command,
                    &path,
                    &format!("unknown shorthand flag: '{letter}' in {word}"),
                ))
            }
            Some(word) => Err(UsageError::word(command, &path, word)),
        };
    }
    let arguments = std::iter::once(command.get_name()).chain(rest.iter().copied());
    let matches = command
        .clone()
        .try_get_matches_from(arguments)
        .map_err(|error| UsageError::from_clap(command, &path, &error))?;
    let limit = matches.try_get_one("timeout").ok().flatten().copied();
    read(command, &path, &matches).map(|command| Invocation::Run(command, limit))
}

/// Follows words down the tree as far as they name commands.
fn descend<'t, 'w>(root: &'t Tree, words: &'w [&'w str]) -> (Vec<&'w str>, &'t Tree, &'w [&'w str]) {
    let mut command = root;
    let mut depth = 0;
    while let Some(sub) = words.get(depth).and_then(|word| command.find_subcommand(word)) {
        command = sub;
        depth += 1;
    }
    (words[..depth].to_vec(), command, &words[depth..])
}

fn read(tree: &Tree, path: &[&str], matches: &ArgMatches) -> Result<Command, UsageError> {
    let switch = |name| switch(matches, name);
    let format = matches.try_get_one::<String>("format").ok().flatten().map(String::as_str);
    // As for docker, a template for one object that cannot be understood has a status of its own.
    let output = || values::form(format).map_err(|error| UsageError::template(&error, Exit::Template));
    Ok(match path {
        ["backend", "start"] => Command::Start(Box::new(start(tree, path, matches)?)),
        ["backend", "stop"] => Command::Stop,
        ["backend", "use"] => Command::Use,
        ["backend", "env"] => Command::Env,
        ["backend", "info"] => Command::Info(output()?),
        ["backend", "doctor"] => Command::Doctor { port: matches.get_one("port").copied(), form: output()? },
        ["backend", "stats"] => Command::Stats { watch: switch("watch"), form: output()? },
        ["backend", "manifest"] => Command::Manifest(Box::new(manifest::read(
            tree,
            path,
            matches,
            forwards::plain(tree, path, matches)?,
        )?)),
        ["backend", "logs"] => Command::Logs(Logs {
            follow: switch("follow"),
            tail: matches.get_one::<Option<u64>>("tail").copied().flatten(),
            since: matches.get_one("since").copied(),
            timestamps: switch("timestamps"),
            proxy: matches.get_one("proxy").copied(),
        }),
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
                format => {
                    values::format(format).map_err(|error| UsageError::template(&error, Exit::Failure))?
                }
            };
            Command::CacheUsage { filters, format }
        }
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

fn switch(matches: &ArgMatches, name: &str) -> bool {
    matches.get_one(name).copied().unwrap_or(false)
}

fn start(tree: &Tree, path: &[&str], matches: &ArgMatches) -> Result<Start, UsageError> {
    Ok(Start {
        forwards: forwards::forwards(tree, path, matches)?,
        cache: matches.get_one("cache-volume").cloned().map_or(CacheVolume::Conventional, CacheVolume::Named),
        image: matches.get_one("image").cloned(),
        pull: matches.get_one("pull").copied().unwrap_or_default(),
        security: matches.get_one("security").copied().unwrap_or_default(),
        proxy_image: matches.get_one("proxy-image").cloned(),
        daemon: daemon::daemon(matches),
        recreate: switch(matches, "recreate"),
        dry_run: switch(matches, "dry-run"),
        select: switch(matches, "use"),
        progress: matches.get_one("progress").copied().unwrap_or_default(),
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
