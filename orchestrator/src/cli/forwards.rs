//! The options that say what to forward.

use clap::{ArgMatches, Command as Tree};

use super::UsageError;
use crate::forward::asked::{Asked, Conflict, MOST, Word, merge};

pub(super) const PORTS: &str = "allow-host-port";
pub(super) const HOSTS: &str = "forward";
pub(super) const LOOPBACK: &str = "host-loopback";

/// What these options come to together.
pub(super) fn forwards(tree: &Tree, path: &[&str], matches: &ArgMatches) -> Result<Vec<Asked>, UsageError> {
    let words = |name| -> Option<Vec<Word>> {
        matches.get_many::<Vec<Word>>(name).map(|lists| lists.flatten().cloned().collect())
    };
    let (ports, hosts) = (words(PORTS), words(HOSTS).unwrap_or_default());
    merge(ports.as_deref(), &hosts, super::switch(matches, LOOPBACK)).map_err(|conflict| {
        let texts = |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(",");
        match conflict {
            Conflict::NoneAndSome => {
                let why = "0 means no port at all and cannot stand beside others";
                UsageError::value(tree, path, PORTS, &texts(&ports.unwrap_or_default()), why)
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
        }
    })
}
