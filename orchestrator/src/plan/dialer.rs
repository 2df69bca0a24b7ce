//! What becomes of the dialer and of the volume with its socket.

use std::time::Duration;

use super::action::{Action, Reason};
use super::{diff, remove};
use crate::desired::Desired;
use crate::observed::{Observed, State};
use crate::spec;

/// Steps, each for its place in the plan.
#[derive(Default)]
pub(super) struct Changes {
    /// The removal of a dialer that cannot stay.
    pub(super) gone: Option<Action>,
    /// The removal of volumes that nobody needs.
    pub(super) volumes_gone: Vec<Action>,
    /// The creation of the volume.
    pub(super) volume: Option<Action>,
    /// The creation of the dialer.
    pub(super) run: Option<Action>,
}

/// A dialer belongs to no run of the backend, and sidecars find a new one by themselves: a
/// changed list of ports replaces it alone.
pub(super) fn changes(desired: &Desired, observed: &Observed) -> Changes {
    let wanted = spec::dialer(desired);
    let fault = observed.dialer.as_ref().and_then(|container| {
        let reason = match &wanted {
            None => Reason::Idle,
            Some(_) if container.state != State::Running => Reason::Ended,
            Some(spec) if diff::helper(spec, container) == diff::Effect::Update => Reason::Changed,
            Some(_) if container.unhealthy => Reason::Unhealthy,
            Some(_) => return None,
        };
        Some(remove(container, reason, Duration::ZERO))
    });
    let keeps = observed.dialer.is_some() && fault.is_none();
    let Some(spec) = wanted else {
        // What is in nobody's place may have it mounted, and goes with a stop: so does the volume.
        let volumes = observed.socket_volumes.iter().filter(|_| observed.strays.is_empty());
        let volumes_gone = volumes.map(|name| Action::RemoveVolume { name: name.clone() }).collect();
        return Changes { gone: fault, volumes_gone, ..Changes::default() };
    };
    let volume = spec::socket_volume(&desired.user);
    let has_volume = observed.socket_volumes.contains(&volume.name);
    Changes {
        gone: fault,
        volumes_gone: Vec::new(),
        volume: (!has_volume).then_some(Action::CreateVolume { spec: volume }),
        run: (!keeps).then(|| Action::Run { candidates: vec![spec] }),
    }
}
