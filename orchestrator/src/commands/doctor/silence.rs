//! An engine that has answered and falls silent: BuildKit and the sidecars are asked through it, and it is not for
//! them to be blamed.

use std::time::Duration;

use explained::Explained;
use tokio::time::timeout;

use super::facts::{Facts, Unanswered};
use crate::commands::health::Examined;
use crate::desired::UserName;
use crate::engine::{Engine, EngineError, Operation};
use crate::health::Answer;

/// The silence that an engine may have fallen into.
pub(super) struct Silence<'a, E> {
    pub(super) engine: &'a E,
    pub(super) user: &'a UserName,
    /// How long it has for an answer.
    pub(super) limit: Duration,
}

impl<E: Engine> Silence<'_, E> {
    /// What there is to say of it.
    pub(super) fn words(&self) -> Unanswered {
        let endpoint = self.engine.endpoint().to_owned();
        let operation = Operation { verb: "look at the backend", object: String::new() };
        EngineError::Timeout { endpoint, operation, seconds: self.limit.as_secs() }.into()
    }

    /// Whether something has not answered that is asked through the engine.
    pub(super) fn may_be_in(&self, facts: &Facts) -> bool {
        matches!(facts.daemon, Some(Err(Unanswered::Late { .. }))) || facts.forwards.iter().any(is_late)
    }

    /// Whether the engine does not even tell of a container.
    pub(super) async fn is_there(&self) -> bool {
        let asked = timeout(self.limit, self.engine.container(&self.user.backend())).await;
        matches!(asked, Err(_) | Ok(Err(EngineError::Timeout { .. })))
    }

    /// Lays it on the engine that they have not answered.
    pub(super) fn tell(&self, facts: &mut Facts) {
        let words = self.words();
        if let Some(asked @ Err(Unanswered::Late { .. })) = &mut facts.daemon {
            *asked = Err(words.clone());
        }
        for forward in facts.forwards.iter_mut().filter(|forward| is_late(forward)) {
            let (why, help) = (words.to_string(), words.advice().unwrap_or_default());
            forward.answer = Some(Answer::Refused { why, help });
        }
    }
}

fn is_late(forward: &Examined) -> bool {
    matches!(forward.answer, Some(Answer::Silent(_)))
}
