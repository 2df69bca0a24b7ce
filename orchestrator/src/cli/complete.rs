//! Shell completion in the protocol of docker's plugins.

use clap::Command;

use crate::plugin::NAME;

/// The directive behind the candidates: no file names (4 in cobra's `ShellCompDirective`).
const NO_FILES: &str = ":4\n";
/// The directive that leaves it to the shell to offer file names.
const FILES: &str = ":0\n";

/// Candidates for the last of `words`, one per line with their descriptions behind a tab.
pub(super) fn complete(root: &Command, words: &[&str], describe: bool) -> String {
    let words = words.strip_prefix(&[NAME]).unwrap_or(words);
    let Some((partial, before)) = words.split_last() else { return NO_FILES.to_owned() };
    let (_, command, rest) = super::descend(root, before);
    let mut candidates: Vec<(String, String)> = Vec::new();
    if partial.starts_with('-') {
        for option in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let about = option.get_help().map(ToString::to_string).unwrap_or_default();
            candidates.push((format!("--{}", option.get_long().unwrap_or_default()), about));
        }
    } else if rest.is_empty() {
        for sub in command.get_subcommands() {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            candidates.push((sub.get_name().to_owned(), about));
        }
    } else if matches!(rest, [.., "--config"]) {
        return FILES.to_owned();
    } else if let Some(option) = rest.last().and_then(|word| word.strip_prefix("--")) {
        let values: &[&str] = match option {
            "pull" => &["missing", "always", "never"],
            "security" => &["auto", "privileged", "restricted"],
            "progress" => &["auto", "plain", "tty"],
            "format" if command.get_name() == "usage" => &["table", "pretty", "json"],
            "format" => &["json"],
            _ => &[],
        };
        candidates.extend(values.iter().map(|value| ((*value).to_owned(), String::new())));
    }
    let mut text = String::new();
    for (value, about) in candidates.into_iter().filter(|(value, _)| value.starts_with(partial)) {
        text.push_str(&value);
        if describe && !about.is_empty() {
            text.push('\t');
            text.push_str(&about);
        }
        text.push('\n');
    }
    text + NO_FILES
}
