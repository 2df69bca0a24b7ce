//! What becomes of the dialer and of what has its socket: a volume, or a directory of this host.

use std::time::Duration;

use super::action::{Action, Reason};
use super::diff;
use super::leaving::Leaving;
use crate::desired::Desired;
use crate::labels;
use crate::observed::{Container, HostDialer, Observed, State};
use crate::spec;

/// Steps, each for its place in the plan.
#[derive(Default)]
pub(super) struct Changes {
    /// The removal of volumes and of a process that nobody needs, once what asks there is gone.
    pub(super) gone: Vec<Action>,
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
    let here = spec::host_dialer(desired);
    let directory = here.as_ref().map(|dialer| &dialer.directory);
    let others = observed.host_dialers.iter().filter(|there| Some(&there.directory) != directory);
    let mut gone: Vec<_> = others.map(end).collect();
    let Some(spec) = wanted else {
        // What is in nobody's place may have it mounted, and goes with a stop: so does the volume.
        let volumes = observed.socket_volumes.iter().filter(|_| observed.strays.is_empty());
        gone.extend(volumes.map(|name| Action::RemoveVolume { name: name.clone() }));
        return Changes { gone, volume: None, run: here.and_then(|dialer| dial(dialer, observed)) };
    };
    let volume = spec::socket_volume(&desired.user);
    let has_volume = observed.socket_volumes.contains(&volume.name);
    Changes {
        gone,
        volume: (!has_volume).then_some(Action::CreateVolume { spec: volume }),
        run: (!keeps).then(|| Action::run(spec.into())),
    }
}

/// The start of a dialer on this host, unless that one runs already. Sidecars find a new one by themselves.
fn dial(dialer: spec::HostDialer, observed: &Observed) -> Option<Action> {
    let there = observed.host_dialer(&dialer.directory);
    let runs = there.and_then(|there| there.process.as_ref());
    let is_it = runs.is_some_and(|process| process.command == dialer.command());
    (!is_it).then(|| Action::Dial { dialer, before: there.cloned() })
}

/// Whether what a sidecar has mounted is gone: the directory that is made next is another one, and the
/// sidecar would never see it.
pub(super) fn has_lost_directory(container: &Container, desired: &Desired, observed: &Observed) -> bool {
    let mounted = container.labels.get(labels::DIALER_DIRECTORY);
    mounted == desired.dialer_directory.as_ref()
        && mounted.is_some_and(|directory| observed.host_dialer(directory).is_none())
}

pub(super) fn end(dialer: &HostDialer) -> Action {
    Action::EndDialer { directory: dialer.directory.clone() }
}
