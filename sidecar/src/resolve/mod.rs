//! Names to addresses, as the files of this namespace say: `/etc/hosts` first, then the name
//! servers of `/etc/resolv.conf`.
//!
//! The system's own resolver is not used: a static program cannot have it, it opens files for
//! each question, and it does not tell for how long an answer holds.

pub mod conf;
pub mod exchange;
pub mod hosts;
pub mod message;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::time::Duration;

use explained::Explained;
use tokio::time::timeout;

use crate::sys::KeptFile;
use assemble_contract::HostName;
use conf::Conf;
use message::{Family, Question, Reply};

/// Addresses of a name, IPv6 and IPv4 in turn, and for how long they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// At least one.
    pub addrs: Vec<IpAddr>,
    /// How long they may be used without another question.
    pub ttl: Duration,
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "log"]
pub enum Unresolved {
    /// Neither `/etc/hosts` nor the name servers of the relay's namespace know the target's name.
    #[error("no such name: \"{name}\"", name = .0)]
    #[advice = "correct the name, or start the service that has it"]
    NoSuchName(HostName),
    /// The name servers of the relay's namespace do not answer, or fail.
    #[error("the name service does not tell the address of \"{name}\": {why}")]
    #[advice = "see to the servers in its `/etc/resolv.conf`"]
    NoAnswer {
        name: HostName,
        /// What each server did, in a few words.
        why: String,
    },
}

/// What comes of one whole name.
enum Lookup {
    Found(Found),
    NoSuchName,
    /// A server says that it cannot tell.
    Failed(String),
    /// No server says anything.
    Silent(String),
}

/// A resolver for the files that this process found at its start.
///
/// They stay open and are read again for each question, so that what is written into them counts.
/// Engines and clusters do that to the files of a container, which are mounts of their own; a file
/// that is replaced by another of the same name is not seen.
#[derive(Debug)]
pub struct Resolver {
    hosts: KeptFile,
    conf: KeptFile,
}

/// How long what stands in the file of hosts is believed.
const HOSTS_TTL: Duration = Duration::from_secs(5);

/// How long the addresses of one family wait for those of the other. RFC 8305 has 50 ms; who waits
/// here is the question and not yet a connection.
const OTHER_FAMILY: Duration = Duration::from_millis(500);

impl Resolver {
    /// Opens the files.
    ///
    /// # Errors
    /// One is there and cannot be opened.
    pub fn open() -> std::io::Result<Self> {
        Ok(Self { hosts: KeptFile::open("/etc/hosts")?, conf: KeptFile::open("/etc/resolv.conf")? })
    }

    /// Looks a name up. Needs a runtime.
    ///
    /// # Errors
    /// There is no such name, or nobody who tells.
    pub async fn look_up(&self, name: &HostName) -> Result<Found, Unresolved> {
        if name.is_localhost() {
            let addrs = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
            return Ok(Found { addrs, ttl: Duration::MAX });
        }
        let unreadable =
            |error: std::io::Error| Unresolved::NoAnswer { name: name.clone(), why: error.to_string() };
        let addrs = hosts::find(&self.hosts.read().map_err(unreadable)?, name.relative());
        if !addrs.is_empty() {
            return Ok(Found { addrs, ttl: HOSTS_TTL });
        }
        if name.is_invalid() {
            return Err(Unresolved::NoSuchName(name.clone()));
        }
        let conf = Conf::read(&self.conf.read().map_err(unreadable)?);
        let mut failed = None;
        for whole in conf.candidates(name) {
            match look_up_whole(&conf, &whole).await {
                Lookup::Found(found) => return Ok(found),
                Lookup::NoSuchName => {}
                // As some do for names in a domain that they do not know.
                Lookup::Failed(why) => failed = failed.or(Some(why)),
                Lookup::Silent(why) => return Err(Unresolved::NoAnswer { name: name.clone(), why }),
            }
        }
        Err(match failed {
            None => Unresolved::NoSuchName(name.clone()),
            Some(why) => Unresolved::NoAnswer { name: name.clone(), why },
        })
    }
}

/// Asks for both families at once.
async fn look_up_whole(conf: &Conf, whole: &str) -> Lookup {
    let (mut v6, mut v4) = (pin!(ask(conf, whole, Family::V6)), pin!(ask(conf, whole, Family::V4)));
    let (mut six, mut four) = (None, None);
    while six.is_none() || four.is_none() {
        let has_address = [&six, &four].into_iter().flatten().any(Answer::has_address);
        tokio::select! {
            answer = &mut v6, if six.is_none() => six = Some(answer),
            answer = &mut v4, if four.is_none() => four = Some(answer),
            () = tokio::time::sleep(OTHER_FAMILY), if has_address => break,
        }
    }
    together(six, four)
}

/// What the servers make of one question.
enum Answer {
    Addresses(Vec<IpAddr>, Duration),
    NoSuchName,
    Failed(String),
    Silent(String),
}

impl Answer {
    fn has_address(&self) -> bool {
        matches!(self, Self::Addresses(addrs, _) if !addrs.is_empty())
    }
}

/// The addresses of both families in turn, IPv6 first (RFC 8305, 4).
fn together(six: Option<Answer>, four: Option<Answer>) -> Lookup {
    let (mut v6, mut v4) = (Vec::new().into_iter(), Vec::new().into_iter());
    let (mut ttl, mut bad, mut unknown) = (Duration::MAX, None, false);
    for (answer, into) in [(six, &mut v6), (four, &mut v4)] {
        match answer {
            Some(Answer::Addresses(addrs, holds)) if !addrs.is_empty() => {
                ttl = ttl.min(holds);
                *into = addrs.into_iter();
            }
            Some(Answer::NoSuchName) => unknown = true,
            Some(Answer::Failed(why)) => bad = Some(Lookup::Failed(why)),
            Some(Answer::Silent(why)) => bad = Some(Lookup::Silent(why)),
            Some(Answer::Addresses(..)) | None => {}
        }
    }
    let mut addrs = Vec::new();
    while v6.len() + v4.len() > 0 {
        addrs.extend(v6.next().into_iter().chain(v4.next()));
    }
    match bad {
        _ if !addrs.is_empty() => Lookup::Found(Found { addrs, ttl }),
        Some(bad) if !unknown => bad,
        _ => Lookup::NoSuchName,
    }
}

/// Asks one server after the other until one answers.
async fn ask(conf: &Conf, whole: &str, family: Family) -> Answer {
    let mut failed = None;
    let mut silent = String::new();
    for server in (0..conf.attempts).flat_map(|_| &conf.servers) {
        let Some(question) = random().and_then(|id| Question::new(whole, family, id)) else {
            return Answer::NoSuchName;
        };
        match timeout(conf.timeout, exchange::ask(*server, &question, conf.tcp)).await {
            Ok(Ok(Reply::Addresses(addrs, ttl))) => return Answer::Addresses(addrs, ttl),
            Ok(Ok(Reply::NoSuchName)) => return Answer::NoSuchName,
            Ok(Ok(Reply::Failed(code))) => failed = Some(format!("{} says {code}", server.ip())),
            Ok(Ok(Reply::Truncated)) => {}
            Ok(Err(error)) => silent = format!("{}: {error}", server.ip()),
            Err(_) => silent = format!("{} does not answer within {} s", server.ip(), conf.timeout.as_secs()),
        }
    }
    failed.map_or(Answer::Silent(silent), Answer::Failed)
}

/// A number that nobody else guesses, so that nobody else can answer (RFC 5452).
fn random() -> Option<u16> {
    let mut bytes = [0; 2];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).ok()?;
    Some(u16::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str], seconds: u64) -> Option<Answer> {
        let addrs = texts.iter().map(|text| text.parse().unwrap()).collect();
        Some(Answer::Addresses(addrs, Duration::from_secs(seconds)))
    }

    fn found(lookup: Lookup) -> (Vec<String>, u64) {
        match lookup {
            Lookup::Found(found) => {
                (found.addrs.iter().map(ToString::to_string).collect(), found.ttl.as_secs())
            }
            _ => panic!("nothing found"),
        }
    }

    #[test]
    fn the_families_take_turns_and_the_shorter_time_counts() {
        let both = together(addresses(&["2001:db8::1"], 9), addresses(&["192.0.2.1", "192.0.2.2"], 5));
        let addrs = ["2001:db8::1", "192.0.2.1", "192.0.2.2"].map(str::to_owned).to_vec();
        assert_eq!(found(both), (addrs, 5));
        // An answer of nothing does not say for how long the other one holds.
        assert_eq!(found(together(addresses(&[], 1), addresses(&["192.0.2.1"], 5))).1, 5);
        assert_eq!(found(together(None, addresses(&["192.0.2.1"], 5))).1, 5);
        assert_eq!(found(together(Some(Answer::Failed("x".to_owned())), addresses(&["192.0.2.1"], 5))).1, 5);
    }

    #[test]
    fn a_name_that_is_not_there_is_told_from_one_that_nobody_tells() {
        let failed = || Some(Answer::Failed("x".to_owned()));
        assert!(matches!(together(Some(Answer::NoSuchName), failed()), Lookup::NoSuchName));
        assert!(matches!(together(addresses(&[], 1), addresses(&[], 1)), Lookup::NoSuchName));
        assert!(matches!(together(failed(), addresses(&[], 1)), Lookup::Failed(_)));
        assert!(matches!(together(Some(Answer::Silent("x".to_owned())), failed()), Lookup::Failed(_)));
    }
}
