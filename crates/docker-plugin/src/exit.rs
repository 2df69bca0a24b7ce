//! What the exit status says. The docker command passes it on as its own.

use std::process::ExitCode;

use crate::cancel::Cause;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, nothing to do, or a question answered with no.
    Success,
    /// 1: anything that failed, a wrong command or argument among it.
    Failure,
    /// 64: a template for the output that cannot be understood, where docker says so too.
    Template,
    /// 125: an option that is unknown or has a bad value.
    Usage,
    /// 128 and the signal's number: 130 for Ctrl-C or when the docker command ended, 143 for
    /// SIGTERM.
    Cancelled(Cause),
}

impl Exit {
    /// The status itself.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Template => 64,
            Self::Usage => 125,
            Self::Cancelled(Cause::Interrupt | Cause::Parent) => 130,
            Self::Cancelled(Cause::Terminate) => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
