//! What a plan is made of.

use crate::desired::ImageRef;
use crate::observed::ContainerId;
use crate::spec::ContainerSpec;

/// One step of a plan, complete: whoever carries it out decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pull an image; when `fallback` is set a failure is only a warning, since the engine has it.
    Pull {
        /// The image.
        image: ImageRef,
        /// Whether the engine has an older copy.
        fallback: bool,
    },
    /// Load the built-in sidecar image under its content-addressed name.
    LoadProxyImage {
        /// That name.
        image: ImageRef,
    },
    /// Remove a container of ours, running or not, with its anonymous volumes.
    Remove {
        /// The container.
        id: ContainerId,
        /// Why, for people: `stale`, `exited`, …
        reason: &'static str,
    },
    /// Create and start one container from the first of these specs that the engine accepts;
    /// the next is tried only when the engine refuses the privileges of the one before.
    Run {
        /// The specs, the preferred one first; never empty.
        candidates: Vec<ContainerSpec>,
    },
}
