//! The way back: everything of the user's removed.

use std::time::Duration;

use super::Plan;
use super::action::{Action, Reason};
use crate::observed::{Container, Observed};

/// How long a backend may take to end. It flushes its cache's database and lets short requests
/// finish; docker's own limit.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// Removes sidecars, then the backend, whatever state they are in. Sidecars go first: they
/// live in the backend's network; the backend has `grace` to end by itself. Named volumes are
/// nobody's to remove.
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
    plan.stage(observed.sidecars.iter().map(|s| &s.container).map(asked(Duration::ZERO)).collect());
    plan.stage(observed.backend.iter().chain(&observed.strays).map(asked(grace)).collect());
    plan
}
