//! How a command ends: what is said of an error, and the exit status.

use std::process::ExitCode;

use anyhow::Result;
use docker_plugin::exit::Exit;
use docker_plugin::output::causes;
use explained::Explained;

use super::start::{FileError, NameError, StartError};
use super::{BadVariable, Cancelled};
use crate::buildkit::BuildkitError;
use crate::engine::EngineError;
use crate::plan::PlanError;
use crate::spec::daemon::ConfigError;

/// How a process with this error ends.
#[must_use]
pub fn exit(error: &anyhow::Error) -> Exit {
    if is_usage::<BadVariable>(error)
        || is_usage::<ConfigError>(error)
        || is_usage::<FileError>(error)
        || is_usage::<NameError>(error)
        || is_usage::<PlanError>(error)
        || is_usage::<StartError>(error)
    {
        return Exit::Usage;
    }
    error.downcast_ref::<Cancelled>().map_or(Exit::Failure, |cancelled| Exit::Cancelled(cancelled.0))
}

/// Whether it is one of this type that lays the blame on a value of an option.
fn is_usage<E: std::error::Error + Explained + Send + Sync + 'static>(error: &anyhow::Error) -> bool {
    let explanation = error.downcast_ref::<E>().and_then(Explained::explanation);
    explanation.is_some_and(|explanation| explanation.status == "125")
}

/// The status of a command that ended this way.
#[must_use]
pub fn status(result: &Result<()>) -> ExitCode {
    result.as_ref().map_or_else(exit, |()| Exit::Success).into()
}

/// The chain of causes in one line, with what may help.
#[must_use]
pub fn explain(error: &anyhow::Error) -> String {
    let mut line = causes(error.as_ref());
    let hint = error.chain().find_map(|cause| match cause.downcast_ref() {
        // It has the words of what is within, and the causes of that.
        Some(BuildkitError::Engine(within)) => within.hint(),
        _ => cause.downcast_ref::<EngineError>()?.hint(),
    });
    if let Some(hint) = hint {
        line.push_str("; ");
        line.push_str(&hint.to_string());
    }
    line
}
