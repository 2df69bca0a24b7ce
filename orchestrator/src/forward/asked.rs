//! Forwards as a person asks for them: `5000`, `5000:5001`, `8000-8010@loopback`,
//! `5432=db.internal:5432`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use assemble_contract::{HostName, Port};
use docker_plugin::authority::Authority;
use explained::Explained;

use super::{Forward, REGISTRY_PORT, Target};

/// How many ports may be forwarded in all, since each takes a container.
pub const MOST: usize = 128;

/// Where a forward leads; a name has not been looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The gateway of the backend's network.
    Gateway,
    /// The host's loopback.
    Loopback,
    /// A host by its name or address.
    Host(String),
}

/// One forward that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The port inside.
    pub port: Port,
    /// Where it leads.
    pub destination: Destination,
    /// The port there.
    pub outside: Port,
}

impl Asked {
    /// Whether it is a port of the host with the same number.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.destination == Destination::Gateway && self.port == self.outside
    }
}

/// What asks for a forward.
impl From<&Forward> for Asked {
    fn from(forward: &Forward) -> Self {
        let destination = match &forward.target {
            Target::Gateway { .. } => Destination::Gateway,
            Target::Loopback { .. } => Destination::Loopback,
            Target::Host { name, .. } => Destination::Host(name.clone()),
            Target::Name { name, .. } => Destination::Host(name.to_string()),
        };
        Self { port: forward.port, destination, outside: forward.target.port() }
    }
}

/// What is known of a host when a forward to it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its address, which stays.
    Fixed(IpAddr),
    /// Its name, which is to be followed, and what it means now to who asks for the forward.
    Followed(HostName, Option<IpAddr>),
}

impl Asked {
    /// The forward, with what `lookup` knows of a host; `None` where it knows nothing.
    pub fn with(&self, lookup: impl FnOnce(&str) -> Option<Known>) -> Option<Forward> {
        let port = self.outside;
        let target = match &self.destination {
            Destination::Gateway => Target::Gateway { port },
            Destination::Loopback => Target::Loopback { port },
            Destination::Host(name) => match lookup(name)? {
                Known::Fixed(addr) => Target::Host { name: name.clone(), addr, port },
                Known::Followed(name, fallback) => Target::Name { name, fallback, port },
            },
        };
        Some(Forward { port: self.port, target })
    }
}

/// One word of a list with all the forwards that it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it was written.
    pub text: String,
    forwards: Vec<Asked>,
}

impl Word {
    /// Whether it is the `0` that means no port.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.forwards.is_empty()
    }

    /// The ports inside.
    pub fn inside(&self) -> impl Iterator<Item = Port> {
        self.forwards.iter().map(|asked| asked.port)
    }
}

/// What is wrong with a word of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum ListError {
    /// `--allow-host-port` with something else in its list.
    #[error(
        "\"{word}\" is not a port (1 to 65535, or 0 alone for none), nor INSIDE:OUTSIDE or a range \
         FIRST-LAST of them"
    )]
    #[advice = "correct the list"]
    Ports {
        /// As it was written.
        word: String,
    },
    /// `port add` and `port rm` with the word for no port.
    #[error("0 is no port that can be added or removed")]
    #[advice = "`start --allow-host-port 0` forwards nothing"]
    Zero,
    /// There is no such place.
    #[error("\"@{place}\" in \"{word}\" is not \"@loopback\"")]
    #[advice = "write `@loopback`, or use `--forward` for another host"]
    Destination {
        /// What stands behind the `@`.
        place: String,
        /// As it was written.
        word: String,
    },
    /// `8000-8010:9000-9005`, for example.
    #[error("the two ranges of \"{word}\" are not of one length")]
    #[advice = "make them equally long"]
    Lengths {
        /// As it was written.
        word: String,
    },
    /// `--forward` with something else in its list.
    #[error("\"{word}\" is not PORT=HOST:PORT, as 5432=db.internal:5432")]
    #[advice = "correct the list"]
    Hosts {
        /// As it was written.
        word: String,
    },
    /// `--forward` to `localhost` or a loopback address.
    #[error(
        "\"{host}\" would be the relay's own network; '--allow-host-port {mapped}@loopback' reaches the \
         host's loopback"
    )]
    #[advice = "use that option"]
    Own {
        /// As it was written.
        host: String,
        /// The ports, as that option has them.
        mapped: String,
    },
}

/// Reads a list of `PORT`, `FIRST-LAST`, either with `:OUTSIDE`, with `@loopback` or with both;
/// `0` stands for no port at all.
///
/// # Errors
/// The word that is none of these.
pub fn ports(text: &str) -> Result<Vec<Word>, ListError> {
    text.split(',').map(|word| port_word(word.trim())).collect()
}

/// Reads a list of words of both kinds, each of which has to be a port.
///
/// # Errors
/// Those of [`ports`] and [`hosts`], and `0`.
pub fn some(text: &str) -> Result<Vec<Word>, ListError> {
    let read = |text: &str| match text.trim() {
        "0" => Err(ListError::Zero),
        word if word.contains('=') => host_word(word),
        word => port_word(word),
    };
    text.split(',').map(read).collect()
}

fn port_word(text: &str) -> Result<Word, ListError> {
    if text == "0" {
        return Ok(Word { text: text.to_owned(), forwards: Vec::new() });
    }
    let (ports, destination) = match text.split_once('@') {
        None => (text, Destination::Gateway),
        Some((ports, "loopback")) => (ports, Destination::Loopback),
        Some((_, place)) => {
            return Err(ListError::Destination { place: place.to_owned(), word: text.to_owned() });
        }
    };
    let (inside, outside) = ports.split_once(':').unwrap_or((ports, ports));
    let (Some(inside), Some(outside)) = (range(inside), range(outside)) else {
        return Err(ListError::Ports { word: text.to_owned() });
    };
    if inside.clone().count() != outside.clone().count() {
        return Err(ListError::Lengths { word: text.to_owned() });
    }
    let forward = |(port, outside)| {
        Some(Asked { port: Port::new(port)?, destination: destination.clone(), outside: Port::new(outside)? })
    };
    Ok(Word { text: text.to_owned(), forwards: inside.zip(outside).filter_map(forward).collect() })
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (Port::parse(first)?.get(), Port::parse(last)?.get());
    (first <= last).then_some(first..=last)
}

/// Two ports as `--allow-host-port` has them.
#[must_use]
pub fn mapped(port: Port, outside: Port) -> String {
    if port == outside { port.to_string() } else { format!("{port}:{outside}") }
}

/// Reads a list of `PORT=HOST:PORT` and `PORT=HOST`.
///
/// # Errors
/// The word that is not like that, and hosts that mean the relay's own network.
pub fn hosts(text: &str) -> Result<Vec<Word>, ListError> {
    text.split(',').map(|word| host_word(word.trim())).collect()
}

fn host_word(text: &str) -> Result<Word, ListError> {
    let why = || ListError::Hosts { word: text.to_owned() };
    let (port, target) = text.split_once('=').ok_or_else(why)?;
    let port = Port::parse(port).ok_or_else(why)?;
    let Authority { host: name, port: outside } = target.parse().map_err(|_| why())?;
    let outside = outside.map_or(Some(port), Port::new).ok_or_else(why)?;
    let addr = name.parse::<IpAddr>().ok();
    // A user's name, which an authority may have, says nothing here.
    if target.contains('@') || (addr.is_none() && !is_name(&name)) {
        return Err(why());
    }
    if is_own(&name) {
        return Err(ListError::Own { host: name, mapped: mapped(port, outside) });
    }
    // One spelling for an address, however it was written.
    let name = addr.map_or(name, |addr| addr.to_string());
    let forward = Asked { port, destination: Destination::Host(name), outside };
    Ok(Word { text: text.to_owned(), forwards: vec![forward] })
}

/// Letters, digits and what hosts' names have between them: nothing that a label, an option or
/// an error would be misread for.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && text.bytes().all(inner)
}

fn is_own(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_own_address)
}

/// Whether an address means the network of whoever uses it.
#[must_use]
pub fn is_own_address(addr: IpAddr) -> bool {
    let addr = addr.to_canonical();
    addr.is_loopback() || addr.is_unspecified()
}

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
    /// The ranges are too wide.
    #[error(
        "conflicting options: {many} ports to forward, of at most {most}, since each takes a container",
        most = MOST
    )]
    #[advice = "forward fewer ports"]
    TooMany {
        /// How many there are.
        many: usize,
    },
}

/// Everything that was asked for, by port inside: `ports` of `--allow-host-port`, the usual one
/// where it was not given and its place is free; `hosts` of `--forward`; and `loopback` in place of
/// the gateway where that was asked for all.
///
/// # Errors
/// A contradiction; the same twice is none.
pub fn merge(ports: Option<&[Word]>, hosts: &[Word], loopback: bool) -> Result<Vec<Asked>, Conflict> {
    let given = ports.unwrap_or_default();
    if given.iter().any(Word::is_none) && !given.iter().all(Word::is_none) {
        return Err(Conflict::NoneAndSome);
    }
    let mut merged: BTreeMap<Port, (Asked, &str)> = BTreeMap::new();
    for word in given.iter().chain(hosts) {
        for asked in &word.forwards {
            let mut asked = asked.clone();
            if loopback && asked.destination == Destination::Gateway {
                asked.destination = Destination::Loopback;
            }
            let (before, first) = merged.entry(asked.port).or_insert_with(|| (asked.clone(), &word.text));
            if *before != asked {
                let (first, second) = ((*first).to_owned(), word.text.clone());
                return Err(Conflict::Twice { port: asked.port, first, second });
            }
        }
    }
    let mut all: BTreeMap<Port, Asked> = merged.into_iter().map(|(port, (asked, _))| (port, asked)).collect();
    if ports.is_none() {
        let destination = if loopback { Destination::Loopback } else { Destination::Gateway };
        let usual = REGISTRY_PORT;
        all.entry(usual).or_insert(Asked { port: usual, destination, outside: usual });
    }
    // Asked of the whole: the usual port takes a container too.
    if all.len() > MOST {
        return Err(Conflict::TooMany { many: all.len() });
    }
    Ok(all.into_values().collect())
}

#[cfg(test)]
#[path = "asked_tests.rs"]
mod tests;
