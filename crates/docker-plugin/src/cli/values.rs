//! The values of options. Each function says in its error what would fit.

use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};

use super::{Refusal, times};
use crate::globals::truth;
use crate::output::{Form, FormatError, ObjectForm, Template};
use crate::usage::ValueError;

/// A value, or what would fit in its place.
pub type Parsed<T> = Result<T, ValueError>;

/// One of a few words, each with what it means.
#[derive(Debug)]
pub struct OneOf<T: 'static>(pub &'static [(&'static str, T)]);

// Derived, these would ask the meaning to be copied too.
impl<T> Clone for OneOf<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for OneOf<T> {}

impl<T: Clone> OneOf<T> {
    fn meaning(&self, text: &str) -> Parsed<T> {
        let words: Vec<_> = self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let (last, others) = words.split_last().map_or(("", &[][..]), |(last, others)| (last, others));
        let why = || ValueError::Word { words: others.join(", "), last: last.to_owned() };
        let found = self.0.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone());
        found.ok_or_else(why)
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for OneOf<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        option: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<T, clap::Error> {
        let this = *self;
        (move |text: &str| this.meaning(text)).parse_ref(command, option, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|(word, _)| PossibleValue::new(*word))))
    }
}

/// Any text; some are offered.
#[derive(Clone, Copy, Debug)]
pub struct Suggest(pub &'static [&'static str]);

impl TypedValueParser for Suggest {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        option: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, option, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|word| PossibleValue::new(*word))))
    }
}

/// What a template for one object may be instead.
pub const FORMS: Suggest = Suggest(&["pretty", "json"]);

/// The form of one object; nothing at all means the usual words, as for docker.
///
/// # Errors
/// A template that cannot be understood.
pub fn form(text: Option<&str>) -> Result<Form, Refusal> {
    Ok(match text {
        None | Some("" | "pretty") => Form::Text,
        Some("json") => Form::Object(ObjectForm::Json),
        Some(template) => {
            Form::Object(ObjectForm::Template(Template::new(template).map_err(FormatError::Object)?))
        }
    })
}

/// The spellings that docker's options accept (Go's `strconv.ParseBool`).
///
/// # Errors
/// What would fit.
pub fn boolean(text: &str) -> Parsed<bool> {
    truth(text)
}

/// A size in docker's spelling, base 1024 whatever the case of its unit: `128mb`, `2gb`, `10GiB`.
///
/// # Errors
/// What would fit.
pub fn bytes(text: &str) -> Parsed<u64> {
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
    whole.ok_or(ValueError::Size)
}

/// How long to wait, a second at least: a number of seconds as `docker stop` takes it, or a time
/// with its units as buildx does.
///
/// # Errors
/// What would fit.
pub fn limit(text: &str) -> Parsed<Duration> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds =
        text.parse::<u32>().ok().filter(|_| digits).map(|seconds| Duration::from_secs(seconds.into()));
    let time = seconds.or_else(|| times::duration(text)).filter(|time| *time >= Duration::from_secs(1));
    time.filter(|time| time.as_secs() <= u32::MAX.into()).ok_or(ValueError::Limit)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
