//! BuildKit itself. Pure.

use explained::Explained;

use super::{fine, found};
use crate::buildkit::Worker;
use crate::commands::doctor::Check;
use crate::commands::doctor::facts::{Daemon, Unanswered};

/// What there is to know of BuildKit.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "fail"]
pub enum DaemonTrouble {
    /// It hangs, or has just ended.
    #[error("{why}")]
    #[advice("'docker assemble backend logs' tells more")]
    Silent { why: String },
    /// It could not set up any way to run steps.
    #[error("answers, and has no worker")]
    #[advice("'docker assemble backend logs' tells more")]
    NoWorker,
    /// An old BuildKit.
    #[error("this BuildKit does not tell in which network they run")]
    #[advice("a RUN step that connects to a forwarded port shows whether it can")]
    #[status = "warn"]
    UnknownNetwork,
    /// Its worker is set to something else than the network of the host, which is the backend's here.
    #[error("run in networks of their own ({network}) and see no forwarded port")]
    #[advice("{anew} give them the backend's")]
    OwnNetworks { network: String, anew: String },
}

pub(super) fn buildkit(asked: &Result<Daemon, Unanswered>) -> Check {
    const NAME: &str = "buildkit";
    match asked {
        Err(failure) if failure.advice().is_some() => found(NAME, failure),
        Err(failure) => found(NAME, &DaemonTrouble::Silent { why: failure.to_string() }),
        Ok(daemon) if daemon.workers.is_empty() => found(NAME, &DaemonTrouble::NoWorker),
        Ok(daemon) => {
            let version = daemon.version.as_deref().unwrap_or("of an unknown version");
            fine(NAME, format!("{version} answers with {} worker(s)", daemon.workers.len()))
        }
    }
}

/// The label of a worker that says where its `RUN` steps have their network (BuildKit's
/// `worker/label`).
pub(super) const NETWORK: &str = "org.mobyproject.buildkit.worker.network";

pub(super) fn namespace(workers: &[Worker], anew: &str) -> Check {
    const NAME: &str = "RUN steps";
    let mut networks = workers.iter().map(|worker| worker.labels.get(NETWORK).map(String::as_str));
    match networks.find(|network| *network != Some("host")) {
        None => fine(NAME, "share the backend's network and see its forwarded ports"),
        Some(None) => found(NAME, &DaemonTrouble::UnknownNetwork),
        Some(Some(other)) => {
            let (network, anew) = (other.to_owned(), anew.to_owned());
            found(NAME, &DaemonTrouble::OwnNetworks { network, anew })
        }
    }
}
