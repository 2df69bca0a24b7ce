//! How containers leave: what stands in the way of its successor is set aside first and removed when that
//! serves, and what a start that was killed has set aside is put back or removed.

use std::time::Duration;

use super::action::{Action, Reason};
use super::remove;
use crate::observed::{Container, Observed, State};

/// The containers that cannot stay.
#[derive(Default)]
pub(super) struct Leaving {
    /// What has to be done before others can take their places.
    pub(super) first: Vec<Action>,
    /// What is done when everything serves.
    pub(super) last: Vec<Action>,
}

impl Leaving {
    /// One that is of no use any more.
    pub(super) fn now(&mut self, container: &Container, reason: Reason) {
        self.first.push(remove(container, reason, Duration::ZERO));
    }

    /// One that stands in nobody's way: until the rest serves it may as well go on.
    pub(super) fn later(&mut self, container: &Container, reason: Reason) {
        self.last.push(remove(container, reason, Duration::ZERO));
    }

    /// One that is worth keeping until its successor serves.
    pub(super) fn aside(&mut self, container: &Container, reason: Reason, grace: Duration) {
        self.first.push(Action::SetAside {
            id: container.id.clone(),
            name: container.name.clone(),
            reason,
            grace,
            runs: matches!(container.state, State::Running | State::Paused | State::Restarting),
        });
        self.later(container, reason);
    }
}

/// What has to be done about a replacement that was not finished: a backend that was set aside comes
/// back unless its successor was started. That one may have served since, or is found out now.
pub(super) fn repair(observed: &Observed) -> Vec<Vec<Action>> {
    let old = observed.replaced_backend().filter(|_| observed.backend.is_none());
    let back = old.and_then(|old| Some(Action::PutBack { id: old.id.clone(), name: old.name.back()? }));
    let unfinished = observed.unfinished.iter().map(|new| remove(new, Reason::Ended, Duration::ZERO));
    let stages = [unfinished.collect(), back.into_iter().collect()];
    stages.into_iter().filter(|stage: &Vec<_>| !stage.is_empty()).collect()
}

/// The removal of what is set aside still.
pub(super) fn leftovers(observed: &Observed) -> impl Iterator<Item = Action> {
    observed.replaced.iter().map(|old| {
        let name = old.name.back().unwrap_or_else(|| old.name.clone());
        Action::Remove { id: old.id.clone(), name, reason: Reason::Replaced, grace: Duration::ZERO }
    })
}
