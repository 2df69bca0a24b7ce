//! Why there is no target, and why one is not reached.

use std::io;
use std::net::SocketAddr;

use assemble_contract::{Outcome, Ports, Target};
use explained::Explained;

use crate::connect::ConnectError;
use crate::dialer::DialerError;
use crate::resolve::Unresolved;

/// Why there is nothing to forward to.
#[derive(Debug, thiserror::Error, Explained)]
pub enum UpstreamError {
    /// The container is in no network, or is not up yet.
    #[error("no default route in this network namespace: no gateway to forward port {port} to")]
    #[advice = "`--to` an address, or `--wait-for-gateway`"]
    NoGateway { port: Ports },
    /// `/proc/net` is missing.
    #[error("cannot read the routing tables: no gateway to forward port {port} to")]
    #[advice = "mount it, or `--to` an address"]
    Routes { port: Ports, source: io::Error },
    /// The target is the relay.
    #[error("port {port} would be forwarded to itself: \"{target}\" is where this relay listens")]
    #[advice = "another target"]
    Itself { port: Ports, target: Target },
    /// One without the other.
    #[error(
        "\"{target}\" and --dialer go together only: \"loopback\" needs a dialer, and no other target has one"
    )]
    #[advice = "give both or neither"]
    Dialer { target: Target },
    /// `--to` has a name, and one of these files may not be read.
    #[error("cannot look up \"{target}\": cannot read /etc/hosts and /etc/resolv.conf")]
    #[advice = "correct the rights of the files, or `--to` an address"]
    Names { target: Target, source: io::Error },
    /// `--fallback` beside another kind of `--to`.
    #[error("--fallback is for a target that has a name, and \"{target}\" has none")]
    #[advice = "leave one of them out"]
    Fallback { target: Target },
    /// The container it belongs to has ended: all interfaces but loopback are gone.
    #[error("the network namespace has lost its interfaces: port {port} leads nowhere")]
    #[advice = "start it again there, as a restart policy does"]
    NamespaceGone { port: Ports },
    /// `--owner-socket` is no longer listened on: the container has ended, and the engine was down then,
    /// so that nobody took its interfaces away (`live-restore`).
    #[error("nobody listens on \"{socket}\" in this network namespace any more: port {port} serves nobody")]
    #[advice = "start it again there, as a restart policy does"]
    OwnerGone { port: Ports, socket: String },
}

/// Why a connection to the target was not made.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "log"]
pub enum DialError {
    /// The client gave up while the target was dialled.
    #[error("the client went away: {error}", error = .0)]
    #[advice = "nothing"]
    ClientGone(io::Error),
    /// The gateway has gone.
    #[error("no default route")]
    #[advice = "look at the container's network"]
    NoGateway,
    /// The target's name leads to the relay itself.
    #[error("\"{address}\" is where this relay listens", address = .0)]
    #[advice = "correct the name's record, or another target"]
    Itself(SocketAddr),
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// The dialer that was to help is not there, refuses, or answers nonsense.
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
