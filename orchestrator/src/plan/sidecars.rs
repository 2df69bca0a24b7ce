//! Which sidecars stay, and how the others leave.

use std::time::Duration;

use super::action::Reason;
use super::diff::{self, Effect};
use super::leaving::Leaving;
use super::{Backend, dialer};
use crate::desired::{ContainerName, Desired};
use crate::observed::{Observed, Sidecar, State};
use crate::spec::ContainerSpec;

/// The names of the sidecars that stay; the others leave.
pub(super) fn sort_sidecars<'a>(
    wanted: &[ContainerSpec],
    desired: &Desired,
    observed: &'a Observed,
    fate: Backend,
    leaving: &mut Leaving,
) -> Vec<&'a ContainerName> {
    let mut kept = Vec::new();
    for sidecar in &observed.sidecars {
        let container = &sidecar.container;
        let backend = observed.backend.as_ref();
        let serves = container.state == State::Running
            && backend.is_some_and(|backend| backend.state == State::Running && !sidecar.is_stale(backend))
            && !dialer::has_lost_directory(container, desired, observed);
        match fault(sidecar, wanted, desired, observed, fate) {
            None => kept.push(&container.name),
            Some(reason) if !serves || reason == Reason::Unhealthy => leaving.now(container, reason),
            // In a network that stays, on a port that no other one takes.
            Some(reason @ Reason::Unwanted) if fate == Backend::Keep => leaving.later(container, reason),
            // A relay has nothing to save; whoever uses the port sees it end at once.
            Some(reason) => leaving.aside(container, reason, Duration::ZERO),
        }
    }
    kept
}

/// Why a sidecar cannot stay, if it cannot. `wanted` has one for each forward that is desired.
fn fault(
    sidecar: &Sidecar,
    wanted: &[ContainerSpec],
    desired: &Desired,
    observed: &Observed,
    fate: Backend,
) -> Option<Reason> {
    let container = &sidecar.container;
    let at = desired.forwards.iter().position(|forward| forward.ports == sidecar.ports);
    let Some(spec) = at.and_then(|at| wanted.get(at)) else {
        let is_wanted = desired.forwards.iter().any(|forward| forward.ports.overlaps(sidecar.ports));
        return Some(if is_wanted { Reason::Divided } else { Reason::Unwanted });
    };
    if container.state != State::Running {
        return Some(Reason::Ended);
    }
    let differs = diff::helper(spec, container) == Effect::Update;
    // It leads where it should, and nobody has asked for more.
    let is_enough =
        desired.forwards_only && sidecar.forward().is_some_and(|it| desired.forwards.contains(&it));
    // Without a name of its own it would stand in nobody's way and be kept beside its successor.
    if container.name != spec.name || (differs && !is_enough) {
        return Some(Reason::Changed);
    }
    let backend = observed.backend.as_ref();
    let stale = fate != Backend::Keep || backend.is_none_or(|backend| sidecar.is_stale(backend));
    if stale {
        return Some(Reason::Stale);
    }
    if dialer::has_lost_directory(container, desired, observed) {
        return Some(Reason::Cut);
    }
    container.unhealthy.then_some(Reason::Unhealthy)
}
