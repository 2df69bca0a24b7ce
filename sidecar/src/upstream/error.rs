//! Why a target is not reached.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use assemble_contract::Outcome;

use crate::connect::ConnectError;
use crate::dialer::DialerError;
use crate::resolve::Unresolved;

/// Why a connection to the target was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The client broke its connection meanwhile.
    #[error("the client went away: {0}")]
    ClientGone(io::Error),
    /// The namespace has no gateway now.
    #[error("no default route")]
    NoGateway,
    /// The target's name means the port that the relay itself listens on.
    #[error("\"{0}\" is where this relay listens")]
    Itself(SocketAddr),
    /// The target's name has no address.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// The dialer that was to connect is not there, refuses, or answers nonsense.
    #[error(transparent)]
    Dialer(DialerError),
    /// The attempt failed, here or where the dialer is.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl From<DialerError> for DialError {
    fn from(error: DialerError) -> Self {
        match error {
            DialerError::Connect(error) => Self::Connect(error),
            error => Self::Dialer(error),
        }
    }
}

impl DialError {
    /// No answer within this time.
    pub(super) const fn timed_out(limit: Duration) -> Self {
        Self::Connect(ConnectError::TimedOut(limit))
    }

    /// The failure in one word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::ClientGone(_) => Outcome::ClientGone,
            Self::NoGateway => Outcome::NoGateway,
            Self::Itself(_) => Outcome::Loop,
            Self::Unresolved(Unresolved::NoSuchName(_)) => Outcome::NoSuchName,
            Self::Unresolved(Unresolved::NoAnswer { .. }) => Outcome::NameService,
            Self::Dialer(_) => Outcome::Dialer,
            Self::Connect(error) => error.outcome(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_word() {
        let name = || "db".parse().unwrap();
        let refused = || ConnectError::Io(io::ErrorKind::ConnectionRefused.into());
        let table: [(DialError, Outcome); 8] = [
            (DialError::ClientGone(io::ErrorKind::ConnectionReset.into()), Outcome::ClientGone),
            (DialError::NoGateway, Outcome::NoGateway),
            (DialError::Itself(([127, 0, 0, 1], 1).into()), Outcome::Loop),
            (Unresolved::NoSuchName(name()).into(), Outcome::NoSuchName),
            (Unresolved::NoAnswer { name: name(), why: String::new() }.into(), Outcome::NameService),
            (DialerError::Nonsense.into(), Outcome::Dialer),
            (DialerError::Connect(refused()).into(), Outcome::Refused),
            (refused().into(), Outcome::Refused),
        ];
        for (error, outcome) in table {
            assert_eq!(error.outcome(), outcome, "{error}");
        }
    }
}
