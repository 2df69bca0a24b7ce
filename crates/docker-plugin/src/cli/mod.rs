//! Docker's way with command lines, around a tree of commands in clap's terms: help, wrong usage,
//! completion, scripts for shells. Which commands there are is for [`Program`] to say.

mod complete;
mod error;
mod help;
mod place;
mod scripts;
mod times;
pub mod values;

pub use complete::{Completes, Completion, Offer, Source, Typed};
pub use error::{Refusal, UsageError};
pub use scripts::manual;
pub use times::duration;

use std::path::PathBuf;

use clap::{ArgAction, Command as Tree, Parser};

use crate::globals::Globals;
use crate::usage::OptionError;
use crate::{hooks, metadata};
use place::Place;

/// A program that docker runs: the derived tree of its commands, as clap has read them.
pub trait Program: Parser {
    /// A command with its options, checked.
    type Command;
    /// Where the values of its options come from, if not from the tree.
    type Source: Copy + std::fmt::Debug + Send + Sync + 'static;

    /// Checks what clap cannot: options that do not go together.
    ///
    /// # Errors
    /// What does not.
    fn check(self) -> Result<Self::Command, Refusal>;
}

/// What the user wants of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation<C, S> {
    /// Print the plugin's metadata.
    Metadata,
    /// Answer what docker tells about another command of its own.
    Hook(String),
    /// Print this text, which was asked for, to standard output.
    Help(String),
    /// The same, asked for by the short option that docker discourages.
    ShortHelp(String),
    /// Offer what a word may go on with.
    Complete(Box<Completion<S>>),
    /// Print this text to standard error, since a command is missing; that is no failure.
    Bare(String),
    /// Write manual pages into this directory.
    Manual(PathBuf),
    /// Run a command.
    Run(C),
}

/// What the user wants of a program.
pub type Wanted<P> = Invocation<<P as Program>::Command, <P as Program>::Source>;

/// Takes docker's global options off the front of a command line, and understands the rest.
///
/// # Errors
/// The text to print and the exit status.
pub fn understand<P: Program>(words: &[String]) -> Result<(Globals, Wanted<P>), UsageError> {
    let (globals, rest) =
        Globals::take(words).map_err(|error| UsageError::option(&Place::root(&tree::<P>()), error))?;
    Ok((globals, parse::<P>(rest)?))
}

/// Understands the words behind docker's global options: `hello say …`, the same
/// without the plugin's name when run by itself, and what docker asks of its plugins.
///
/// # Errors
/// The text to print and the exit status.
pub fn parse<P: Program>(words: &[String]) -> Result<Wanted<P>, UsageError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let root = tree::<P>();
    let name = root.get_name();
    match words.as_slice() {
        [metadata::COMMAND, ..] => Ok(Invocation::Metadata),
        [ask @ ("__complete" | "__completeNoDesc"), words @ ..] => {
            let wanted = complete::complete(&root, words, *ask == "__complete");
            Ok(Invocation::Complete(Box::new(wanted)))
        }
        ["completion", words @ ..] => scripts::completion(&root, words).map(Invocation::Help),
        ["man-pages", directory] => Ok(Invocation::Manual(PathBuf::from(directory))),
        [plugin, hooks::COMMAND, told] if *plugin == name => Ok(Invocation::Hook((*told).to_owned())),
        words => below_name::<P>(&root, words.strip_prefix(&[name]).unwrap_or(words)),
    }
}

/// The tree of commands, as docker would have it.
fn tree<P: Program>() -> Tree {
    // Help and errors are printed in docker's own shape, so clap's are turned off. As in docker, the
    // last of two equal options wins.
    let tree = P::command().disable_help_flag(true).disable_version_flag(true);
    like_dockers(tree.disable_help_subcommand(true).args_override_self(true))
}

/// Has a switch take `=true` and `=false` too, and every other option whatever follows for its value, a
/// word with a dash too.
fn like_dockers(command: Tree) -> Tree {
    const NO_NAMES: [&str; 0] = [];
    let option = |option: clap::Arg| match option.get_action() {
        ArgAction::SetTrue => option
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .hide_default_value(true)
            .default_missing_value("true")
            .value_parser(values::boolean)
            .value_names(NO_NAMES),
        _ if option.is_positional() => option,
        _ if help::is_switch(&option) => option.value_names(NO_NAMES),
        _ => option.num_args(1).allow_hyphen_values(true).hide_possible_values(true),
    };
    command.subcommand_required(false).mut_args(option).mut_subcommands(like_dockers)
}

fn below_name<P: Program>(root: &Tree, words: &[&str]) -> Result<Wanted<P>, UsageError> {
    let name = root.get_name();
    if let ["help", topic @ ..] = words {
        let topic = topic.strip_prefix(&[name]).unwrap_or(topic);
        let (place, rest) = Place::find(root, topic);
        return match rest.first() {
            Some(word) if !word.starts_with('-') => Err(UsageError::word(&place, word)),
            _ => Ok(Invocation::Help(help::help(&place))),
        };
    }
    let (place, rest) = Place::find(root, words);
    let asks = |option: &str| rest.iter().take_while(|word| **word != "--").any(|word| *word == option);
    if asks("--help") {
        return Ok(Invocation::Help(help::help(&place)));
    }
    if asks("-h") {
        return Ok(Invocation::ShortHelp(help::help(&place)));
    }
    if place.command.has_subcommands() {
        return match rest.first() {
            None => Ok(Invocation::Bare(help::help(&place))),
            Some(word) if word.starts_with("--") => {
                Err(UsageError::option(&place, OptionError::Unknown { option: (*word).to_owned() }))
            }
            Some(word) if word.starts_with('-') => {
                let letter = word.chars().nth(1).unwrap_or('-');
                let option = (*word).to_owned();
                Err(UsageError::option(&place, OptionError::UnknownShort { letter, option }))
            }
            Some(word) => Err(UsageError::word(&place, word)),
        };
    }
    let line = std::iter::once(&name).chain(place.path()).chain(rest);
    let mut matches = root
        .clone()
        .try_get_matches_from(line)
        .map_err(|error| UsageError::from_clap(&place, rest, &error))?;
    let program =
        P::from_arg_matches_mut(&mut matches).map_err(|error| UsageError::from_clap(&place, rest, &error))?;
    program.check().map(Invocation::Run).map_err(|refusal| UsageError::refused(&place, &refusal))
}
