//! The command line: the only place that knows clap.

mod complete;
mod daemon;
mod error;
mod filters;
mod forwards;
mod help;
mod manifest;
mod read;
mod scripts;
mod times;
mod tree;
mod user;
mod values;

pub use complete::{Completion, Source};
pub use error::UsageError;
pub use filters::with_configured;
pub use read::remembered;
pub use scripts::manual;
pub use user::{home, user};

use std::path::PathBuf;
use std::time::Duration;

use clap::Command as Tree;

use crate::commands::cache::{Format, Purge};
use crate::commands::logs::Logs;
use crate::commands::start::Daemon;
use crate::desired::{CacheVolume, HostPort, ImageRef, PullPolicy, Security};
use crate::forward::asked::Asked;
use crate::manifest::Wish;
use crate::output::{Form, ListTemplate, Progress};
use crate::plugin::{HOOK_COMMAND, METADATA_COMMAND, NAME};

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
    /// `backend info --quiet`.
    Ids {
        /// All digits of an id.
        whole: bool,
    },
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
        /// How to print a sample.
        form: Form,
        /// How to print each forward of it, in place of that.
        table: Option<ListTemplate>,
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
    /// `backend cache volume`.
    CacheVolume,
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
    /// Whether nothing was said about that.
    pub usual: bool,
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
        .map_err(|error| UsageError::from_clap(command, &path, rest, &error))?;
    let limit = matches.try_get_one("timeout").ok().flatten().copied();
    read::read(command, &path, &matches).map(|command| Invocation::Run(command, limit))
}

/// Follows words down the tree as far as they name commands.
/// The path has their names, whatever alias was written.
fn descend<'t, 'w>(root: &'t Tree, words: &'w [&'w str]) -> (Vec<&'t str>, &'t Tree, &'w [&'w str]) {
    let mut command = root;
    let mut path = Vec::new();
    while let Some(sub) = words.get(path.len()).and_then(|word| command.find_subcommand(word)) {
        command = sub;
        path.push(sub.get_name());
    }
    let rest = &words[path.len()..];
    (path, command, rest)
}
