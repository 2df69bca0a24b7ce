//! The commands, a file or a folder for each verb: its options, what they ask for, how they are
//! completed, what it does and what it prints.

pub mod builder;
pub mod cache;
pub mod complete;
pub mod damage;
pub mod doctor;
mod forwards;
pub mod health;
mod host_sockets;
mod in_use;
pub mod info;
pub mod leftovers;
mod listing;
mod log_end;
pub mod logs;
pub mod ls;
pub mod manifest;
mod namespaces;
pub mod observe;
mod outcome;
pub mod port;
pub mod restarts;
mod run;
mod session;
pub mod silence;
pub mod start;
pub mod stats;
pub mod stop;
mod values;
pub mod variables;
pub mod version;
mod which;

pub use crate::cancelled::Cancelled;
use crate::engine::USUAL;
pub use in_use::{ForceAndWait, InUse, WhenInUse};
pub use listing::Listing;
pub use outcome::{exit, explain, status};
pub use run::Here;
pub use session::{Session, unless_cancelled};
pub use values::ArgumentError;
pub use which::{BadVariable, Which};

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use docker_plugin::cli::{self, Completes, Program, Refusal, UsageError};
use docker_plugin::output::{Console, Form, ObjectForm};
use docker_plugin::vars::Vars;

use crate::desired::BackendName;
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
    Doctor(Named<doctor::Options>),
    Env(Named<builder::EnvOptions>),
    Info(Named<info::Options>),
    Logs(Named<logs::Options>),
    #[command(visible_alias = "list")]
    Ls(ls::Options),
    Manifest(manifest::Options),
    /// Manage the ports that are forwarded
    #[command(subcommand)]
    Port(port::Port),
    Start(Named<start::Options>),
    Stats(Named<stats::Options>),
    Stop(Named<stop::Options>),
    Use(Named<builder::UseOptions>),
}

// The options of a command that is about one backend. Documentation would be taken for its help.
#[derive(Args)]
struct Named<T: Args> {
    #[command(flatten)]
    options: T,

    /// Which of your backends (default "default")
    #[arg(long, value_name = "string", add = Completes(complete::backends))]
    name: Option<BackendName>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// With which of the user's backends, where that was said.
    pub name: Option<BackendName>,
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

impl Request {
    /// The backend that is meant; none where that cannot be told and does not matter.
    ///
    /// # Errors
    /// What names one in the environment is no name.
    pub fn which(&self, vars: &impl Vars) -> Result<Option<Which>, BadVariable> {
        let needs_none = matches!(
            self.command,
            Command::Offline(Offline::Manifest(..)) | Command::Tolerant(Tolerant::Version(_))
        );
        match Which::of(self.name.clone(), vars) {
            Err(_) if needs_none => Ok(None),
            which => which.map(Some),
        }
    }
}

/// Those that need no engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offline {
    /// `backend cache volume`.
    CacheVolume,
    /// `backend env`.
    Env,
    /// `backend manifest`, into this directory where one is named.
    Manifest(Box<Wish>, Option<PathBuf>),
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
    /// `backend ls`.
    List(Listing),
    /// `backend port add` and `backend port rm`.
    PortChange(port::Change, start::How),
    /// `backend port ls`.
    PortList(Listing),
    /// `backend start`.
    Start(Box<start::Start>),
    /// `backend stats`.
    Stats(stats::Stats),
    /// `backend stop`.
    Stop(start::How),
    /// `backend use`.
    Use(builder::Load),
}

impl OnEngine {
    /// How long the engine may take for an answer, by what was said of time: that of a stop is the backend's.
    fn patience(&self, limit: Option<Duration>) -> Duration {
        limit.filter(|_| !matches!(self, Self::Stop(_))).map_or(USUAL, |limit| limit.min(USUAL))
    }
}

impl Program for Assemble {
    type Command = Request;
    type Source = Source;

    fn check(self) -> Result<Request, Refusal> {
        use cache::Cache;
        use port::Port;
        let backend = match self {
            Self::Version(options) => {
                let command = Command::Tolerant(Tolerant::Version(options.check()?));
                return Ok(Request { command, name: None });
            }
            Self::Backend(backend) => backend,
        };
        let (name, command, limit) = match backend {
            Backend::Cache(Cache::Volume(Named { name, .. })) => {
                return Ok(Request { command: Command::Offline(Offline::CacheVolume), name });
            }
            Backend::Env(Named { name, .. }) => {
                return Ok(Request { command: Command::Offline(Offline::Env), name });
            }
            Backend::Manifest(options) => {
                let (wish, directory) = options.check()?;
                let command = Command::Offline(Offline::Manifest(Box::new(wish), directory));
                return Ok(Request { command, name: None });
            }
            Backend::Doctor(Named { name, options }) => {
                let command = Command::Tolerant(Tolerant::Doctor(options.check()?));
                return Ok(Request { command, name });
            }
            Backend::Cache(Cache::Purge(Named { name, options })) => {
                let limit = options.timeout;
                let (purge, manner) = options.check()?;
                (name, OnEngine::CachePurge(purge, manner), limit)
            }
            Backend::Cache(Cache::Usage(Named { name, options })) => {
                let limit = options.timeout;
                (name, OnEngine::CacheUsage(options.check()?), limit)
            }
            Backend::Info(Named { name, options }) => {
                let limit = options.timeout;
                (name, OnEngine::Info(options.check()?), limit)
            }
            Backend::Logs(Named { name, options }) => (name, OnEngine::Logs(options.check()?), None),
            Backend::Ls(options) => (None, OnEngine::List(options.check()?), None),
            Backend::Port(Port::Add(Named { name, options })) => {
                let limit = options.timeout;
                let (change, how) = options.check()?;
                (name, OnEngine::PortChange(change, how), limit)
            }
            Backend::Port(Port::Rm(Named { name, options })) => {
                let limit = options.timeout;
                let (change, how) = options.check()?;
                (name, OnEngine::PortChange(change, how), limit)
            }
            Backend::Port(Port::Ls(Named { name, options })) => {
                (name, OnEngine::PortList(options.check()?), None)
            }
            Backend::Start(Named { name, options }) => {
                let limit = options.timeout;
                (name, OnEngine::Start(Box::new(options.check()?)), limit)
            }
            Backend::Stats(Named { name, options }) => {
                let limit = options.timeout;
                (name, OnEngine::Stats(options.check()?), limit)
            }
            Backend::Stop(Named { name, options }) => {
                let limit = options.timeout;
                (name, OnEngine::Stop(options.check()?), limit)
            }
            Backend::Use(Named { name, options }) => (name, OnEngine::Use(options.load), None),
        };
        Ok(Request { command: Command::OnEngine(command, limit), name })
    }
}

/// What the user wants of this process.
pub type Invocation = cli::Invocation<Request, Source>;

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

/// Prints an object in the form that was asked for.
fn print(console: &Console, object: &serde_json::Value, form: &ObjectForm) -> Result<()> {
    match form {
        ObjectForm::Template(template) => console.line(template.render(object)?)?,
        ObjectForm::Json => console.line(object)?,
    }
    Ok(())
}
