//! The values of options. Each function says in its error what would fit.

use std::time::Duration;

use super::times;
use crate::commands::cache::Format;
use crate::desired::{HostPort, ImageRef, PullPolicy, Security, VolumeName};
use crate::output::{Form, ListTemplate, Progress, Template, TemplateError};

type Parsed<T> = Result<T, String>;

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

/// The form of a list.
pub(super) fn format(text: Option<&str>) -> Result<Format, TemplateError> {
    Ok(match text {
        None | Some("table") => Format::Table,
        Some("pretty") => Format::Pretty,
        Some("json") => Format::Json,
        Some(template) => Format::Template(ListTemplate::new(template)?),
    })
}

/// The columns of a list that has a form for the whole of it too: `table TEMPLATE` is for its
/// rows, all else is for the whole.
pub(super) fn rows(text: Option<&str>) -> Result<Option<ListTemplate>, TemplateError> {
    let own = text.filter(|text| text.strip_prefix("table").is_some_and(|rest| !rest.trim().is_empty()));
    own.map(ListTemplate::new).transpose()
}

/// The form of one object; nothing at all means the usual words, as for docker.
pub(super) fn form(text: Option<&str>) -> Result<Form, TemplateError> {
    Ok(match text {
        None | Some("" | "pretty") => Form::Text,
        Some("json") => Form::Json,
        Some(template) => Form::Template(Template::new(template)?),
    })
}

pub(super) fn progress(text: &str) -> Parsed<Progress> {
    match text {
        "auto" => Ok(Progress::Auto),
        "plain" => Ok(Progress::Plain),
        "tty" => Ok(Progress::Tty),
        "quiet" => Ok(Progress::Quiet),
        _ => Err("must be \"auto\", \"plain\", \"tty\" or \"quiet\"".to_owned()),
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

/// A size in docker's spelling, base 1024 whatever the case of its unit: `128mb`, `2gb`, `10GiB`.
pub(super) fn bytes(text: &str) -> Parsed<u64> {
    const UNITS: &str = "kmgtp";
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let letter = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = if letter.is_empty() { Some(0) } else { UNITS.find(letter).map(|at| at + 1) };
    let scale = power.filter(|_| letter.len() <= 1).and_then(|power| i32::try_from(power).ok());
    let value = number.parse::<f64>().ok().zip(scale).map(|(number, power)| number * 1024_f64.powi(power));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
    let whole = value.filter(|value| (0.0..9.2e18).contains(value)).map(|value| value as u64);
    whole.ok_or_else(|| "must be a size such as 512mb or 10gb".to_owned())
}

/// How long to wait, a second at least: a number of seconds as `docker stop` takes it, or a time
/// with its units as buildx does.
pub(super) fn limit(text: &str) -> Parsed<Duration> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds =
        text.parse::<u32>().ok().filter(|_| digits).map(|seconds| Duration::from_secs(seconds.into()));
    let time = seconds.or_else(|| times::duration(text)).filter(|time| *time >= Duration::from_secs(1));
    let why = || "must be a time of 1s or more, such as 20s or 2m; a number alone is seconds".to_owned();
    time.filter(|time| time.as_secs() <= u32::MAX.into()).ok_or_else(why)
}

/// A port to name one sidecar by.
pub(super) fn port(text: &str) -> Parsed<HostPort> {
    HostPort::parse(text).ok_or_else(|| format!("\"{text}\" is not a port (1 to 65535)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_names_and_not_paths() {
        assert!(volume("my-cache_1.x").is_ok());
        for bad in ["", "/tmp/cache", "./x", "-x", "a b"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_count_in_1024() {
        let cases = [
            ("0", 0),
            ("17", 17),
            ("1k", 1024),
            ("128mb", 128 << 20),
            ("2GB", 2 << 30),
            ("1.5 GiB", 3 << 29),
            ("1tb", 1 << 40),
        ];
        for (text, size) in cases {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for bad in ["", "gb", "-1", "1x", "1kmb", "1..2", "9999999p", "10%"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_seconds_or_times() {
        for (text, seconds) in [("20", 20), ("20s", 20), ("2m", 120), ("1h1s", 3601)] {
            assert_eq!(limit(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(limit("1500ms"), Ok(Duration::from_millis(1500)));
        for bad in ["", "0", "0s", "10ms", "-1", "+1", "20x", "99999999999"] {
            assert!(limit(bad).is_err(), "{bad}");
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
