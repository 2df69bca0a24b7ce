//! What a plan takes from builds that may be using it.

use std::collections::BTreeSet;

use super::Plan;
use super::action::Action;
use crate::forward::Forward;
use crate::observed::{self, Container, ContainerId, Observed, Sidecar, State};

/// What serves now, and would not any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts<'a> {
    /// The backend, and all with it.
    pub backend: Option<&'a Container>,
    /// The forwards of which not all ports lead to the same again.
    pub removed: Vec<&'a Sidecar>,
    /// Those that lead to the same target again a moment later.
    pub replaced: Vec<&'a Sidecar>,
    /// Where all that goes comes back as a part of something wider: what could come beside it instead.
    pub beside: Vec<Forward>,
}

impl Plan {
    /// What it takes away; nothing where the backend does not run.
    #[must_use]
    pub fn cuts<'a>(&self, observed: &'a Observed) -> Cuts<'a> {
        let Some(backend) = observed.backend.as_ref().filter(|backend| backend.state == State::Running)
        else {
            return Cuts::default();
        };
        let gone: BTreeSet<&ContainerId> = self.actions().filter_map(ended).collect();
        let backend_goes = gone.contains(&backend.id);
        let serves = |sidecar: &&Sidecar| {
            let Container { state, unhealthy, .. } = &sidecar.container;
            *state == State::Running && !unhealthy && !sidecar.is_stale(backend)
        };
        let is_gone = |sidecar: &&Sidecar| backend_goes || gone.contains(&sidecar.container.id);
        let come: Vec<_> = self.actions().filter_map(comes).collect();
        let comes_back = |sidecar: &&Sidecar| sidecar.forward().is_some_and(|it| it.is_covered_by(&come));
        let (replaced, removed): (Vec<_>, Vec<_>) =
            observed.sidecars.iter().filter(is_gone).filter(serves).partition(comes_back);
        let beside = if backend_goes || !removed.is_empty() { Vec::new() } else { beside(&come, &replaced) };
        Cuts { backend: backend_goes.then_some(backend), removed, replaced, beside }
    }
}

/// What comes and is not there yet, where each of these that goes only grows.
fn beside(come: &[Forward], replaced: &[&Sidecar]) -> Vec<Forward> {
    let grows = |sidecar: &&Sidecar| {
        come.iter()
            .any(|it| it.ports != sidecar.ports && it.ports.common(sidecar.ports) == Some(sidecar.ports))
    };
    if replaced.is_empty() || !replaced.iter().all(grows) {
        return Vec::new();
    }
    let rest = |forward: &Forward| {
        replaced.iter().fold(vec![forward.clone()], |rest, sidecar| {
            rest.iter().flat_map(|forward| forward.without(sidecar.ports)).collect()
        })
    };
    come.iter().flat_map(rest).collect()
}

const fn ended(action: &Action) -> Option<&ContainerId> {
    match action {
        Action::Remove { id, .. } | Action::SetAside { id, .. } => Some(id),
        _ => None,
    }
}

/// What a new sidecar forwards.
fn comes(action: &Action) -> Option<Forward> {
    let Action::Run { candidates } = action else { return None };
    observed::forward(&candidates.preferred.labels)
}
