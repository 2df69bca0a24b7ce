//! The options of a start and of a manifest that say what to forward.

use docker_plugin::cli::{Offer, Refusal, Typed};

use crate::desired::Ports;
use crate::forward::asked::{self, Asked, Word};
use crate::forward::{Conflict, merge};

use super::complete::Source;

pub(super) const PORTS: &str = "allow-host-port";
pub(super) const HOSTS: &str = "forward";

/// What one value of such an option lists.
pub(super) type Words = Vec<Word>;

/// All that these options list come to together; `ports` were perhaps not given at all.
pub(super) fn merged(ports: Option<&[Word]>, hosts: &[Word], loopback: bool) -> Result<Vec<Asked>, Refusal> {
    merge(ports, hosts, loopback).map_err(|conflict| {
        let why = conflict.to_string();
        match conflict {
            Conflict::NoneAndSome => {
                Refusal::Value { option: PORTS, value: texts(ports.unwrap_or_default()), why }
            }
            Conflict::Twice { second, .. } => {
                let option = if second.contains('=') { HOSTS } else { PORTS };
                Refusal::Value { option, value: second, why }
            }
            Conflict::TooMany { .. } | Conflict::TooManyPorts { .. } => Refusal::Options(why),
        }
    })
}

/// A list as it was written.
pub(super) fn texts(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(",")
}

/// Offers what listens on this host, behind the ports that are listed already. One that is forwarded
/// already is not offered again.
pub(super) fn complete(typed: &Typed<'_>) -> Offer<Source> {
    listed(typed, [typed.given(PORTS), typed.given(HOSTS)].concat(), Source::HostPorts)
}

/// The same for words that are no option's.
pub(super) fn complete_added(typed: &Typed<'_>) -> Offer<Source> {
    listed(typed, typed.arguments(), Source::HostPorts)
}

/// Offers what the backend forwards.
pub(super) fn complete_removed(typed: &Typed<'_>) -> Offer<Source> {
    listed(typed, typed.arguments(), Source::ForwardedPorts)
}

/// Offers what is in none of the lists.
fn listed(typed: &Typed<'_>, mut lists: Vec<String>, source: Source) -> Offer<Source> {
    let done = typed.partial.rfind(',').map_or(0, |comma| comma + 1);
    lists.push(typed.partial[..done].trim_end_matches(',').to_owned());
    let words = lists.iter().flat_map(|list| list.split(','));
    // As far as they can be understood.
    let read = words.filter_map(|word| asked::some(word).ok()).flatten();
    let each = |ports: Ports| ports.iter().map(|port| port.to_string()).chain([ports.to_string()]);
    let taken = read.filter_map(|word| word.inside()).flat_map(each);
    Offer { taken: taken.collect(), done, ..Offer::of(source) }
}
