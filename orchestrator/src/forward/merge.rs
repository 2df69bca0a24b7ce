//! All that lists ask for together.

use assemble_contract::{Port, Ports};
use explained::Explained;

use super::REGISTRY_PORT;
use super::asked::{Asked, Destination, Word};

/// How many forwards there may be, since each takes a container.
pub const MOST: usize = 128;

/// How many ports they may have in all: as many as one relay serves.
pub const MOST_PORTS: usize = assemble_contract::limits::PORTS;

/// Why lists do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum Conflict {
    /// 0 beside other ports.
    #[error("0 means no port at all and cannot stand beside others")]
    #[advice = "leave out one or the other"]
    NoneAndSome,
    /// One port inside was given two targets.
    #[error("port {port} has another target in \"{first}\" already")]
    #[advice = "leave one of them out"]
    Twice {
        /// The port.
        port: Port,
        /// The word that came first.
        first: String,
        /// The word that contradicts it.
        second: String,
    },
    /// The lists are too long.
    #[error("{many} forwards are too many: {most} at most, since each takes a container", most = MOST)]
    #[advice = "forward fewer ports, or ranges of them, which take one container each"]
    TooMany {
        /// How many there are.
        many: usize,
    },
    /// The ranges are too wide.
    #[error("{many} ports are too many to forward: {most} at most", most = MOST_PORTS)]
    #[advice = "forward fewer ports"]
    TooManyPorts {
        /// How many there are.
        many: usize,
    },
}

/// Everything that was asked for, in the order of the ports inside, none of which is in two of them:
/// `ports` of `--allow-host-port`, the usual one where it was not given and its place is free; `hosts` of
/// `--forward`; and `loopback` in place of the gateway where that was asked for all. What is asked for
/// twice is asked for by the wider of two, or by the first.
///
/// # Errors
/// A contradiction; the same twice is none.
pub fn merge(ports: Option<&[Word]>, hosts: &[Word], loopback: bool) -> Result<Vec<Asked>, Conflict> {
    let given = ports.unwrap_or_default();
    if given.iter().any(Word::is_none) && !given.iter().all(Word::is_none) {
        return Err(Conflict::NoneAndSome);
    }
    let host = |destination| match destination {
        Destination::Gateway if loopback => Destination::Loopback,
        other => other,
    };
    let mut merged: Vec<(Asked, &str)> = Vec::new();
    for (word, asked) in given.iter().chain(hosts).filter_map(|word| Some((word, word.asked.clone()?))) {
        let asked = Asked { destination: host(asked.destination), ..asked };
        for (before, first) in &merged {
            asked.beside([before]).map_err(|port| {
                let (first, second) = ((*first).to_owned(), word.text.clone());
                Conflict::Twice { port, first, second }
            })?;
        }
        merged.retain(|(before, _)| before.ports == asked.ports || asked.part(before.ports).is_none());
        let new = asked.beside(merged.iter().map(|(before, _)| before));
        merged.extend(new.into_iter().flatten().map(|new| (new, word.text.as_str())));
    }
    let mut all: Vec<_> = merged.into_iter().map(|(asked, _)| asked).collect();
    let usual = Ports::from(REGISTRY_PORT);
    if ports.is_none() && !all.iter().any(|asked| asked.ports.overlaps(usual)) {
        all.push(Asked { ports: usual, destination: host(Destination::Gateway), outside: usual });
    }
    all.sort_by_key(|asked| asked.ports);
    // Asked of the whole: the usual port takes a container too.
    limits(all.iter().map(|asked| asked.ports)).map_or(Ok(all), Err)
}

/// How many forwards are too many, or how many ports.
pub fn limits(forwards: impl Iterator<Item = Ports>) -> Option<Conflict> {
    let (many, ports) = forwards.fold((0, 0), |(many, sum), ports| (many + 1, sum + ports.count()));
    if many > MOST {
        Some(Conflict::TooMany { many })
    } else {
        (ports > MOST_PORTS).then_some(Conflict::TooManyPorts { many: ports })
    }
}
