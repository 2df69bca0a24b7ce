//! Help in the shape of docker's own.

use clap::{Arg, ArgAction, Command};

use super::place::Place;

/// How wide help is: what docker assumes where it cannot tell.
const WIDTH: usize = 80;

/// Names of commands are padded to this, as in docker's help.
const NAME_WIDTH: usize = 11;

/// The line that says how a command is used.
pub(super) fn usage(place: &Place<'_>) -> String {
    let command = place.command;
    let shape = match (command.has_subcommands(), command.get_arguments().next().is_some()) {
        (true, _) => " COMMAND",
        (false, true) => " [OPTIONS]",
        (false, false) => "",
    };
    let word = |word: &Arg| {
        let name = word.get_value_names()?.first()?;
        let several = if matches!(word.get_action(), ArgAction::Append) { "..." } else { "" };
        Some(if word.is_required_set() {
            format!(" {name} [{name}...]")
        } else {
            format!(" [{name}{several}]")
        })
    };
    let words: String = command.get_positionals().filter_map(word).collect();
    format!("Usage:  {}{shape}{words}", place.name())
}

/// The help of a command.
pub(super) fn help(place: &Place<'_>) -> String {
    let command = place.command;
    let mut text = format!("{}\n", usage(place));
    if let Some(about) = command.get_about() {
        text.push_str(&format!("\n{about}\n"));
    }
    if command.get_visible_aliases().next().is_some() {
        text.push_str(&format!("\nAliases:\n  {}\n", place.names().join(", ")));
    }
    if let Some(examples) = command.get_after_help() {
        text.push_str(&format!("\nExamples:\n{examples}\n"));
    }
    let (groups, leaves): (Vec<_>, Vec<_>) = command.get_subcommands().partition(|sub| sub.has_subcommands());
    for (caption, commands) in [("Management Commands:", groups), ("Commands:", leaves)] {
        if !commands.is_empty() {
            text.push_str(&format!("\n{caption}\n"));
        }
        for sub in commands {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {:NAME_WIDTH$} {about}\n", sub.get_name()));
        }
    }
    let options = options_of(command);
    if !options.is_empty() {
        text.push_str("\nOptions:\n");
        text.push_str(&option_lines(&options));
    }
    if command.has_subcommands() {
        let name = place.name();
        text.push_str(&format!("\nRun '{name} COMMAND --help' for more information on a command.\n"));
    }
    text
}

/// A command's options by their names, as docker lists them, wherever they are declared.
pub(super) fn options_of(command: &Command) -> Vec<&Arg> {
    let mut options: Vec<_> = command.get_arguments().filter(|arg| !arg.is_positional()).collect();
    options.sort_by_key(|option| option.get_long());
    options
}

/// The words that name an option in messages: `-f, --follow`.
pub(super) fn names(option: &Arg) -> String {
    let long = option.get_long().unwrap_or_default();
    match option.get_short() {
        Some(short) => format!("-{short}, --{long}"),
        None => format!("--{long}"),
    }
}

fn option_lines(options: &[&Arg]) -> String {
    let heads: Vec<String> = options.iter().map(|option| head(option)).collect();
    let column = heads.iter().map(String::len).max().unwrap_or_default() + 3;
    let mut text = String::new();
    for (option, head) in options.iter().zip(&heads) {
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        let mut lines = wrap(&help, WIDTH.saturating_sub(column)).into_iter();
        text.push_str(&format!("{head:column$}{}\n", lines.next().unwrap_or_default()));
        for line in lines {
            text.push_str(&format!("{:column$}{line}\n", ""));
        }
    }
    text
}

/// An option's left column: `  -n, --tail string`.
fn head(option: &Arg) -> String {
    let indent = if option.get_short().is_some() { "  " } else { "      " };
    let kind = option.get_value_names().filter(|_| !is_switch(option)).and_then(<[_]>::first);
    let kind = kind.map(|kind| format!(" {kind}")).unwrap_or_default();
    format!("{indent}{}{kind}", names(option))
}

/// Whether an option needs no value.
pub(super) fn is_switch(option: &Arg) -> bool {
    option.is_require_equals_set()
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if lines[last].len() + 1 + word.len() <= width {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
