//! The values of options. Each function says in its error what would fit.

use std::time::Duration;

use super::Filter;
use crate::commands::cache::Format;
use crate::desired::{ImageRef, PullPolicy, Security, VolumeName};

type Parsed<T> = Result<T, String>;

/// A comma-separated list of ports; what 0 among them means is for the caller to say.
pub(super) fn ports(text: &str) -> Parsed<Vec<u16>> {
    text.split(',')
        .map(|part| {
            let part = part.trim();
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let port = if digits { part.parse().ok() } else { None };
            port.ok_or_else(|| format!("\"{part}\" is not a port (1 to 65535, or 0 alone for none)"))
        })
        .collect()
}

pub(super) fn image(text: &str) -> Parsed<ImageRef> {
    if text.trim().is_empty() {
        Err("must name an image".to_owned())
    } else {
        Ok(ImageRef(text.trim().to_owned()))
    }
}

/// The engine's rule for names; a path in its place would become a bind mount.
pub(super) fn volume(text: &str) -> Parsed<VolumeName> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let fits = first && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if fits {
        Ok(VolumeName(text.to_owned()))
    } else {
        Err("must be the name of a volume (letters, digits and \"_.-\")".to_owned())
    }
}

pub(super) fn pull(text: &str) -> Parsed<PullPolicy> {
    match text {
        "missing" => Ok(PullPolicy::Missing),
        "always" => Ok(PullPolicy::Always),
        "never" => Ok(PullPolicy::Never),
        _ => Err("must be \"missing\", \"always\" or \"never\"".to_owned()),
    }
}

pub(super) fn security(text: &str) -> Parsed<Security> {
    match text {
        "auto" => Ok(Security::Auto),
        "privileged" => Ok(Security::Privileged),
        "restricted" => Ok(Security::Restricted),
        _ => Err("must be \"auto\", \"privileged\" or \"restricted\"".to_owned()),
    }
}

/// A number of lines; as for docker, `all` and negative numbers mean all of them.
pub(super) fn tail(text: &str) -> Parsed<Option<u64>> {
    if text == "all" || text.strip_prefix('-').is_some_and(|rest| rest.parse::<u64>().is_ok()) {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "must be a number of lines or \"all\"".to_owned())
}

pub(super) fn format(text: &str) -> Parsed<Format> {
    match text {
        "table" => Ok(Format::Table),
        "pretty" => Ok(Format::Pretty),
        "json" => Ok(Format::Json),
        _ => Err("must be \"table\", \"pretty\" or \"json\"".to_owned()),
    }
}

/// The spellings that docker's options accept (Go's `strconv.ParseBool`).
pub(super) fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be \"true\" or \"false\"".to_owned()),
    }
}

/// One filter as `docker buildx prune` takes it: `until=24h`, `type=regular`, `id=…`,
/// `description~=golang`, `inuse`, `shared=false`.
pub(super) fn filter(text: &str) -> Parsed<Filter> {
    let Some((key, value)) = text.split_once('=') else {
        return match text.trim() {
            flag @ ("inuse" | "mutable" | "immutable" | "shared" | "private") => {
                Ok(Filter::Expression(flag.to_owned()))
            }
            _ => Err("must be KEY=VALUE".to_owned()),
        };
    };
    let (key, value) = (key.trim().to_ascii_lowercase(), value.trim_start_matches('=').trim());
    if key == "until" {
        return duration(value)
            .map(Filter::Until)
            .ok_or_else(|| "\"until\" must be a time such as 24h".to_owned());
    }
    let (name, operator) = match key.strip_suffix(['~', '!']) {
        Some(name) => (name, &key[name.len()..]),
        None => (key.as_str(), ""),
    };
    if !FILTER_KEYS.contains(&name) {
        return Err(format!("unknown key \"{name}\"; known are until, {}", FILTER_KEYS.join(", ")));
    }
    Ok(Filter::Expression(match (name, operator) {
        // Ids are long; a part of one is enough, as it is for buildx.
        ("id", "") => format!("id~={value}"),
        (_, "") => format!("{name}=={value}"),
        _ => format!("{key}={value}"),
    }))
}

/// What records can be filtered by (`AdaptUsageInfo` of BuildKit's client).
const FILTER_KEYS: [&str; 9] =
    ["id", "parents", "description", "type", "inuse", "mutable", "immutable", "shared", "private"];

/// A duration in Go's spelling: `24h`, `1h30m`, `90s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty()).then_some(total).and_then(|total| Duration::try_from_secs_f64(total).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_lists() {
        assert_eq!(ports("5000"), Ok(vec![5000]));
        assert_eq!(ports("5000,6000, 0"), Ok(vec![5000, 6000, 0]));
        for bad in ["", "abc", "65536", "5000,", "-1", "+1", "5000,x"] {
            let why = ports(bad).unwrap_err();
            assert!(why.contains("is not a port"), "{bad}: {why}");
        }
    }

    #[test]
    fn volumes_are_names_and_not_paths() {
        assert!(volume("my-cache_1.x").is_ok());
        for bad in ["", "/tmp/cache", "./x", "-x", "a b"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
    }

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
    fn tails() {
        assert_eq!(tail("all"), Ok(None));
        assert_eq!(tail("-1"), Ok(None));
        assert_eq!(tail("10"), Ok(Some(10)));
        assert!(tail("ten").is_err());
    }
}
