//! The options that say what to forward.

use clap::{ArgMatches, Command as Tree};

use super::UsageError;
use crate::forward::asked::{Asked, Conflict, Known, MOST, Place, Word, merge};
use crate::manifest::Forward;

pub(super) const PORTS: &str = "allow-host-port";
pub(super) const HOSTS: &str = "forward";
pub(super) const LOOPBACK: &str = "host-loopback";

/// What these options come to together.
pub(super) fn forwards(tree: &Tree, path: &[&str], matches: &ArgMatches) -> Result<Vec<Asked>, UsageError> {
    let hosts = words(matches, HOSTS).unwrap_or_default();
    merged(tree, path, words(matches, PORTS).as_deref(), &hosts, super::read::switch(matches, LOOPBACK))
}

/// Whether none of them was given.
pub(super) fn are_usual(matches: &ArgMatches) -> bool {
    words(matches, PORTS).is_none()
        && words(matches, HOSTS).is_none()
        && !super::read::switch(matches, LOOPBACK)
}

/// What a manifest forwards: ports of the node, each to the same one, and other hosts, whose names
/// the pod looks up.
pub(super) fn of_manifest(
    tree: &Tree,
    path: &[&str],
    matches: &ArgMatches,
) -> Result<Vec<Forward>, UsageError> {
    let given = words(matches, PORTS);
    let hosts = words(matches, HOSTS).unwrap_or_default();
    merged(tree, path, given.as_deref(), &hosts, false)?
        .into_iter()
        .map(|asked| match asked.place {
            Place::Gateway if asked.outside == asked.port => Ok(Forward { port: asked.port, to: None }),
            Place::Host(ref name) => {
                let followed = name.parse().ok().map(|name| Known::Followed(name, None));
                let known = followed.or_else(|| name.parse().ok().map(Known::Fixed));
                let forward = asked.with(|_| known).ok_or_else(|| {
                    let why = format!("\"{name}\" is not a name that a pod can look up");
                    UsageError::value(tree, path, HOSTS, &texts(&hosts), &why)
                })?;
                Ok(Forward { port: asked.port, to: Some(forward.to()) })
            }
            Place::Gateway | Place::Loopback => {
                let why = "a manifest forwards ports to the same ports of the node";
                Err(UsageError::value(tree, path, PORTS, &texts(given.as_deref().unwrap_or_default()), why))
            }
        })
        .collect()
}

fn words(matches: &ArgMatches, name: &str) -> Option<Vec<Word>> {
    matches.get_many::<Vec<Word>>(name).map(|lists| lists.flatten().cloned().collect())
}

fn texts(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(",")
}

fn merged(
    tree: &Tree,
    path: &[&str],
    ports: Option<&[Word]>,
    hosts: &[Word],
    loopback: bool,
) -> Result<Vec<Asked>, UsageError> {
    merge(ports, hosts, loopback).map_err(|conflict| match conflict {
        Conflict::NoneAndSome => {
            let why = "0 means no port at all and cannot stand beside others";
            UsageError::value(tree, path, PORTS, &texts(ports.unwrap_or_default()), why)
        }
        Conflict::Twice { port, first, second } => {
            let option = if second.contains('=') { HOSTS } else { PORTS };
            let why = format!("port {port} has another target in \"{first}\" already");
            UsageError::value(tree, path, option, &second, &why)
        }
        Conflict::TooMany(many) => {
            let why = format!("conflicting options: {many} ports to forward, of at most {MOST}, since each takes a container");
            UsageError::option(tree, path, &why)
        }
    })
}
