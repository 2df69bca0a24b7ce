//! Failures that come from somebody else's work on the same containers.
//!
//! A command that was killed may have asked the engine for something that is carried out only
//! after the next command has looked; so may another command at the same time. What such a step
//! ran into is seen by looking again, and then planned for.

use std::time::Duration;

use super::Failure;
use crate::engine::EngineError;

/// How often a command looks at the engine and works towards its wish.
pub const ROUNDS: u32 = 4;

/// How long it waits before it looks again after so many rounds: requests in flight are carried out
/// meanwhile. Longer each time, as an engine that is slow for one is slow for all who work on the same.
#[must_use]
pub const fn pause(rounds: u32) -> Duration {
    Duration::from_secs(rounds as u64)
}

/// Words of the engine for containers that another request is just changing.
const BUSY: [&str; 4] = [
    "already in progress",
    "is marked for removal",
    "cannot join network of a non running container",
    // It began anew, or ended, while it was killed.
    "did not receive an exit event",
];

impl Failure {
    /// Whether a step may have failed because the engine's state is another one than what was
    /// seen before.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        let Self::Engine(error) = self else { return false };
        match error {
            // A registry that lacks an image says so too, and will go on.
            EngineError::NotFound { operation, .. } | EngineError::Conflict { operation, .. } => {
                operation.verb != crate::engine::PULL
            }
            EngineError::Refused { message, .. } => BUSY.iter().any(|words| message.contains(words)),
            EngineError::Unreachable { .. }
            | EngineError::Timeout { .. }
            | EngineError::PrivilegesRefused { .. }
            | EngineError::Broken { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Operation;

    #[test]
    fn only_what_may_have_changed_is_looked_at_again() {
        let operation = |verb| Operation { verb, object: "x".to_owned() };
        let message = String::new;
        let conflict = EngineError::Conflict { operation: operation("create container"), message: message() };
        let missing = |verb| EngineError::NotFound { operation: operation(verb), message: message() };
        let refused = |words: &str| EngineError::Refused {
            operation: operation("remove container"),
            status: 500,
            message: words.to_owned(),
        };
        for (error, expected) in [
            (conflict, true),
            (missing("start container"), true),
            (missing(crate::engine::PULL), false),
            (refused("removal of container x is already in progress"), true),
            (refused("tried to kill container, but did not receive an exit event"), true),
            (refused("no space left on device"), false),
        ] {
            let words = error.to_string();
            assert_eq!(Failure::Engine(error).is_overtaken(), expected, "{words}");
        }
        assert!(
            !Failure::from(crate::cancelled::Cancelled(docker_plugin::cancel::Cause::Interrupt))
                .is_overtaken()
        );
    }
}
