//! Forwards as a person asks for them: `5000`, `5000:5001`, `8000-8010@loopback`,
//! `5432=db.internal:5432`.

use std::net::IpAddr;

use assemble_contract::ports::PortsError;
use assemble_contract::{HostName, Port, Ports};
use docker_plugin::authority::Authority;

pub use super::list_error::ListError;
use super::{Forward, Target, in_step};

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
    /// The ports inside.
    pub ports: Ports,
    /// Where they lead.
    pub destination: Destination,
    /// The ports there, as many.
    pub outside: Ports,
}

impl Asked {
    /// Whether they are ports of the host with the same numbers.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.destination == Destination::Gateway && self.ports == self.outside
    }

    /// What asks for the same of some of its ports.
    #[must_use]
    pub fn part(&self, ports: Ports) -> Option<Self> {
        let outside = ports.moved_to(in_step(self.ports, ports.first(), self.outside.first())?)?;
        let is_part = self.ports.common(ports) == Some(ports);
        is_part.then(|| Self { ports, outside, destination: self.destination.clone() })
    }

    /// What of it is not among these, which may be asked for by now.
    ///
    /// # Errors
    /// The first port that one of these leads somewhere else.
    pub fn beside<'a>(&self, there: impl IntoIterator<Item = &'a Self>) -> Result<Vec<Self>, Port> {
        let mut rest = vec![self.ports];
        for other in there {
            let Some(both) = self.ports.common(other.ports) else { continue };
            if self.part(both) != other.part(both) {
                return Err(both.first());
            }
            rest = rest.into_iter().flat_map(|ports| ports.without(both)).collect();
        }
        Ok(rest.into_iter().filter_map(|ports| self.part(ports)).collect())
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
        Self { ports: forward.ports, destination, outside: forward.outside() }
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
        let port = self.outside.first();
        let target = match &self.destination {
            Destination::Gateway => Target::Gateway { port },
            Destination::Loopback => Target::Loopback { port },
            Destination::Host(name) => match lookup(name)? {
                Known::Fixed(addr) => Target::Host { name: name.clone(), addr, port },
                Known::Followed(name, fallback) => Target::Name { name, fallback, port },
            },
        };
        Some(Forward { ports: self.ports, target })
    }
}

/// One word of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it was written.
    pub text: String,
    /// What it asks for; nothing for the `0` that means no port.
    pub(super) asked: Option<Asked>,
}

impl Word {
    /// Whether it is the `0` that means no port.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.asked.is_none()
    }

    /// What it asks for; nothing for the `0` that means no port.
    #[must_use]
    pub const fn asked(&self) -> Option<&Asked> {
        self.asked.as_ref()
    }

    /// The ports inside.
    #[must_use]
    pub fn inside(&self) -> Option<Ports> {
        self.asked.as_ref().map(|asked| asked.ports)
    }
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
        return Ok(Word { text: text.to_owned(), asked: None });
    }
    let (ports, destination) = match text.split_once('@') {
        None => (text, Destination::Gateway),
        Some((ports, "loopback")) => (ports, Destination::Loopback),
        Some((_, place)) => {
            return Err(ListError::Destination { place: place.to_owned(), word: text.to_owned() });
        }
    };
    let (inside, outside) = ports.split_once(':').unwrap_or((ports, ports));
    let read = |ports| row(ports, || ListError::Ports { word: text.to_owned() });
    word(text, read(inside)?, destination, read(outside)?)
}

/// Ports in a row; `why` is what is wrong with anything else.
fn row(text: &str, why: impl FnOnce() -> ListError) -> Result<Ports, ListError> {
    text.parse().map_err(|error| match error {
        PortsError::Word(_) => why(),
        backwards @ PortsError::Backwards { .. } => ListError::Backwards { backwards },
    })
}

fn word(text: &str, ports: Ports, destination: Destination, outside: Ports) -> Result<Word, ListError> {
    let text = text.to_owned();
    if ports.count() != outside.count() {
        return Err(ListError::Lengths { word: text });
    }
    Ok(Word { text, asked: Some(Asked { ports, destination, outside }) })
}

/// Ports as `--allow-host-port` has them.
#[must_use]
pub fn mapped(ports: Ports, outside: Ports) -> String {
    if ports == outside { ports.to_string() } else { format!("{ports}:{outside}") }
}

/// Reads a list of `PORT=HOST:PORT` and `PORT=HOST`, of ports in a row too.
///
/// # Errors
/// The word that is not like that, and hosts that mean the relay's own network.
pub fn hosts(text: &str) -> Result<Vec<Word>, ListError> {
    text.split(',').map(|word| host_word(word.trim())).collect()
}

fn host_word(text: &str) -> Result<Word, ListError> {
    let why = || ListError::Hosts { word: text.to_owned() };
    let (ports, target) = text.split_once('=').ok_or_else(why)?;
    let ports = row(ports, why)?;
    let (name, outside) = match target.rsplit_once(':') {
        // No authority has several ports.
        Some((host, range)) if range.contains('-') => {
            let Authority { host, port: None } = host.parse().map_err(|_| why())? else { return Err(why()) };
            (host, row(range, why)?)
        }
        _ => {
            let Authority { host, port } = target.parse().map_err(|_| why())?;
            let outside =
                port.map_or(Some(ports), |port| Port::new(port).map(Ports::from)).ok_or_else(why)?;
            (host, outside)
        }
    };
    let addr = name.parse::<IpAddr>().ok();
    // A user's name, which an authority may have, says nothing here.
    if target.contains('@') || (addr.is_none() && !is_name(&name)) {
        return Err(why());
    }
    if is_own(&name) {
        return Err(ListError::Own { host: name, mapped: mapped(ports, outside) });
    }
    // One spelling for an address, however it was written.
    let name = addr.map_or(name, |addr| addr.to_string());
    word(text, ports, Destination::Host(name), outside)
}

/// Letters, digits and what hosts' names have between them: nothing that a label, an option or
/// an error would be misread for.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && text.bytes().all(inner)
}

pub(super) fn is_own(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_own_address)
}

/// Whether an address means the network of whoever uses it.
#[must_use]
pub fn is_own_address(addr: IpAddr) -> bool {
    let addr = addr.to_canonical();
    addr.is_loopback() || addr.is_unspecified()
}
