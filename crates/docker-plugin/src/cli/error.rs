//! Wrong command lines, in docker's words.

use std::error::Error;
use std::fmt::Display;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::help;
use super::place::Place;
use crate::exit::Exit;
use crate::output::FormatError;
use crate::usage::{OptionError, WordError};

/// A command line that cannot be understood, ready to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// The text for standard error, several lines.
    pub text: String,
    /// How the process ends.
    pub exit: Exit,
}

/// Why options that are right each for itself are none together. The command that they are for says so.
#[derive(Debug)]
pub enum Refusal {
    /// In words of the command's own.
    Options(String),
    /// It is one value that is wrong beside the others.
    Value {
        /// The option's long name.
        option: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A template that cannot be understood.
    Format(FormatError),
}

impl From<FormatError> for Refusal {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl UsageError {
    /// What a command says of its own options.
    pub(super) fn refused(place: &Place<'_>, refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Options(words) => Self::option(place, words),
            Refusal::Value { option, value, why } => Self::value(place, option, value, why),
            // One line, as docker tells it.
            Refusal::Format(error) => Self {
                text: format!("{error}\n"),
                exit: if matches!(error, FormatError::Object(_)) { Exit::Template } else { Exit::Failure },
            },
        }
    }

    /// A bad option of a command.
    pub(super) fn option(place: &Place<'_>, words: impl Display) -> Self {
        Self { text: text(place, words), exit: Exit::Usage }
    }

    /// A bad value of an option of a command.
    fn value(place: &Place<'_>, option: &str, value: &str, why: &str) -> Self {
        let (value, why) = (value.to_owned(), why.to_owned());
        let error = match find(place.command, option) {
            // clap names an argument without dashes by its value's name, in brackets.
            None if !option.starts_with('-') => OptionError::Argument { value, why },
            found => {
                let option = found.map_or_else(|| option.to_owned(), help::names);
                OptionError::Value { value, option, why }
            }
        };
        Self::option(place, error)
    }

    /// A word too many for a command, or one that names no command.
    pub(super) fn word(place: &Place<'_>, word: &str) -> Self {
        let command = place.name();
        let error = if place.command.has_subcommands() {
            WordError::Unknown { command, word: word.to_owned() }
        } else if place.command.get_positionals().next().is_some() {
            WordError::OneTaken { command }
        } else {
            WordError::NoneTaken { command }
        };
        Self { text: text(place, error), exit: Exit::Failure }
    }

    /// A command without the words that it is about.
    fn missing(place: &Place<'_>) -> Self {
        Self { text: text(place, WordError::OneNeeded { command: place.name() }), exit: Exit::Failure }
    }

    /// What clap found wrong with `words`, the arguments of a command.
    pub(super) fn from_clap(place: &Place<'_>, words: &[&str], error: &clap::Error) -> Self {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        let argument = context(ContextKind::InvalidArg);
        // clap writes an option with its value's name: `--tail <string>`.
        let option = argument.split([' ', '=', '[']).next().unwrap_or_default();
        match error.kind() {
            ErrorKind::UnknownArgument if option.starts_with("--") => {
                Self::option(place, OptionError::Unknown { option: option.to_owned() })
            }
            ErrorKind::UnknownArgument if option.starts_with('-') => {
                let letter = option.chars().nth(1).unwrap_or('-');
                // clap names the letter alone, docker the word that it stands in.
                let has_it =
                    |word: &&&str| !word.starts_with("--") && word.starts_with('-') && word.contains(letter);
                let word = words.iter().find(has_it).copied().unwrap_or(option);
                Self::option(place, OptionError::UnknownShort { letter, option: word.to_owned() })
            }
            ErrorKind::UnknownArgument | ErrorKind::TooManyValues => Self::word(place, argument),
            ErrorKind::InvalidSubcommand => Self::word(place, context(ContextKind::InvalidSubcommand)),
            ErrorKind::ValueValidation => {
                let why = error.source().map(ToString::to_string).unwrap_or_default();
                Self::value(place, option, context(ContextKind::InvalidValue), &why)
            }
            ErrorKind::MissingRequiredArgument => Self::missing(place),
            // clap's word for an option at the line's end without its value.
            ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
                Self::option(place, OptionError::NoValue { option: option.to_owned() })
            }
            _ => {
                let words = error.to_string();
                let line = words.lines().next().unwrap_or_default();
                Self::option(place, line.trim_start_matches("error: "))
            }
        }
    }
}

fn find<'a>(command: &'a Command, option: &str) -> Option<&'a Arg> {
    let name = option.trim_start_matches('-');
    command.get_arguments().find(|arg| {
        arg.get_long() == Some(name)
            || arg.get_short().is_some_and(|short| name == short.encode_utf8(&mut [0; 4]))
    })
}

fn text(place: &Place<'_>, words: impl Display) -> String {
    let (usage, name) = (help::usage(place), place.name());
    format!("{words}\n\n{usage}\n\nRun '{name} --help' for more information\n")
}
