//! Wrong command lines, in docker's words.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::help;
use super::place::Place;
use crate::exit::Exit;
use crate::output::TemplateError;

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
    /// A template for one object that cannot be understood.
    Template(TemplateError),
    /// The same for a list.
    ListTemplate(TemplateError),
}

impl UsageError {
    /// What a command says of its own options.
    pub(super) fn refused(place: &Place<'_>, refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Options(words) => Self::option(place, words),
            Refusal::Value { option, value, why } => Self::value(place, option, value, why),
            Refusal::Template(error) => Self::template(error),
            Refusal::ListTemplate(error) => Self::list_template(error),
        }
    }

    /// A bad option of a command.
    pub(super) fn option(place: &Place<'_>, words: &str) -> Self {
        Self { text: text(place, words), exit: Exit::Usage }
    }

    /// A bad value of an option of a command.
    fn value(place: &Place<'_>, option: &str, value: &str, why: &str) -> Self {
        let words = match find(place.command, option) {
            // clap names an argument without dashes by its value's name, in brackets.
            None if !option.starts_with('-') => format!("invalid argument \"{value}\": {why}"),
            found => {
                let name = found.map_or_else(|| option.to_owned(), help::names);
                format!("invalid argument \"{value}\" for \"{name}\" flag: {why}")
            }
        };
        Self::option(place, &words)
    }

    /// A template for one object that cannot be understood: one line, as docker tells it.
    fn template(error: &TemplateError) -> Self {
        Self { text: format!("template parsing error: {error}\n"), exit: Exit::Template }
    }

    /// The same for a list, where docker says it otherwise.
    fn list_template(error: &TemplateError) -> Self {
        Self { text: format!("failed to parse template: {error}\n"), exit: Exit::Failure }
    }

    /// A word too many for a command, or one that names no command.
    pub(super) fn word(place: &Place<'_>, word: &str) -> Self {
        let name = place.name();
        let words = if place.command.has_subcommands() {
            format!("docker: unknown command: {name} {word}")
        } else if place.command.get_positionals().next().is_some() {
            format!("docker: '{name}' requires at most 1 argument")
        } else {
            format!("docker: '{name}' accepts no arguments")
        };
        Self { text: text(place, &words), exit: Exit::Failure }
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
                Self::option(place, &format!("unknown flag: {option}"))
            }
            ErrorKind::UnknownArgument if option.starts_with('-') => {
                let letter = option.chars().nth(1).unwrap_or('-');
                // clap names the letter alone, docker the word that it stands in.
                let has_it =
                    |word: &&&str| !word.starts_with("--") && word.starts_with('-') && word.contains(letter);
                let word = words.iter().find(has_it).copied().unwrap_or(option);
                Self::option(place, &format!("unknown shorthand flag: '{letter}' in {word}"))
            }
            ErrorKind::UnknownArgument | ErrorKind::TooManyValues => Self::word(place, argument),
            ErrorKind::InvalidSubcommand => Self::word(place, context(ContextKind::InvalidSubcommand)),
            ErrorKind::ValueValidation => {
                let why = error.source().map(ToString::to_string).unwrap_or_default();
                Self::value(place, option, context(ContextKind::InvalidValue), &why)
            }
            // clap's word for an option at the line's end without its value.
            ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
                Self::option(place, &format!("flag needs an argument: {option}"))
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

fn text(place: &Place<'_>, words: &str) -> String {
    let (usage, name) = (help::usage(place), place.name());
    format!("{words}\n\n{usage}\n\nRun '{name} --help' for more information\n")
}
