//! What is made from the tree of commands for the program standing alone: completion scripts
//! and manual pages.

use std::io;
use std::path::Path;

use clap::builder::{PossibleValuesParser, Resettable};
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;

use super::complete::fixed_values;
use super::help::is_switch;
use super::place::Place;
use super::{Program, UsageError};
use crate::usage::OptionError;

/// The program's file, by which shells know it.
fn file(tree: &Command) -> String {
    format!("docker-{}", tree.get_name())
}

/// The completion script for the shell that `words` name.
///
/// # Errors
/// Words that name no shell, or more than one.
pub(super) fn completion(tree: &Command, words: &[&str]) -> Result<String, UsageError> {
    let shell = match words {
        ["bash"] => Shell::Bash,
        ["zsh"] => Shell::Zsh,
        ["fish"] => Shell::Fish,
        ["powershell"] => Shell::PowerShell,
        _ => {
            return Err(UsageError::option(&Place::root(tree), OptionError::Shell));
        }
    };
    let file = file(tree);
    let generated = |name: &str| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut plain(tree.clone()), name, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    };
    // A hyphen is spelled in two ways by clap_complete 4.6, within one script for bash.
    let function = file.replace('-', "_");
    Ok(if shell == Shell::Bash { bash(&generated(&function), &function, &file) } else { generated(&file) })
}

/// A script whose functions are named after `function`, for the command `file`.
fn bash(script: &str, function: &str, file: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix("complete ") {
        Some(_) => {
            line.strip_suffix(function).map_or_else(|| line.to_owned(), |start| format!("{start}{file}"))
        }
        None => line.to_owned(),
    };
    script.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// The tree as scripts are to show it: switches without a value, and options with the
/// values that are known beforehand.
fn plain(command: Command) -> Command {
    let option = |option: Arg| {
        if is_switch(&option) {
            let option = option.require_equals(false).default_missing_value(None);
            let option = option.default_value(None).hide_default_value(false);
            return option.num_args(0).value_parser(clap::value_parser!(bool)).action(ArgAction::SetTrue);
        }
        let values = fixed_values(&option);
        if matches!(option.get_value_hint(), ValueHint::FilePath | ValueHint::DirPath) {
            option
        } else if values.is_empty() {
            option.value_hint(ValueHint::Other)
        } else {
            option.value_parser(PossibleValuesParser::new(values))
        }
    };
    command.mut_args(option).mut_subcommands(plain)
}

/// Writes a manual page for each command into `directory`, which is made when it is missing.
///
/// # Errors
/// Those of the file system.
pub fn manual<P: Program>(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let tree = super::tree::<P>();
    let name = file(&tree);
    let mut root = tree.name(name);
    // Gives each command its full name.
    root.build();
    pages(&root, directory)
}

/// The page of a command and those of its commands.
fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    for sub in command.get_subcommands() {
        pages(sub, directory)?;
    }
    let examples = command.get_after_help().map(ToString::to_string);
    // What comes last would be filled as prose, under a heading that says nothing.
    let page = Man::new(command.clone().after_help(Resettable::Reset));
    let mut text = Vec::new();
    page.render(&mut text)?;
    if let Some(examples) = examples {
        let lines = examples.lines().map(verbatim).collect::<Vec<_>>().join("\n");
        text.extend_from_slice(format!(".SH EXAMPLES\n.nf\n{lines}\n.fi\n").as_bytes());
    }
    text.extend_from_slice(EXIT_STATUS.as_bytes());
    std::fs::write(directory.join(page.get_filename()), text)
}

/// How all commands end.
const EXIT_STATUS: &str = ".SH \"EXIT STATUS\"\n\
    0 on success, 1 on an error, 64 for a template of one object that cannot be understood, 125 for\n\
    wrong usage, 128 and N when signal N ended it.\n";

/// A line as it is, for roff: no request, no escape, and hyphens that can be copied.
fn verbatim(line: &str) -> String {
    format!("\\&{}", line.trim_start().replace('\\', "\\e").replace('-', "\\-"))
}
