//! The network that a start has named. Pure.

use explained::Explained;

use crate::engine::Network;

/// What is the matter with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "fail"]
pub enum NetworkTrouble {
    /// Somebody removed it; a backend that is stopped does not come up again.
    #[error("\"{name}\", which the backend was made for, is gone")]
    #[advice(
        "'docker network create {name}' makes it again, '{start} --network bridge --recreate' does without it"
    )]
    Gone { name: String, start: String },
    /// It was made with `--internal` and has no gateway: builds reach neither registries nor the host.
    #[error("\"{name}\" is internal, so that nothing outside of it is reached")]
    #[advice("'{start} --network NAME --recreate' takes another")]
    Internal { name: String, start: String },
}

/// Looks for the network of this name. `start` is the command that keeps all forwards.
pub(in crate::commands::doctor) fn network(
    name: &str,
    known: &[Network],
    start: &str,
) -> Option<NetworkTrouble> {
    let (own, start) = (name.to_owned(), start.to_owned());
    match known.iter().find(|network| network.is(name)) {
        None => Some(NetworkTrouble::Gone { name: own, start }),
        Some(network) if network.internal => Some(NetworkTrouble::Internal { name: own, start }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_are_gone_or_lead_nowhere_are_told() {
        let of =
            |name: &str, internal| Network { name: name.to_owned(), id: format!("id-of-{name}"), internal };
        let known = [of("builds", false), of("inner", true)];
        let told = |name| network(name, &known, "START").map(|trouble| trouble.to_string());
        assert_eq!(told("builds"), None);
        assert_eq!(told("id-of-b"), None);
        assert!(told("inner").unwrap().contains("\"inner\" is internal"));
        assert!(told("other").unwrap().contains("is gone"));
    }
}
