//! Wrong command lines, in docker's words.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::help;
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

impl UsageError {
    /// A bad option in front of the plugin's name.
    #[must_use]
    pub fn global(words: &str) -> Self {
        Self::option(&super::tree::tree(), &[], words)
    }

    /// A bad option of the command at `path`.
    pub(super) fn option(command: &Command, path: &[&str], words: &str) -> Self {
        Self { text: text(command, path, words), exit: Exit::Usage }
    }

    /// A bad value of an option of the command at `path`.
    pub(super) fn value(command: &Command, path: &[&str], option: &str, value: &str, why: &str) -> Self {
        let words = match find(command, option) {
            // clap names an argument without dashes by its value's name, in brackets.
            None if !option.starts_with('-') => format!("invalid argument \"{value}\": {why}"),
            found => {
                let name = found.map_or_else(|| option.to_owned(), help::names);
                format!("invalid argument \"{value}\" for \"{name}\" flag: {why}")
            }
        };
        Self::option(command, path, &words)
    }

    /// A template for one object that cannot be understood: one line, as docker tells it.
    pub(super) fn template(error: &TemplateError) -> Self {
        Self { text: format!("template parsing error: {error}\n"), exit: Exit::Template }
    }

    /// The same for a list, where docker says it otherwise.
    pub(super) fn list_template(error: &TemplateError) -> Self {
        Self { text: format!("failed to parse template: {error}\n"), exit: Exit::Failure }
    }

    /// A word too many for the command at `path`, or one that names no command.
    pub(super) fn word(command: &Command, path: &[&str], word: &str) -> Self {
        let name = help::full_name(path);
        let words = if command.has_subcommands() {
            format!("docker: unknown command: {name} {word}")
        } else if command.get_positionals().next().is_some() {
            format!("docker: '{name}' requires at most 1 argument")
        } else {
            format!("docker: '{name}' accepts no arguments")
        };
        Self { text: text(command, path, &words), exit: Exit::Failure }
    }

    /// What clap found wrong with `words`, the arguments of the command at `path`.
    pub(super) fn from_clap(command: &Command, path: &[&str], words: &[&str], error: &clap::Error) -> Self {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        let argument = context(ContextKind::InvalidArg);
        // clap writes an option with its value's name: `--tail <string>`.
        let option = argument.split([' ', '=', '[']).next().unwrap_or_default();
        match error.kind() {
            ErrorKind::UnknownArgument if option.starts_with("--") => {
                Self::option(command, path, &format!("unknown flag: {option}"))
            }
            ErrorKind::UnknownArgument if option.starts_with('-') => {
                let letter = option.chars().nth(1).unwrap_or('-');
                // clap names the letter alone, docker the word that it stands in.
                let has_it =
                    |word: &&&str| !word.starts_with("--") && word.starts_with('-') && word.contains(letter);
                let word = words.iter().find(has_it).copied().unwrap_or(option);
                Self::option(command, path, &format!("unknown shorthand flag: '{letter}' in {word}"))
            }
            ErrorKind::UnknownArgument | ErrorKind::TooManyValues => Self::word(command, path, argument),
            ErrorKind::InvalidSubcommand => {
                Self::word(command, path, context(ContextKind::InvalidSubcommand))
            }
            ErrorKind::ValueValidation => {
                let why = error.source().map(ToString::to_string).unwrap_or_default();
                Self::value(command, path, option, context(ContextKind::InvalidValue), &why)
            }
            // clap's word for an option at the line's end without its value.
            ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
                Self::option(command, path, &format!("flag needs an argument: {option}"))
            }
            _ => {
                let words = error.to_string();
                let line = words.lines().next().unwrap_or_default();
                Self::option(command, path, line.trim_start_matches("error: "))
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

fn text(command: &Command, path: &[&str], words: &str) -> String {
    let (usage, name) = (help::usage(command, path), help::full_name(path));
    format!("{words}\n\n{usage}\n\nRun '{name} --help' for more information\n")
}
