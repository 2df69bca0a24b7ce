//! What keeps a start from its end, and whose fault it is.

use std::time::Duration;

use crate::apply::{Failure, Made};
use crate::commands::{Session, observe};
use crate::engine::{Engine, EngineError};
use crate::observed::{Container, Observed, State};
use crate::ready::{Helpers, ReadyError, ready};

/// How long to look at a backend after something else failed, to tell whether that is its fault.
/// One that serves answers at the first question.
const POST_MORTEM_LIMIT: Duration = Duration::from_secs(10);

/// What keeps one round from its end.
#[expect(clippy::large_enum_variant, reason = "there is one of it, for a moment")]
pub(super) enum RoundError {
    /// A step of the plan failed.
    Step(Failure),
    /// Something will not serve.
    Wait(ReadyError),
}

impl RoundError {
    /// Whether somebody else's work may be the reason: a container that this run did not make and
    /// that ends or vanishes was perhaps about to be removed when it was looked at.
    pub(super) fn is_overtaken(&self, made: &[Made]) -> bool {
        match self {
            Self::Step(cause) => cause.is_overtaken(),
            Self::Wait(ReadyError::Ended(container)) => !made.iter().any(|made| made.is(&container.id)),
            Self::Wait(ReadyError::Gone(_)) => true,
            Self::Wait(_) => false,
        }
    }

    /// Traced back to the backend, if that has ended: sidecars cannot join its network, or live in
    /// it, then.
    pub(super) async fn traced<E: Engine>(
        self,
        session: Session<'_, E>,
        before: &Observed,
        made: &[Made],
    ) -> Self {
        let may_be = match &self {
            Self::Step(Failure::Engine(error)) => {
                !error.is_taken_name() && !matches!(error, EngineError::Unreachable { .. })
            }
            Self::Wait(ReadyError::Ended(container)) => container.name != session.user.backend(),
            Self::Step(Failure::Cancelled(_) | Failure::Dialer(_)) | Self::Wait(_) => false,
        };
        if !may_be {
            return self;
        }
        dead_backend(session, before, made).await.map_or(self, Self::Wait)
    }
}

/// Why the backend does not serve any more, if it ran before or was made by this run.
async fn dead_backend<E: Engine>(
    session: Session<'_, E>,
    before: &Observed,
    made: &[Made],
) -> Option<ReadyError> {
    let Session { engine, user, cancel, .. } = session;
    let is_aside =
        |old: &Container| made.iter().any(|made| matches!(made, Made::SetAside { id, .. } if *id == old.id));
    let lives = |old: &&Container| matches!(old.state, State::Running | State::Restarting) && !is_aside(old);
    let ran = before.backend.as_ref().filter(lives);
    let Some(backend) = observe::ours(engine, user).await.ok()?.backend else {
        return ran.map(|old| ReadyError::Gone(old.name.clone()));
    };
    if !made.iter().any(|made| made.is(&backend.id)) && ran.is_none_or(|old| old.id != backend.id) {
        return None;
    }
    let dead = ready(engine, &backend, Helpers::default(), POST_MORTEM_LIMIT, cancel).await.err()?;
    matches!(dead, ReadyError::Ended(_)).then_some(dead)
}
