//! Docker's global options (docker/cli, `cli/flags/options.go`).
//!
//! Read here because they have the rules of Go's pflag: they end at the first word, `-DHtcp://h` is two
//! of them, `--tls=F` is one, and what is wrong is told in docker's words. clap has other rules for each.

use std::path::PathBuf;

use crate::usage::{OptionError, ValueError};

/// The global options, as far as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// `--config`: the directory of docker's configuration.
    pub config: Option<PathBuf>,
    /// `-c`, `--context`.
    pub context: Option<String>,
    /// `-H`, `--host`.
    pub host: Option<String>,
    /// `-D`, `--debug`.
    pub debug: bool,
    /// `-l`, `--log-level`: `debug`, `info`, `warn`, `error` or `fatal`.
    pub log_level: Option<String>,
    /// `--tls`.
    pub tls: Option<bool>,
    /// `--tlsverify`.
    pub tls_verify: Option<bool>,
    /// `--tlscacert`.
    pub tls_ca: Option<PathBuf>,
    /// `--tlscert`.
    pub tls_cert: Option<PathBuf>,
    /// `--tlskey`.
    pub tls_key: Option<PathBuf>,
}

/// The values of `--log-level`.
const LOG_LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "fatal"];

/// What a switch takes as its value, as Go's `strconv.ParseBool` does.
pub(crate) fn truth(text: &str) -> Result<bool, ValueError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ValueError::Truth),
    }
}

impl Globals {
    /// Takes the global options off the front of `args`, as the docker command does: up to the
    /// first word that is no option. Returns the rest, `--help` and what follows it included.
    ///
    /// # Errors
    /// An option that docker does not know either, or one with a missing or bad value.
    pub fn take(args: &[String]) -> Result<(Self, &[String]), OptionError> {
        let mut globals = Self::default();
        let mut rest = args;
        while let [first, after @ ..] = rest {
            if !first.starts_with('-') || first == "-" || is_help(first) {
                break;
            }
            if first == "--" {
                return Ok((globals, after));
            }
            rest = match first.strip_prefix("--") {
                Some(long) => globals.long(long, after)?,
                None => globals.short(first, after)?,
            };
        }
        Ok((globals, rest))
    }

    /// The words of `args` that [`Self::take`] takes off; all of them when it fails.
    #[must_use]
    pub fn words(args: &[String]) -> &[String] {
        let rest = Self::take(args).map_or(0, |(_, rest)| rest.len());
        &args[..args.len() - rest]
    }

    fn long<'a>(&mut self, option: &str, after: &'a [String]) -> Result<&'a [String], OptionError> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let option = format!("--{name}");
        if matches!(name, "debug" | "tls" | "tlsverify") {
            let value = value.unwrap_or("true");
            let on = truth(value).map_err(|why| bad(&option, value, &why))?;
            match name {
                "debug" => self.debug = on,
                "tls" => self.tls = Some(on),
                _ => self.tls_verify = Some(on),
            }
            return Ok(after);
        }
        let known = ["config", "context", "host", "log-level", "tlscacert", "tlscert", "tlskey"];
        if !known.contains(&name) {
            return Err(OptionError::Unknown { option });
        }
        let (value, after) = match (value, after) {
            (Some(value), _) => (value, after),
            (None, [value, after @ ..]) => (value.as_str(), after),
            (None, []) => return Err(OptionError::NoValue { option }),
        };
        self.set(name, value)?;
        Ok(after)
    }

    /// A group of one-letter options such as `-DH`, the last of which may take a value.
    fn short<'a>(&mut self, group: &str, after: &'a [String]) -> Result<&'a [String], OptionError> {
        let mut letters = group.chars();
        letters.next();
        while let Some(letter) = letters.next() {
            let name = match letter {
                'D' => {
                    self.debug = true;
                    continue;
                }
                'H' => "host",
                'c' => "context",
                'l' => "log-level",
                _ => return Err(OptionError::UnknownShort { letter, option: group.to_owned() }),
            };
            let value = letters.as_str();
            if !value.is_empty() {
                self.set(name, value.strip_prefix('=').unwrap_or(value))?;
                return Ok(after);
            }
            let [value, after @ ..] = after else {
                return Err(OptionError::NoValue { option: format!("'{letter}' in {group}") });
            };
            self.set(name, value)?;
            return Ok(after);
        }
        Ok(after)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        match name {
            "config" => self.config = Some(value.into()),
            "context" => self.context = Some(value.to_owned()),
            "host" if self.host.is_some() => return Err(bad("-H, --host", value, &ValueError::HostTwice)),
            "host" => self.host = Some(value.to_owned()),
            "log-level" if !LOG_LEVELS.contains(&value) => {
                return Err(bad("-l, --log-level", value, &ValueError::LogLevel));
            }
            "log-level" => self.log_level = Some(value.to_owned()),
            "tlscacert" => self.tls_ca = Some(value.into()),
            "tlscert" => self.tls_cert = Some(value.into()),
            _ => self.tls_key = Some(value.into()),
        }
        Ok(())
    }
}

fn bad(option: &str, value: &str, why: &ValueError) -> OptionError {
    OptionError::Value { value: value.to_owned(), option: option.to_owned(), why: why.to_string() }
}

fn is_help(arg: &str) -> bool {
    matches!(arg, "--help" | "-h")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(line: &str) -> Result<(Globals, Vec<String>), OptionError> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Globals::take(&args).map(|(globals, rest)| (globals, rest.to_vec()))
    }

    #[test]
    fn options_stop_at_the_first_word() {
        let (globals, rest) = take("-H tcp://h:1 --tlsverify hello world -H x").unwrap();
        assert_eq!(globals.host.as_deref(), Some("tcp://h:1"));
        assert_eq!(globals.tls_verify, Some(true));
        assert_eq!(rest, ["hello", "world", "-H", "x"]);
        let line = ["-H", "x", "--tls", "hello", "-D"].map(str::to_owned);
        assert_eq!(Globals::words(&line), ["-H", "x", "--tls"]);
    }

    #[test]
    fn every_spelling_of_a_value_works() {
        for line in ["-H a", "-Ha", "-H=a", "--host a", "--host=a", "-DH a", "-DHa"] {
            assert_eq!(take(line).unwrap().0.host.as_deref(), Some("a"), "{line}");
        }
        assert!(take("-DH a").unwrap().0.debug);
        assert_eq!(take("--tls=false").unwrap().0.tls, Some(false));
    }

    #[test]
    fn help_is_left_for_the_commands() {
        assert_eq!(take("-D --help").unwrap().1, ["--help"]);
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        assert_eq!(take("--foo").unwrap_err().to_string(), "unknown flag: --foo");
        assert_eq!(take("-x").unwrap_err().to_string(), "unknown shorthand flag: 'x' in -x");
        assert_eq!(take("--host").unwrap_err().to_string(), "flag needs an argument: --host");
        assert!(take("-H a -H b").unwrap_err().to_string().contains("only one -H"));
        for option in ["debug", "tls", "tlsverify"] {
            let error = take(&format!("--{option}=maybe")).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("invalid argument \"maybe\" for \"--{option}\" flag")),
                "{error}"
            );
        }
        assert!(take("-l loud").unwrap_err().to_string().contains("\"loud\""));
    }
}
