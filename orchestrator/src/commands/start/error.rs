//! Why a start fails.

use explained::Explained;

use crate::commands::damage::Damage;
use crate::desired::{Chosen, ContainerName};
use crate::engine::EngineError;
use crate::health::NoNetwork;
use crate::ready::ReadyError;

/// What only a start can say about a failure.
#[derive(Debug, thiserror::Error, Explained)]
pub enum StartError {
    /// It pulls images, or hangs.
    #[error("another start of \"{name}\" is still at work after {seconds} s; try again when it is done")]
    #[advice = "wait for it, or end it"]
    Busy {
        /// The backend.
        name: ContainerName,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A backend does not serve while the one before it is set aside: one that may have served is not taken
    /// back.
    #[error("{error}; {help}")]
    #[advice = "what it says; `stop` would remove both"]
    Kept {
        /// Why it does not serve.
        error: ReadyError,
        /// How the one before it comes back.
        help: String,
    },
    /// BuildKit cannot read its databases, and ends at every start.
    #[error("{error}: {damage}; then start again")]
    #[advice = "the commands that it names"]
    Damaged {
        /// That it has ended.
        error: ReadyError,
        /// Which cache it is.
        damage: Damage,
    },
    /// A sidecar ended, as the engine gives containers no network.
    #[error("{error}; {lost}; '{start}' does without one")]
    #[advice = "that start; it tells how the backend gets a network"]
    NoNetwork {
        /// That it has ended.
        error: ReadyError,
        /// Why.
        lost: NoNetwork,
        /// The start whose forwards need no network.
        start: String,
    },
    /// A sidecar or a dialer that was there hangs.
    #[error("{error}; 'docker restart {name}' starts it anew")]
    #[advice = "that command, and another start"]
    OldHelper {
        /// Why it does not serve.
        error: ReadyError,
        /// The container.
        name: ContainerName,
    },
    /// An old backend does not come up.
    #[error("{error}; 'docker assemble backend stop' and another start make a new one")]
    #[advice = "what it says"]
    Old {
        /// Why it does not serve.
        error: ReadyError,
    },
    /// The engine refuses a setting that only it can judge, such as a processor that its host has not.
    #[error("{error}; asked for {asked}")]
    #[advice = "other values for what it names"]
    #[status = "125"]
    Value {
        /// The engine's refusal.
        error: EngineError,
        /// The settings that were named.
        asked: Chosen,
    },
    /// BuildKit ends at once with the arguments of `--buildkitd-flags` or the file of `--config`.
    #[error("{error}; asked for {asked}")]
    #[advice = "read its log, which is shown, and correct them"]
    #[status = "125"]
    Daemon {
        /// That it has ended.
        error: ReadyError,
        /// What it was told.
        asked: String,
    },
    /// The image that `--image` or `--proxy-image` names cannot be pulled.
    #[error("{error}")]
    #[advice = "what it says"]
    #[status = "125"]
    Image {
        /// The engine's refusal.
        error: EngineError,
    },
    /// The engine does not give the privileges that `--security privileged` asks for.
    #[error("{error}; '--security restricted' does without privileges that the engine refuses")]
    #[advice = "what it says"]
    #[status = "125"]
    Privileges {
        /// The engine's refusal.
        error: EngineError,
    },
    /// The name was taken in between.
    #[error("{error}; is another start at work? try again when it is done")]
    #[advice = "try again"]
    Taken {
        /// The engine's refusal.
        error: EngineError,
    },
    /// What this start made could not be removed, or what it had set aside not put back.
    #[error("cleaning up failed too: {left}")]
    #[advice = "`backend start` again; `backend stop` removes all of it"]
    Left {
        /// What there is still, and why.
        left: String,
    },
}
