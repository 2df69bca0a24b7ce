//! What becomes of the dialer and of the volume with its socket.

use std::time::Duration;

use super::action::{Action, Reason};
use super::diff;
use super::leaving::Leaving;
use crate::desired::Desired;
use crate::observed::{Observed, State};
use crate::spec;

/// Steps, each for its place in the plan.
#[derive(Default)]
pub(super) struct Changes {
    /// The removal of volumes that nobody needs, once the dialer is gone.
    pub(super) volumes_gone: Vec<Action>,
    /// The creation of the volume.
    pub(super) volume: Option<Action>,
    /// The creation of the dialer.
    pub(super) run: Option<Action>,
}

/// A dialer belongs to no run of the backend, and sidecars find a new one by themselves: a
/// changed list of ports replaces it alone.
pub(super) fn changes(desired: &Desired, observed: &Observed, leaving: &mut Leaving) -> Changes {
    let wanted = spec::dialer(desired);
    let mut keeps = false;
    if let Some(container) = &observed.dialer {
        match &wanted {
            None if container.state == State::Running => leaving.later(container, Reason::Idle),
            None => leaving.now(container, Reason::Idle),
            Some(_) if container.state != State::Running => leaving.now(container, Reason::Ended),
            Some(spec) if diff::helper(spec, container) == diff::Effect::Update => {
                leaving.aside(container, Reason::Changed, Duration::ZERO);
            }
            Some(_) if container.unhealthy => leaving.now(container, Reason::Unhealthy),
            Some(_) => keeps = true,
        }
    }
    let Some(spec) = wanted else {
        // What is in nobody's place may have it mounted, and goes with a stop: so does the volume.
        let volumes = observed.socket_volumes.iter().filter(|_| observed.strays.is_empty());
        let volumes_gone = volumes.map(|name| Action::RemoveVolume { name: name.clone() }).collect();
        return Changes { volumes_gone, ..Changes::default() };
    };
    let volume = spec::socket_volume(&desired.user);
    let has_volume = observed.socket_volumes.contains(&volume.name);
    Changes {
        volumes_gone: Vec::new(),
        volume: (!has_volume).then_some(Action::CreateVolume { spec: volume }),
        run: (!keeps).then(|| Action::Run { candidates: vec![spec] }),
    }
}
