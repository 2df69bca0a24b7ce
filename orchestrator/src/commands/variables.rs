//! Options of a start that variables of the environment give where the command line does not, for CI,
//! which sets them once.

use std::fmt;

use clap::{ArgAction, Args};
use docker_plugin::cli::UsageError;
use docker_plugin::vars::Vars;

use super::start::{DRIVER_OPT, Options};
use crate::desired::{BACKEND_IMAGE_VARIABLE, Choice};
use crate::plugin::Globals;

/// What the name of each begins with; that of the option follows, in capitals.
const PREFIX: &str = "DOCKER_ASSEMBLE_";

/// The words that the options of a start stand behind.
const START: [&str; 2] = ["backend", "start"];

/// Options that are about one start.
const NOT_LASTING: [&str; 2] = ["dry-run", "recreate"];

/// The image's variable, which is older, says what it is where none is named: no wish for another one.
const IMAGE: &str = "image";

/// Keys of `--driver-opt`, buildx's own spelling, that name an option which is called otherwise.
const DRIVER_OPTIONS: [(&str, &str); 3] =
    [("restart-policy", "restart"), ("cpu-period", "cpus"), ("cpu-quota", "cpus")];

/// An option that a variable gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The variable.
    pub variable: String,
    /// The option's long name.
    pub option: String,
    /// The option's values.
    pub values: Vec<String>,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, option, values } = self;
        let is_secret = option == DRIVER_OPT || Choice::named(option).is_some_and(Choice::is_secret);
        let shown = |value: &String| match is_secret {
            true => value.split('=').next().unwrap_or_default().to_owned(),
            false => value.clone(),
        };
        let values: Vec<_> = values.iter().map(shown).collect();
        write!(f, "--{option} {} from {variable}", values.join(" "))
    }
}

/// What variables give to this command line; nothing where it is no start.
#[must_use]
pub fn given(words: &[String], vars: &impl Vars) -> Vec<Given> {
    let Some(at) = position(words) else { return Vec::new() };
    let own: Vec<&str> = words[at..].iter().map(String::as_str).take_while(|word| *word != "--").collect();
    let by_driver = by_driver_options(&own);
    let command = Options::augment_args(clap::Command::new(START[1]));
    let of_option = |option: &clap::Arg| {
        let name = option.get_long().filter(|name| !NOT_LASTING.contains(name))?;
        let variable = match name {
            IMAGE => BACKEND_IMAGE_VARIABLE.to_owned(),
            name => format!("{PREFIX}{}", name.replace('-', "_").to_uppercase()),
        };
        let is_it = |word: &str| {
            let long = word.strip_prefix("--").and_then(|word| word.split('=').next());
            let cluster = word.strip_prefix('-').filter(|word| !word.starts_with('-')).unwrap_or_default();
            let mut letters = cluster.chars().take_while(char::is_ascii_alphabetic);
            long == Some(name)
                || option.get_short().is_some_and(|short| letters.any(|letter| letter == short))
        };
        if own.iter().any(|word| is_it(word)) || by_driver.iter().any(|named| named == name) {
            return None;
        }
        let value = vars.get(&variable)?;
        let values = match option.get_action() {
            ArgAction::Append => value.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            _ => vec![value],
        };
        Some(Given { variable, option: name.to_owned(), values })
    };
    command.get_arguments().filter_map(of_option).collect()
}

/// The options that `--driver-opt` names on this command line.
fn by_driver_options(own: &[&str]) -> Vec<String> {
    let behind = own.iter().zip(own.iter().skip(1)).filter(|(word, _)| **word == "--driver-opt");
    let joined = own.iter().filter_map(|word| word.strip_prefix("--driver-opt="));
    let keys = behind.map(|(_, value)| *value).chain(joined).flat_map(|list| list.split(','));
    let option = |pair: &str| {
        let key = pair.split('=').next().unwrap_or_default();
        let other = DRIVER_OPTIONS.iter().find(|(name, _)| *name == key).map(|(_, option)| *option);
        other.unwrap_or_else(|| if key.starts_with("env.") { "env" } else { key }).to_owned()
    };
    keys.map(option).collect()
}

/// The command line with these options.
#[must_use]
pub fn with(words: &[String], given: &[Given]) -> Vec<String> {
    let Some(at) = position(words) else { return words.to_vec() };
    let (front, behind) = words.split_at(at);
    let options = given.iter().filter(|given| given.option != IMAGE);
    let options = options.flat_map(|Given { option, values, .. }| {
        values.iter().map(move |value| format!("--{option}={value}"))
    });
    front.iter().cloned().chain(options).chain(behind.iter().cloned()).collect()
}

/// Names the variable that a command line fails for, where one alone has it fail.
pub fn blame(
    words: &[String],
    given: &[Given],
    error: UsageError,
    understand: impl Fn(&[String]) -> Result<(), UsageError>,
) -> UsageError {
    if understand(words).is_err() {
        return error;
    }
    let alone = given.iter().find_map(|one| {
        let UsageError { text, exit } = understand(&with(words, std::slice::from_ref(one))).err()?;
        Some(UsageError { text: format!("{}: {text}", one.variable), exit })
    });
    alone.unwrap_or(error)
}

/// Where the options of a start begin.
fn position(words: &[String]) -> Option<usize> {
    let (_, rest) = Globals::take(words).ok()?;
    let own = match rest {
        [first, own @ ..] if first == "assemble" => own,
        own => own,
    };
    let is_start = own.len() >= START.len() && own.iter().zip(START).all(|(word, other)| word == other);
    is_start.then(|| words.len() - own.len() + START.len())
}
