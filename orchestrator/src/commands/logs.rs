//! `backend logs`: what the daemon or a sidecar said, each stream to its own.

mod since;

pub use since::Since;

use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::{Completes, Refusal};
use explained::Explained;
use futures_util::StreamExt;

use super::complete::{containers, forwarded_ports};
use super::values::ports;
use super::{Session, observe};
use crate::desired::Ports;
use crate::engine::{Engine, EngineError, LogChunk, LogOptions};
use crate::observed::{Container, Observed, Sidecar};
use since::since;

/// Fetch the logs of the backend, or of one of its other containers
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend logs --follow --tail 20
  $ docker assemble backend logs --proxy 5000 --since 10m")]
pub(super) struct Options {
    /// Its name or the beginning of its id (default: the backend's)
    #[arg(value_name = "CONTAINER", add = Completes(containers))]
    container: Option<String>,

    /// Follow log output
    #[arg(long, short)]
    follow: bool,

    /// Show the logs of the container that forwards this port
    #[arg(long, value_name = "port", value_parser = ports, add = Completes(forwarded_ports))]
    proxy: Option<Ports>,

    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string", value_parser = since)]
    since: Option<Since>,

    /// Number of lines to show from the end of the log (default "all")
    #[arg(long, short = 'n', value_name = "string", value_parser = tail)]
    tail: Option<Tail>,

    /// Show timestamps
    #[arg(long, short)]
    timestamps: bool,

    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string", value_parser = since)]
    until: Option<Since>,
}

/// What is wrong with the options.
#[derive(Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum LogsOptionError {
    /// Either names a container.
    #[error("conflicting options: cannot specify both --proxy and a container")]
    #[advice = "give one of them"]
    Both,
    /// `--since` or `--until` cannot be read.
    #[error("must be how long ago (10m), or a time such as 2024-05-01T10:00:00Z")]
    #[advice = "write it so"]
    Time,
    /// `--tail` cannot be read.
    #[error("must be a number of lines or \"all\"")]
    #[advice = "write it so"]
    Tail,
}

impl Options {
    /// What they come to together.
    pub(super) fn check(self) -> Result<Logs, Refusal> {
        let port = self.proxy.map(Whose::Forward);
        let container = self.container.map(Whose::Container);
        if port.is_some() && container.is_some() {
            return Err(Refusal::Options(LogsOptionError::Both.to_string()));
        }
        Ok(Logs {
            whose: port.or(container).unwrap_or_default(),
            follow: self.follow,
            tail: self.tail.and_then(|tail| tail.0),
            since: self.since,
            until: self.until,
            timestamps: self.timestamps,
        })
    }
}

/// Which lines to show, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// Whose they are.
    pub whose: Whose,
    /// Go on as new lines come.
    pub follow: bool,
    /// Only this many last lines.
    pub tail: Option<u64>,
    /// Only lines from this time on.
    pub since: Option<Since>,
    /// Only lines up to this time.
    pub until: Option<Since>,
    /// Put its time before every line.
    pub timestamps: bool,
}

/// Whose log it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// The backend's.
    #[default]
    Backend,
    /// That of the sidecar of this port, or of these.
    Forward(Ports),
    /// That of one of the backend's containers, itself among them, by its name or the beginning
    /// of its id.
    Container(String),
}

/// How many last lines; all where that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail(Option<u64>);

/// A number of lines; as for docker, `all` and negative numbers mean all of them.
fn tail(text: &str) -> Result<Tail, LogsOptionError> {
    if text == "all" || text.strip_prefix('-').is_some_and(|rest| rest.parse::<u64>().is_ok()) {
        return Ok(Tail(None));
    }
    text.parse().map(|lines| Tail(Some(lines))).map_err(|_| LogsOptionError::Tail)
}

/// How long a log that is followed may say nothing until the engine is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);

/// Runs the command.
///
/// # Errors
/// A missing backend or sidecar, those of the engine, and an output that is closed.
pub async fn run<E: Engine>(session: Session<'_, E>, logs: &Logs) -> Result<()> {
    let container = match &logs.whose {
        Whose::Backend => session.backend().await?,
        Whose::Forward(ports) => sidecar(session, *ports).await?,
        Whose::Container(text) => named(session, text).await?,
    };
    let options = LogOptions {
        follow: logs.follow,
        tail: logs.tail,
        since: logs.since.map(|since| since.seconds(SystemTime::now())),
        until: logs.until.map(|until| until.seconds(SystemTime::now())),
        timestamps: logs.timestamps,
    };
    let mut log = session.engine.logs(&container.id, options);
    loop {
        let chunk = match tokio::time::timeout(QUIET, log.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(chunk)) => chunk,
            Err(_) => {
                // A container may say nothing for days. Whether its engine still answers is asked.
                session.engine.container(&container.name).await?;
                continue;
            }
        };
        match chunk.map_err(|error| LogsError::of(error.about(&container.name)))? {
            LogChunk::Stdout(bytes) => session.console.raw(&bytes)?,
            LogChunk::Stderr(bytes) => session.console.raw_error(&bytes)?,
        }
    }
}

/// A log that is not there.
#[derive(Debug, thiserror::Error, Explained)]
pub enum LogsError {
    /// `logs --proxy` of a port without a sidecar.
    #[error("port \"{ports}\" is not forwarded; {known}")]
    #[advice = "name one that is listed"]
    NotForwarded {
        /// The port.
        ports: Ports,
        /// Those that are.
        known: String,
    },
    /// `logs` of another container.
    #[error("container \"{name}\" is not the backend's; these are: {names}")]
    #[advice = "name one that is listed; `docker logs` shows others"]
    NotOurs {
        /// As it was given.
        name: String,
        /// Those that are.
        names: String,
    },
    /// The engine's log driver keeps no logs that it can give back, such as `none`.
    #[error("{error}; those of containers made with \"log-driver\": \"local\" in its daemon.json are kept")]
    #[advice = "set that, start the engine anew, then `stop` and `start`"]
    NotKept {
        /// What the engine says.
        error: EngineError,
    },
}

impl LogsError {
    /// Why a log cannot be read.
    fn of(error: EngineError) -> anyhow::Error {
        match &error {
            EngineError::Refused { message, .. } if message.contains("does not support reading") => {
                Self::NotKept { error }.into()
            }
            _ => error.into(),
        }
    }
}

async fn sidecar<E: Engine>(session: Session<'_, E>, ports: Ports) -> Result<Container> {
    let Observed { backend, sidecars, .. } = observe::ours(session.engine, session.user).await?;
    let known = sidecars.iter().map(|sidecar| sidecar.ports.to_string()).collect::<Vec<_>>().join(", ");
    let is_it = |sidecar: &Sidecar| sidecar.ports.common(ports) == Some(ports);
    // One that has outlived its backend may tell why.
    match sidecars.into_iter().find(is_it) {
        Some(sidecar) => Ok(sidecar.container),
        None if backend.is_none() => Err(session.missing_backend().await?),
        None => {
            let known =
                if known.is_empty() { "no port is".to_owned() } else { format!("these are: {known}") };
            Err(LogsError::NotForwarded { ports, known }.into())
        }
    }
}

/// A container of the backend, by its name or the beginning of its id.
async fn named<E: Engine>(session: Session<'_, E>, text: &str) -> Result<Container> {
    let observed = observe::ours(session.engine, session.user).await?;
    let is_it = |container: &&Container| container.name.0 == text || container.id.0.starts_with(text);
    // One that has outlived its backend may tell why.
    match observed.containers().find(is_it) {
        Some(container) => Ok(container.clone()),
        None if observed.backend.is_none() => Err(session.missing_backend().await?),
        None => {
            let names: Vec<_> = observed.containers().map(|container| container.name.0.as_str()).collect();
            Err(LogsError::NotOurs { name: text.to_owned(), names: names.join(", ") }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Operation;

    #[test]
    fn who_keeps_no_logs_is_told_how_to() {
        let said = |message: &str| {
            let operation = Operation { verb: "read the log of container", object: "b".to_owned() };
            LogsError::of(EngineError::Refused { operation, status: 501, message: message.to_owned() })
                .to_string()
        };
        let unkept = said("configured logging driver does not support reading");
        assert!(unkept.contains("reading; those of containers made with \"log-driver\""), "{unkept}");
        assert!(said("disk full").ends_with(": disk full"));
    }

    #[test]
    fn tails() {
        assert_eq!(tail("all"), Ok(Tail(None)));
        assert_eq!(tail("-1"), Ok(Tail(None)));
        assert_eq!(tail("10"), Ok(Tail(Some(10))));
        assert!(tail("ten").is_err());
    }
}
