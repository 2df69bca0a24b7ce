//! Facts for the checks, and what could not be found out.

use std::time::Duration;

use docker_plugin::output::causes;
use explained::Explained;

use super::checks::network::NetworkTrouble;
use super::measure::{Confinement, Disk};
use crate::buildkit::Worker;
use crate::commands::builder::Registered;
use crate::commands::damage::Damage;
use crate::commands::health::Examined;
use crate::commands::leftovers::Leftovers;
use crate::desired::{ContainerName, Ports};
use crate::dialer::{DialerHint, NotHere};
use crate::engine::{EngineError, EngineFacts, EngineHint};
use crate::forward::Forward;
use crate::forward::asked::Asked;
use crate::health::plain;
use crate::observed::{Container, HostDialer};

/// Something that could not be found out, and what may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "fail"]
pub enum Unanswered {
    /// The engine or BuildKit refuses, or the way there breaks.
    #[error("{error}")]
    #[advice = "what it says"]
    Error { error: String },
    /// The same, where something is known that may help.
    #[error("{error}")]
    #[advice("{hint}")]
    Hinted { error: String, hint: EngineHint },
    /// BuildKit hangs, or all answers together take that long.
    #[error("{asked}: no answer within {seconds} s", seconds = .limit.as_secs_f32())]
    #[advice("{help}")]
    Late { asked: &'static str, limit: Duration, help: String },
    /// BuildKit cannot read its databases, and ends at every start.
    #[error("{damage}")]
    #[advice("then {afresh}")]
    Damaged { damage: Damage, afresh: String },
}

impl From<EngineError> for Unanswered {
    fn from(error: EngineError) -> Self {
        let hint = error.hint();
        let error = plain(&causes(&error));
        match hint {
            Some(hint) => Self::Hinted { error, hint },
            None => Self::Error { error },
        }
    }
}

/// Why a rootless engine has no dialer of this user's on its host, and who can have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoDialer {
    pub(super) why: NotHere,
    pub(super) help: DialerHint,
}

/// Everything that was found out.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) endpoint: String,
    pub(super) engine: Result<EngineFacts, Unanswered>,
    /// The user's containers; absent when the engine does not answer.
    pub(super) backend: Option<Result<Option<Container>, Unanswered>>,
    /// Whether the backend has lost the configuration that it was made with.
    pub(super) lost_files: bool,
    /// What is wrong with the backend's cache and the way out, where its log tells of damage.
    pub(super) damage: Option<Unanswered>,
    /// What BuildKit says; absent without a backend that runs.
    pub(super) daemon: Option<Result<Daemon, Unanswered>>,
    pub(super) forwards: Vec<Examined>,
    /// What was asked for and has no sidecar.
    pub(super) missing: Vec<Forward>,
    /// The container that leads to the host's loopback.
    pub(super) dialer: Option<Container>,
    /// The process that does, where a sidecar asks one: absent within where it is on another machine.
    pub(super) host_dialer: Option<Option<HostDialer>>,
    pub(super) no_dialer: Option<NoDialer>,
    /// Proxies that no build reaches, and the start that leads to them.
    pub(super) proxies_in_vain: Option<(String, String)>,
    /// Names of containers whose backend is gone.
    pub(super) left_behind: Option<Leftovers>,
    /// The builder of buildx that leads to the backend, where there is one, and whether builds go there.
    pub(super) builder: Option<(ContainerName, Registered)>,
    /// The start that keeps all forwards.
    pub(super) start: String,
    /// The commands that make the backend anew, with all that it has.
    pub(super) anew: String,
    /// Whether ports were asked for.
    pub(super) named: bool,
    /// Those of them that are not forwarded.
    pub(super) unforwarded: Vec<Ports>,
    /// Those of them that lead somewhere else than was asked, and what was asked.
    pub(super) elsewhere: Vec<(Forward, Asked)>,
    /// The start that forwards the others too.
    pub(super) more: String,
    /// What the backend's first process is confined by; absent where that cannot be read.
    pub(super) confinement: Option<Confinement>,
    pub(super) disk: Option<Disk>,
    /// What is wrong with the network that a start has named.
    pub(super) network: Option<NetworkTrouble>,
    /// Whether the backend has no network.
    pub(super) isolated: bool,
    /// Connections that the host's firewall follows, and the most it can; absent where the host is
    /// not this one or tells nothing.
    pub(super) conntrack: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Daemon {
    pub(super) version: Option<String>,
    pub(super) workers: Vec<Worker>,
}
