//! The way back: everything of the user's removed.

use std::time::Duration;

use super::action::{Action, Reason};
use super::{Plan, dialer};
use crate::observed::{Container, Observed};

/// How long a backend may take to end. It flushes its cache's database and lets short requests
/// finish; docker's own limit.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// Removes sidecars and the dialer, then the backend, whatever state they are in, then the volume
/// with the dialer's socket and the dialers on this host. Sidecars go first: they live in the backend's
/// network; the backend has `grace` to end by itself. Volumes that a person named are nobody's to remove.
#[must_use]
pub fn teardown(observed: &Observed, grace: Duration) -> Plan {
    let asked = |grace| {
        move |container: &Container| Action::Remove {
            id: container.id.clone(),
            name: container.name.clone(),
            reason: Reason::Asked,
            grace,
        }
    };
    let mut plan = Plan::default();
    let helpers = observed.sidecars.iter().map(|s| &s.container).chain(&observed.dialer);
    plan.stage(helpers.map(asked(Duration::ZERO)).collect());
    let others = observed.unfinished.iter().chain(&observed.replaced).chain(&observed.strays);
    plan.stage(observed.backend.iter().chain(others).map(asked(grace)).collect());
    let volumes = observed.socket_volumes.iter();
    let volumes = volumes.map(|name| Action::RemoveVolume { name: name.clone() });
    plan.stage(volumes.chain(observed.host_dialers.iter().map(dialer::end)).collect());
    plan
}
