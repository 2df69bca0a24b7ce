//! The containers beside the backend. Pure.

use explained::Explained;

use super::{fine, found};
use crate::commands::doctor::Check;
use crate::commands::health::Examined;
use crate::commands::info::state;
use crate::commands::restarts::restarts;
use crate::desired::{ContainerName, Ports};
use crate::forward::Forward;
use crate::health::Answer;
use crate::observed::{Container, HostDialer, Process, State};

/// What there is to know of a sidecar, or of the dialer.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "fail"]
pub enum HelperTrouble {
    /// Somebody removed its container.
    #[error("is missing")]
    #[advice("'{start}' makes it again")]
    Missing { start: String },
    /// Somebody paused it.
    #[error("is paused")]
    #[advice("'docker unpause {name}' wakes it")]
    Paused { name: ContainerName },
    /// It was stopped or has crashed.
    #[error("does not run ({state})")]
    #[advice("'{start}' repairs it")]
    Stopped { state: String, start: String },
    /// The backend was started again beside it.
    #[error("serves a network that its backend has left")]
    #[advice("'{start}' repairs it")]
    Stale { start: String },
    /// It hangs, or the engine does.
    #[error("does not answer within {seconds} s")]
    #[advice("'docker restart {name}'")]
    Silent { seconds: f32, name: ContainerName },
    /// Its program, or the engine, says why not.
    #[error("{why}")]
    #[advice("'docker restart {name}'")]
    Failed { why: String, name: ContainerName },
    /// The engine, or what is in front of it, does not have it asked.
    #[error("cannot be asked: {why}")]
    #[advice("{help}")]
    Refused { why: String, help: String },
    /// It has ended by itself, and the engine has started it again.
    #[error("{version} answers, but {ended}: its connections were cut")]
    #[advice(
        "'docker assemble backend logs --proxy {ports}' may tell why, 'docker restart {name}' counts anew"
    )]
    #[status = "warn"]
    Ended { version: String, ended: String, ports: Ports, name: ContainerName },
    /// An older version of this program started it.
    #[error("is of an older version, so that its target cannot be tried")]
    #[advice("'{start}' replaces it")]
    #[status = "warn"]
    Old { start: String },
    /// Something else stands under its name.
    #[error("is of another image, so that its target cannot be tried")]
    #[advice("'docker assemble backend logs --proxy {ports}' tells more")]
    #[status = "warn"]
    Foreign { ports: Ports },
    /// The dialer has ended by itself, and the engine has started it again.
    #[error("{ended}")]
    #[advice("'docker logs {name}' may tell why, 'docker restart {name}' counts anew")]
    #[status = "warn"]
    DialerEnded { ended: String, name: ContainerName },
    /// The dialer of a rootless engine, which is a process on its host, has ended.
    #[error("does not run on this host; its socket would be in {directory}")]
    #[advice("'{start}' starts it")]
    NoProcess { directory: String, start: String },
}

pub(super) fn dialer(container: &Container, start: &str) -> Check {
    const NAME: &str = "dialer";
    let name = || container.name.clone();
    match &container.state {
        State::Running => match restarts(container, None) {
            None => fine(NAME, "runs, for forwards to the host's loopback"),
            Some(ended) => found(NAME, &HelperTrouble::DialerEnded { ended, name: name() }),
        },
        State::Paused => found(NAME, &HelperTrouble::Paused { name: name() }),
        other => found(NAME, &stopped(other, start)),
    }
}

fn stopped(now: &State, start: &str) -> HelperTrouble {
    HelperTrouble::Stopped { state: state(now).to_owned(), start: start.to_owned() }
}

pub(super) fn host_dialer(dialer: Option<&HostDialer>, start: &str) -> Check {
    const NAME: &str = "dialer";
    match dialer {
        None => fine(NAME, "is a process on the engine's host, which is not seen from here"),
        Some(HostDialer { process: Some(Process { id, .. }), directory }) => {
            fine(NAME, format!("runs on this host as process {id}, with its socket in {directory}"))
        }
        Some(HostDialer { process: None, directory }) => {
            let (directory, start) = (directory.clone(), start.to_owned());
            found(NAME, &HelperTrouble::NoProcess { directory, start })
        }
    }
}

pub(super) fn sidecar(forward: &Examined, backend: Option<&Container>, start: &str) -> Check {
    let (ports, container) = (forward.sidecar.ports, &forward.sidecar.container);
    let (name, start_again) = (container.name.clone(), start.to_owned());
    let trouble = match (&container.state, &forward.answer) {
        _ if forward.stale => HelperTrouble::Stale { start: start_again },
        (State::Paused, _) => HelperTrouble::Paused { name },
        (State::Running, Some(Answer::Told(report))) => match restarts(container, backend) {
            None => return fine(format!("sidecar {ports}"), format!("{} answers", report.version)),
            Some(ended) => HelperTrouble::Ended { version: report.version.clone(), ended, ports, name },
        },
        (State::Running, Some(Answer::Old)) => HelperTrouble::Old { start: start_again },
        (State::Running, Some(Answer::Foreign)) => HelperTrouble::Foreign { ports },
        (State::Running, Some(Answer::Silent(limit))) => {
            HelperTrouble::Silent { seconds: limit.as_secs_f32(), name }
        }
        (State::Running, Some(Answer::Failed(text))) => HelperTrouble::Failed { why: text.clone(), name },
        (State::Running, Some(Answer::Refused { why, help })) => {
            HelperTrouble::Refused { why: why.clone(), help: help.clone() }
        }
        (other, _) => stopped(other, start),
    };
    found(format!("sidecar {ports}"), &trouble)
}

pub(super) fn missing(forward: &Forward, start: &str) -> Check {
    found(format!("sidecar {}", forward.ports), &HelperTrouble::Missing { start: start.to_owned() })
}
