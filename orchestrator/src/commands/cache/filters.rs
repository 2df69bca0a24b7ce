//! Filters of cache records, as `docker buildx` takes them.

use std::time::Duration;

use docker_plugin::cli::{Completes, Offer, Typed, duration};
use explained::Explained;

use super::Purge;
use crate::commands::complete::Source;

/// One `--filter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// In BuildKit's words.
    Expression(String),
    /// Only what was not used for this long.
    Until(Duration),
}

/// What records can be filtered by (`AdaptUsageInfo` of BuildKit's client).
const KEYS: [&str; 9] =
    ["id", "parents", "description", "type", "inuse", "mutable", "immutable", "shared", "private"];

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum FilterError {
    /// `cache usage --filter until=…`.
    #[error("\"until\" is for cache purge only")]
    #[advice = "leave it out"]
    UntilOfUsage,
    /// A filter without a time.
    #[error("\"until\" must be a time such as 24h")]
    #[advice = "write one with `s`, `m` or `h`"]
    Until,
    /// A filter that BuildKit does not have.
    #[error("unknown key \"{key}\"; known are until, {keys}", keys = KEYS.join(", "))]
    #[advice = "take one of those"]
    Key {
        /// As it was written.
        key: String,
    },
    /// A filter of another form.
    #[error("must be KEY=VALUE")]
    #[advice = "write it so"]
    Form,
}

/// One filter: `until=24h`, `type=regular`, `id=…`, `description~=golang`, `inuse`,
/// `shared=false`.
pub(super) fn filter(text: &str) -> Result<Filter, FilterError> {
    let Some((key, value)) = text.split_once('=') else {
        return match text.trim() {
            flag @ ("inuse" | "mutable" | "immutable" | "shared" | "private") => {
                Ok(Filter::Expression(flag.to_owned()))
            }
            _ => Err(FilterError::Form),
        };
    };
    let (key, value) = (key.trim().to_ascii_lowercase(), value.trim_start_matches('=').trim());
    if key == "until" {
        return duration(value).map(Filter::Until).ok_or(FilterError::Until);
    }
    let (name, operator) = match key.strip_suffix(['~', '!']) {
        Some(name) => (name, &key[name.len()..]),
        None => (key.as_str(), ""),
    };
    if !KEYS.contains(&name) {
        return Err(FilterError::Key { key: name.to_owned() });
    }
    Ok(Filter::Expression(match (name, operator) {
        // Ids are long; a part of one is enough, as it is for buildx.
        ("id", "") => format!("id~={value}"),
        (_, "") => format!("{name}=={value}"),
        _ => format!("{key}={value}"),
    }))
}

/// How filters of a usage are completed.
pub(super) const OF_USAGE: Completes<Source> = Completes(|typed| offer(typed, false));

/// The same of a purge, which knows more of them.
pub(super) const OF_PURGE: Completes<Source> = Completes(|typed| offer(typed, true));

/// The keys of filters, and the kinds of records.
fn offer(typed: &Typed<'_>, has_until: bool) -> Offer<Source> {
    let of = |values: &[&str], goes_on| Offer {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        goes_on,
        ..Offer::default()
    };
    if typed.partial.starts_with("type=") {
        let kinds = [
            "type=exec.cachemount",
            "type=frontend",
            "type=internal",
            "type=regular",
            "type=source.git.checkout",
            "type=source.local",
        ];
        return of(&kinds, false);
    }
    let mut keys =
        vec!["description~=", "id=", "inuse", "mutable", "parents=", "private", "shared", "type=", "until="];
    keys.retain(|key| has_until || *key != "until=");
    // A key that is whole needs no value behind it.
    let is_whole = |key: &&str| key.starts_with(typed.partial) && !key.ends_with('=');
    let goes_on = !keys.iter().any(is_whole);
    of(&keys, goes_on)
}

/// What the filters of a line come to: expressions, and a time.
pub(super) fn split(filters: Vec<Filter>) -> (Vec<String>, Option<Duration>) {
    let (mut expressions, mut until) = (Vec::new(), None);
    for filter in filters {
        match filter {
            Filter::Expression(text) => expressions.push(text),
            Filter::Until(duration) => until = Some(duration),
        }
    }
    (expressions, until)
}

/// A purge with the filters of `pruneFilters` in docker's configuration added. The command line
/// wins where both name a key. Filters of what cache records do not have, such as `label`, are
/// meant for other objects of docker and passed over.
#[must_use]
pub fn with_configured(mut purge: Purge, configured: &[String]) -> Purge {
    let given: Vec<String> = purge.filters.iter().map(|filter| name(filter).to_owned()).collect();
    for text in configured {
        match filter(text) {
            Ok(Filter::Until(time)) => {
                purge.until.get_or_insert(time);
            }
            Ok(Filter::Expression(expression)) if given.iter().any(|given| given == name(&expression)) => {}
            Ok(Filter::Expression(expression)) => purge.filters.push(expression),
            Err(why) => tracing::debug!(filter = text, "a filter of the configuration is passed over: {why}"),
        }
    }
    purge
}

/// What an expression filters by.
fn name(expression: &str) -> &str {
    expression.split(['~', '!', '=']).next().unwrap_or(expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_buildkits() {
        let expression = |text: &str| match filter(text) {
            Ok(Filter::Expression(text)) => text,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(expression("type=regular"), "type==regular");
        assert_eq!(expression("type==regular"), "type==regular");
        assert_eq!(expression("id=abc"), "id~=abc");
        assert_eq!(expression("description~=golang"), "description~=golang");
        assert_eq!(expression("inuse"), "inuse");
        assert_eq!(filter("until=24h"), Ok(Filter::Until(Duration::from_secs(86_400))));
        assert_eq!(filter("until=1h30m"), Ok(Filter::Until(Duration::from_secs(5_400))));
        for bad in ["until=soon", "until=", "until=5", "colour=red", "x"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_configuration_adds_what_the_command_line_leaves_open() {
        let configured = ["until=24h", "type=regular", "label!=keep", "description~=go"].map(str::to_owned);
        let purge = with_configured(Purge::default(), &configured);
        assert_eq!(purge.until, Some(Duration::from_secs(86_400)));
        assert_eq!(purge.filters, ["type==regular", "description~=go"]);

        let given = Purge {
            until: Some(Duration::from_secs(1)),
            filters: vec!["type!=internal".to_owned()],
            ..Purge::default()
        };
        let purge = with_configured(given, &configured);
        assert_eq!(purge.until, Some(Duration::from_secs(1)));
        assert_eq!(purge.filters, ["type!=internal", "description~=go"]);
    }
}
