//! The commands, a file or a folder for each verb: its options, what they ask for, how they are
//! completed, what it does and what it prints.

pub mod builder;
pub mod cache;
pub mod complete;
pub mod damage;
pub mod doctor;
mod forwards;
pub mod health;
mod in_use;
pub mod info;
pub mod leftovers;
mod log_end;
pub mod logs;
pub mod manifest;
mod namespaces;
pub mod observe;
mod outcome;
pub mod port;
pub mod restarts;
mod run;
mod session;
pub mod start;
pub mod stats;
pub mod stop;
mod values;
pub mod variables;
pub mod version;

pub use crate::cancelled::Cancelled;
pub use in_use::{ForceAndWait, InUse, WhenInUse};
pub use outcome::{exit, explain, status};
pub use run::Here;
pub use session::{Session, unless_cancelled};
pub use values::ArgumentError;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use docker_plugin::cli::{self, Program, Refusal, UsageError};
use docker_plugin::output::{Console, Form};

use crate::manifest::Wish;
use crate::plugin::Globals;
use complete::Source;
use variables::Given;

/// Manage a BuildKit backend that reaches the host's ports
#[derive(Parser)]
#[command(name = "assemble")]
#[expect(clippy::large_enum_variant, reason = "there is one of it, for a moment")]
enum Assemble {
    /// Manage the build backend
    #[command(subcommand)]
    Backend(Backend),
    Version(version::Options),
}

#[derive(Subcommand)]
enum Backend {
    /// Manage the build cache
    #[command(subcommand)]
    Cache(cache::Cache),
    Doctor(doctor::Options),
    Env(builder::EnvOptions),
    Info(info::Options),
    Logs(logs::Options),
    Manifest(manifest::Options),
    /// Manage the ports that are forwarded
    #[command(subcommand)]
    Port(port::Port),
    Start(start::Options),
    Stats(stats::Options),
    Stop(stop::Options),
    Use(builder::UseOptions),
}

/// A command with its options, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Needs no engine, and asks for none.
    Offline(Offline),
    /// Tells what it can where there is no engine.
    Tolerant(Tolerant),
    /// Works on an engine, and waits no longer than this where that was said.
    OnEngine(OnEngine, Option<Duration>),
}

/// Those that need no engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offline {
    /// `backend cache volume`.
    CacheVolume,
    /// `backend env`.
    Env,
    /// `backend manifest`.
    Manifest(Box<Wish>),
}

/// Those that may do without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tolerant {
    /// `backend doctor`.
    Doctor(doctor::Examination),
    /// `version`.
    Version(Form),
}

/// Those that work on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnEngine {
    /// `backend cache purge`.
    CachePurge(cache::Purge, cache::Manner),
    /// `backend cache usage`.
    CacheUsage(cache::Usage),
    /// `backend info`.
    Info(info::Info),
    /// `backend logs`.
    Logs(logs::Logs),
    /// `backend port add` and `backend port rm`.
    PortChange(port::Change, start::How),
    /// `backend port ls`.
    PortList(port::List),
    /// `backend start`.
    Start(Box<start::Start>),
    /// `backend stats`.
    Stats(stats::Stats),
    /// `backend stop`.
    Stop(WhenInUse),
    /// `backend use`.
    Use(builder::Load),
}

impl Program for Assemble {
    type Command = Command;
    type Source = Source;

    fn check(self) -> Result<Command, Refusal> {
        use cache::Cache;
        use port::Port;
        let backend = match self {
            Self::Version(options) => return Ok(Command::Tolerant(Tolerant::Version(options.check()?))),
            Self::Backend(backend) => backend,
        };
        let (command, limit) = match backend {
            Backend::Cache(Cache::Volume(_)) => return Ok(Command::Offline(Offline::CacheVolume)),
            Backend::Env(_) => return Ok(Command::Offline(Offline::Env)),
            Backend::Manifest(options) => {
                return Ok(Command::Offline(Offline::Manifest(Box::new(options.check()?))));
            }
            Backend::Doctor(options) => return Ok(Command::Tolerant(Tolerant::Doctor(options.check()?))),
            Backend::Cache(Cache::Purge(options)) => {
                let limit = options.timeout;
                let (purge, manner) = options.check()?;
                (OnEngine::CachePurge(purge, manner), limit)
            }
            Backend::Cache(Cache::Usage(options)) => {
                let limit = options.timeout;
                (OnEngine::CacheUsage(options.check()?), limit)
            }
            Backend::Info(options) => {
                let limit = options.timeout;
                (OnEngine::Info(options.check()?), limit)
            }
            Backend::Logs(options) => (OnEngine::Logs(options.check()?), None),
            Backend::Port(Port::Add(options)) => {
                let limit = options.timeout;
                let (change, how) = options.check()?;
                (OnEngine::PortChange(change, how), limit)
            }
            Backend::Port(Port::Rm(options)) => {
                let limit = options.timeout;
                let (change, how) = options.check()?;
                (OnEngine::PortChange(change, how), limit)
            }
            Backend::Port(Port::Ls(options)) => (OnEngine::PortList(options.check()?), None),
            Backend::Start(options) => {
                let limit = options.timeout;
                (OnEngine::Start(Box::new(options.check()?)), limit)
            }
            Backend::Stats(options) => {
                let limit = options.timeout;
                (OnEngine::Stats(options.check()?), limit)
            }
            Backend::Stop(options) => {
                let limit = options.timeout;
                (OnEngine::Stop(options.check()?), limit)
            }
            Backend::Use(options) => (OnEngine::Use(options.load), None),
        };
        Ok(Command::OnEngine(command, limit))
    }
}

/// What the user wants of this process.
pub type Invocation = cli::Invocation<Command, Source>;

/// Understands a whole command line, docker's global options in front, with options that variables give.
///
/// # Errors
/// The text to print and the exit status.
pub fn understand(words: &[String], given: &[Given]) -> Result<(Globals, Invocation), UsageError> {
    let understand = |words: &[String]| cli::understand::<Assemble>(words);
    understand(&variables::with(words, given))
        .map_err(|error| variables::blame(words, given, error, |words| understand(words).map(drop)))
}

/// Understands the words behind docker's global options.
///
/// # Errors
/// The text to print and the exit status.
pub fn parse(words: &[String]) -> Result<Invocation, UsageError> {
    cli::parse::<Assemble>(words)
}

/// Writes a manual page for each command into `directory`, which is made when it is missing.
///
/// # Errors
/// Those of the file system.
pub fn manual(directory: &Path) -> std::io::Result<()> {
    cli::manual::<Assemble>(directory)
}

/// Prints an object in the form that was asked for; words are for the caller to find.
fn print(console: &Console, object: &serde_json::Value, form: &Form) -> Result<()> {
    match form {
        Form::Template(template) => console.line(template.render(object)?)?,
        Form::Text | Form::Json => console.line(object)?,
    }
    Ok(())
}
