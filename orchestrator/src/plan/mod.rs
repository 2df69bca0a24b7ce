//! Wish and state turned into a list of actions. Pure: the same facts give the same plan.

pub mod action;
mod after;
mod cuts;
mod dialer;
pub mod diff;
mod error;
mod images;
mod leaving;
mod sidecars;
mod teardown;

pub use cuts::Cuts;
pub use error::{PlanError, way_back};
pub use teardown::{STOP_GRACE, teardown};

use std::time::Duration;

use serde_json::Value;

use crate::desired::{Choice, Desired, ImageRef, PullPolicy, Security, Settings, VolumeName};
use crate::observed::{Container, Observed, State};
use crate::spec::{self, ContainerSpec};
use action::{Action, Reason};
use diff::{Difference, Effect, Field};
use images::{need_image, need_proxy_image};
use leaving::Leaving;
use sidecars::sort_sidecars;

/// What has to be done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Each stage's actions run at once; a stage begins when the one before has succeeded.
    /// No stage is empty.
    pub stages: Vec<Vec<Action>>,
    /// What changes in containers that serve and go on, when everything does: nothing after it can fail.
    pub changes: Vec<Action>,
    /// Stages that come when everything serves: what is replaced is gone for good then.
    pub finally: Vec<Vec<Action>>,
    /// Differences that are left as they are, for people to know about.
    pub left_alone: Vec<Difference>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stages.is_empty() && self.changes.is_empty() && self.finally.is_empty()
    }

    /// All actions in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages.iter().flatten().chain(&self.changes).chain(self.finally.iter().flatten())
    }

    fn stage(&mut self, actions: Vec<Action>) {
        if !actions.is_empty() {
            self.stages.push(actions);
        }
    }

    fn finally(&mut self, actions: Vec<Action>) {
        if !actions.is_empty() {
            self.finally.push(actions);
        }
    }
}

/// What becomes of the backend.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    Keep,
    Start,
    Make,
}

/// What comes before everything else, since it may change what there is to be planned for: what a start
/// that was killed has set aside is put back, and what is always to be pulled is pulled. Whoever has
/// carried it out looks again.
#[must_use]
pub fn prepare(desired: &Desired, observed: &Observed) -> Plan {
    let mut plan = Plan { stages: leaving::repair(observed), ..Plan::default() };
    let pull = |image: &ImageRef| Action::Pull {
        image: image.clone(),
        fallback: observed.images.contains_key(image),
    };
    if desired.pull == PullPolicy::Always {
        plan.stage(std::iter::once(&desired.image).chain(desired.proxy_image.named()).map(pull).collect());
    }
    plan
}

/// The least that turns `observed` into `desired`: images first; then the note about the forwards; then
/// what is in the way is set aside; then the backend; then the dialer; then the sidecars. What was
/// replaced goes when all that serves.
///
/// # Errors
/// When the wish cannot be had from this state, or only at the price of a running backend.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    reject_foreign_names(desired, observed)?;
    if observed.network == Some(false) {
        let name = desired.settings.chosen.words(Choice::Network).concat();
        return Err(PlanError::NoSuchNetwork { name });
    }
    let cache = cache_volume(desired, observed)?;
    let has = observed.owned_backend().map(|backend| backend.settings.clone()).unwrap_or_default();
    let chosen = desired.settings.chosen.over(&has.chosen);
    let security = match (desired.settings.security, has.security) {
        // Nor are more privileges given than were asked for.
        (Security::Auto, Security::Restricted) if !desired.named.security => Security::Restricted,
        (asked, _) => asked,
    };
    let wish =
        Desired { settings: Settings { chosen, security, ..desired.settings.clone() }, ..desired.clone() };
    let candidates = spec::backend(&wish, cache.as_ref(), observed.cgroups);

    let fate = match &observed.backend {
        Some(backend) if desired.forwards_only && backend.state == State::Running => Backend::Keep,
        _ if desired.forwards_only => return Err(PlanError::Ended { name: desired.user.backend() }),
        None => Backend::Make,
        Some(backend) => {
            let mut differences = diff::backend(desired, observed, backend, &candidates);
            for difference in &mut differences {
                if let Field::Choice { live, .. } = &mut difference.field {
                    *live &= !observed.fixed;
                }
            }
            let fate = backend_fate(backend, &differences, desired.recreate, observed.replaced_backend())?;
            if fate != Backend::Make {
                plan.changes = changes(desired, backend, &differences).into_iter().collect();
                plan.left_alone = differences;
                plan.left_alone.retain(|difference| difference.effect() == Effect::Ignore);
            }
            fate
        }
    };
    let wanted: Vec<ContainerSpec> =
        desired.forwards.iter().map(|forward| spec::sidecar(desired, forward)).collect();
    let mut leaving = Leaving { last: leaving::leftovers(observed).collect(), ..Leaving::default() };
    // Another round of the same start may find what an earlier one made.
    observed.unfinished.iter().for_each(|new| leaving.now(new, Reason::Ended));
    let kept = sort_sidecars(&wanted, desired, observed, fate, &mut leaving);
    let missing: Vec<_> = wanted.into_iter().filter(|spec| !kept.contains(&&spec.name)).collect();
    let dialer = dialer::changes(desired, observed, &mut leaving);

    let mut images = Vec::new();
    if fate == Backend::Make {
        images.extend(need_image(&desired.image, desired.pull, observed)?);
    }
    if !missing.is_empty() || matches!(dialer.run, Some(Action::Run { .. })) {
        images.extend(need_proxy_image(desired, observed)?);
    }
    plan.stage(images);
    // Whatever ends this run early, what is not there then is known to be missing.
    plan.stage(changed_note(desired, observed, fate).into_iter().collect());
    plan.stage(std::mem::take(&mut leaving.first));
    // Others may be what keeps it from serving.
    if !observed.backend.as_ref().is_some_and(serves) {
        let changes = std::mem::take(&mut plan.changes);
        plan.stage(changes);
    }
    match (fate, &observed.backend) {
        (Backend::Make, Some(old)) => {
            match old.state {
                State::Running | State::Paused | State::Restarting => {
                    leaving.aside(old, Reason::Changed, STOP_GRACE);
                }
                // Its cache may be in it alone.
                State::Exited | State::Other(_) => leaving.aside(old, Reason::Changed, Duration::ZERO),
                State::Created | State::Removing | State::Dead => leaving.now(old, Reason::Ended),
            }
            plan.stage(leaving.first);
            plan.stage(vec![Action::run(candidates)]);
        }
        (Backend::Make, None) => plan.stage(vec![Action::run(candidates)]),
        (Backend::Start, Some(old)) => {
            plan.stage(vec![Action::Start { id: old.id.clone(), name: old.name.clone() }]);
        }
        (Backend::Keep | Backend::Start, _) => {}
    }
    plan.stage(dialer.volume.into_iter().collect());
    plan.stage(dialer.run.into_iter().collect());
    plan.stage(missing.into_iter().map(|spec| Action::run(spec.into())).collect());
    plan.finally(leaving.last);
    // Those that mounted it are gone by then.
    plan.finally(dialer.gone);
    Ok(plan)
}

/// Whether nothing speaks against it. What the engine had to start again may be about to end once more.
fn serves(backend: &Container) -> bool {
    backend.state == State::Running && !backend.unhealthy && backend.restarts == 0
}

/// What the engine has to change in a backend that stays. A limit on memory goes together with that on swap.
fn changes(desired: &Desired, backend: &Container, differences: &[Difference]) -> Option<Action> {
    let mut choices: Vec<Choice> = differences
        .iter()
        .filter_map(|difference| match difference.field {
            Field::Choice { choice, live: true } => Some(choice),
            _ => None,
        })
        .collect();
    if choices.is_empty() {
        return None;
    }
    if choices.contains(&Choice::Memory) {
        choices.push(Choice::MemorySwap);
    }
    let has = &backend.settings.chosen;
    let named = desired.settings.chosen.only(&choices);
    let swap = has.only(&[Choice::MemorySwap]).only(&choices);
    let change = named.iter().map(|(choice, value)| (choice, value.clone()));
    let change = swap.iter().map(|(choice, value)| (choice, value.clone())).chain(change).collect();
    // The usual policy is one that the engine can go back to; a limit that there was not is none.
    let usual = choices.contains(&Choice::Restart).then_some((Choice::Restart, Value::Null));
    let had = has.only(&choices);
    let before = usual.into_iter().chain(had.iter().map(|(choice, value)| (choice, value.clone()))).collect();
    let (id, name) = (backend.id.clone(), backend.name.clone());
    Some(Action::Change { id, name, change, before })
}

/// What a backend that stays has to be told. One whose note cannot be read is told nothing: every
/// start would have to do it again.
fn changed_note(desired: &Desired, observed: &Observed, fate: Backend) -> Option<Action> {
    let backend = observed.backend.as_ref().filter(|_| fate != Backend::Make)?;
    let before = spec::note(observed.noted.as_ref()?);
    let note = spec::note(&desired.forwards);
    let (id, name) = (backend.id.clone(), backend.name.clone());
    (note != before).then_some(Action::Note { id, name, note, before })
}

/// A backend that lives, or has, is removed by a start only when the user said so, since its build cache may
/// be in it alone; one that ended is started again.
fn backend_fate(
    backend: &Container,
    differences: &[Difference],
    recreate: bool,
    aside: Option<&Container>,
) -> Result<Backend, PlanError> {
    // Whoever asks for a new one wants it up to date too, but not for what the old one can have as well.
    if recreate && differences.iter().any(|difference| difference.effect() != Effect::Change) {
        return Ok(Backend::Make);
    }
    let needs_new = differences.iter().any(|difference| difference.effect() == Effect::Recreate);
    match backend.state {
        State::Paused => Err(PlanError::Paused { name: backend.name.clone() }),
        // The engine starts it again by itself: waiting for it is all there is to do.
        State::Running | State::Restarting | State::Exited | State::Other(_) if needs_new => {
            Err(PlanError::NeedsNewBackend {
                name: backend.name.clone(),
                differences: differences.iter().filter(|d| d.effect() == Effect::Recreate).cloned().collect(),
                aside: aside.map(|old| old.name.clone()),
            })
        }
        State::Running | State::Restarting => Ok(Backend::Keep),
        State::Exited | State::Other(_) => Ok(Backend::Start),
        State::Created | State::Removing | State::Dead => Ok(Backend::Make),
    }
}

fn remove(container: &Container, reason: Reason, grace: Duration) -> Action {
    Action::Remove { id: container.id.clone(), name: container.name.clone(), reason, grace }
}

fn reject_foreign_names(desired: &Desired, observed: &Observed) -> Result<(), PlanError> {
    if let Some(name) = desired.container_names().into_iter().find(|name| observed.foreign.contains(name)) {
        return Err(PlanError::Foreign { name });
    }
    let volume = desired.user.dialer_volume();
    let needs_volume = spec::dialer(desired).is_some();
    if needs_volume && observed.volumes.contains(&volume) && !observed.socket_volumes.contains(&volume) {
        return Err(PlanError::ForeignVolume { name: volume });
    }
    Ok(())
}

fn cache_volume(desired: &Desired, observed: &Observed) -> Result<Option<VolumeName>, PlanError> {
    match &desired.settings.cache_volume {
        None => {
            // One that is set aside already is replaced in an earlier round of the same start.
            let kept = observed.owned_backend().filter(|_| desired.recreate);
            if let Some(name) = kept.and_then(|backend| backend.settings.cache_volume.clone()) {
                return Ok(Some(name));
            }
            let name = desired.user.cache_volume();
            Ok(observed.volumes.contains(&name).then_some(name))
        }
        Some(name) if observed.volumes.contains(name) => Ok(Some(name.clone())),
        Some(name) => Err(PlanError::NoSuchVolume { name: name.clone() }),
    }
}
