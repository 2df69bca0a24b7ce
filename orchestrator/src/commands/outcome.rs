//! How a command ends: what is said of an error, and the exit status.

use std::process::ExitCode;

use anyhow::Result;
use docker_plugin::exit::Exit;
use docker_plugin::output::causes;

use super::{BadVariable, Cancelled};
use crate::engine::EngineError;

/// How a process with this error ends.
#[must_use]
pub fn exit(error: &anyhow::Error) -> Exit {
    if error.is::<BadVariable>() {
        return Exit::Usage;
    }
    error.downcast_ref::<Cancelled>().map_or(Exit::Failure, |cancelled| Exit::Cancelled(cancelled.0))
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
    if let Some(hint) = error.chain().find_map(|cause| cause.downcast_ref::<EngineError>()?.hint()) {
        line.push_str("; ");
        line.push_str(&hint.to_string());
    }
    line
}
