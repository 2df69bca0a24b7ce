//! Shell completion in the protocol of docker's plugins.

use clap::{Arg, ArgAction, Command};

use super::help::is_switch;
use crate::forward::asked;
use crate::plugin::{GlobalError, Globals, NAME};

/// Directives behind the candidates (bits of cobra's `ShellCompDirective`): no file names, as
/// everywhere but for files; and no space behind a candidate that goes on.
const NO_FILES: u8 = 4;
const NO_SPACE: u8 = 2;

/// What the shell wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The global options in front, by which the engine is found.
    pub globals: Globals,
    /// Where more candidates come from.
    pub source: Option<Source>,
    candidates: Vec<(String, String)>,
    /// What is typed of the candidate.
    partial: String,
    /// What is in front of the candidate in the same word: the list so far.
    before: String,
    /// What the option was given already: nobody wants it again.
    taken: Vec<String>,
    directive: u8,
    describe: bool,
}

/// Where candidates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The engine's volumes.
    Volumes,
    /// The engine's images.
    Images,
    /// The ports that the backend forwards.
    ForwardedPorts,
    /// The ports on which something listens on this host.
    HostPorts,
    /// Docker's contexts.
    Contexts,
    /// The backend's containers.
    Containers,
}

impl Completion {
    /// What to print: a candidate per line, its description behind a tab, the directive last.
    /// `found` comes from [`Self::source`].
    #[must_use]
    pub fn text(&self, found: Vec<String>) -> String {
        let found = found.into_iter().map(|value| (value, String::new()));
        let mut text = String::new();
        for (value, about) in self.candidates.iter().cloned().chain(found) {
            if !value.starts_with(&self.partial) || self.taken.contains(&value) {
                continue;
            }
            text.push_str(&self.before);
            text.push_str(&value);
            if self.describe && !about.is_empty() {
                text.push('\t');
                text.push_str(&about);
            }
            text.push('\n');
        }
        text + &format!(":{}\n", self.directive)
    }

    fn offer(&mut self, values: &[&str]) {
        self.candidates = values.iter().map(|value| ((*value).to_owned(), String::new())).collect();
    }
}

/// Understands what is to be completed: the last of `words`.
pub(super) fn complete(root: &Command, words: &[&str], describe: bool) -> Completion {
    let mut wanted = Completion { directive: NO_FILES, describe, ..Completion::default() };
    let Some((partial, before)) = words.split_last() else { return wanted };
    wanted.partial = (*partial).to_owned();
    let before: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
    let rest = match Globals::take(&before) {
        Ok((globals, rest)) => {
            wanted.globals = globals;
            rest
        }
        Err(GlobalError::NoValue(_)) => {
            wanted.globals =
                Globals::take(&before[..before.len() - 1]).map(|(globals, _)| globals).unwrap_or_default();
            wanted.source = matches!(before.last().map(String::as_str), Some("--context" | "-c"))
                .then_some(Source::Contexts);
            return wanted;
        }
        Err(_) => return wanted,
    };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let (_, command, rest) = super::descend(root, rest.strip_prefix(&[NAME]).unwrap_or(&rest));
    let option = |name: &str| command.get_arguments().find(|option| option.get_long() == Some(name));
    if let Some((name, value)) = partial.strip_prefix("--").and_then(|word| word.split_once('=')) {
        wanted.partial = value.to_owned();
        if let Some(option) = option(name) {
            values(&mut wanted, command, option, rest);
        } else if name == "context" && rest.is_empty() {
            wanted.source = Some(Source::Contexts);
        }
    } else if let Some(option) = rest.last().and_then(|word| taking(command, word)) {
        values(&mut wanted, command, option, &rest[..rest.len() - 1]);
    } else if partial.starts_with('-') {
        wanted.candidates = options(command);
    } else if command.get_positionals().next().is_some() {
        if words_of(command, rest) == 0 {
            positional(&mut wanted, command);
        }
    } else if rest.is_empty() {
        let about = |sub: &Command| sub.get_about().map(ToString::to_string).unwrap_or_default();
        wanted.candidates =
            command.get_subcommands().map(|sub| (sub.get_name().to_owned(), about(sub))).collect();
    }
    wanted
}

/// The names of the options, each with what it does, the long one before the short one.
fn options(command: &Command) -> Vec<(String, String)> {
    let options = command.get_arguments().filter(|option| !option.is_positional());
    options
        .flat_map(|option| {
            let about = option.get_help().map(ToString::to_string).unwrap_or_default();
            let long = option.get_long().map(|name| format!("--{name}"));
            let short = option.get_short().map(|letter| format!("-{letter}"));
            long.into_iter().chain(short).map(move |name| (name, about.clone()))
        })
        .collect()
}

/// The option that takes the next word for its value, if `word` ends in one.
fn taking<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let option = match word.strip_prefix("--") {
        Some(long) => command.get_arguments().find(|option| option.get_long() == Some(long)),
        // The last letter of a group may take a value.
        None => {
            let last = word.strip_prefix('-').and_then(|group| group.chars().last());
            command.get_arguments().find(|option| last.is_some() && option.get_short() == last)
        }
    };
    option.filter(|option| !is_switch(option))
}

/// How many of the words are neither options nor their values.
fn words_of(command: &Command, words: &[&str]) -> usize {
    let is_value = |at: usize| at > 0 && taking(command, words[at - 1]).is_some();
    (0..words.len()).filter(|at| !words[*at].starts_with('-') && !is_value(*at)).count()
}

/// Offers what may stand behind a command.
fn positional(wanted: &mut Completion, command: &Command) {
    wanted.source = match command.get_name() {
        "logs" => Some(Source::Containers),
        "doctor" => Some(Source::HostPorts),
        _ => None,
    };
}

/// The values of an option of a command that are always the same; a format may also be a template.
pub(super) fn fixed_values(command: &str, option: &str) -> &'static [&'static str] {
    match (command, option) {
        (_, "pull") => &["missing", "always", "never"],
        (_, "security") => &["auto", "privileged", "restricted"],
        (_, "progress") => &["auto", "plain", "tty", "quiet"],
        ("usage", "format") => &["table", "pretty", "json"],
        ("stats", "format") => &["table", "json"],
        (_, "format") => &["pretty", "json"],
        _ => &[],
    }
}

/// The values that an option was given in these words.
fn given(words: &[&str], option: &str) -> Vec<String> {
    let value = |(at, word): (usize, &&str)| match word.strip_prefix("--")?.split_once('=') {
        Some((name, value)) if name == option => Some(value.to_owned()),
        None if word[2..] == *option => words.get(at + 1).map(|value| (*value).to_owned()),
        _ => None,
    };
    words.iter().enumerate().filter_map(value).collect()
}

/// The ports inside that these values forward, as far as they can be understood.
fn forwarded(values: &[String]) -> impl Iterator<Item = String> {
    let words = values.iter().flat_map(|list| list.split(','));
    let read = words.filter_map(|word| asked::ports(word).or_else(|_| asked::hosts(word)).ok()).flatten();
    read.flat_map(|word| word.inside().map(|port| port.to_string()).collect::<Vec<_>>())
}

/// Offers the values of an option, which comes behind `words`.
fn values(wanted: &mut Completion, command: &Command, option: &Arg, words: &[&str]) {
    let name = option.get_long().unwrap_or_default();
    wanted.offer(fixed_values(command.get_name(), name));
    if matches!(option.get_action(), ArgAction::Append) {
        wanted.taken = given(words, name);
    }
    match name {
        "filter" => filters(wanted, command.get_name() == "usage"),
        "cache-volume" => wanted.source = Some(Source::Volumes),
        "image" | "proxy-image" => wanted.source = Some(Source::Images),
        "proxy" => wanted.source = Some(Source::ForwardedPorts),
        "allow-host-port" => {
            wanted.source = Some(Source::HostPorts);
            if let Some(comma) = wanted.partial.rfind(',') {
                let partial = wanted.partial.split_off(comma + 1);
                wanted.before = std::mem::replace(&mut wanted.partial, partial);
                wanted.taken.push(wanted.before.trim_end_matches(',').to_owned());
            }
            wanted.taken.extend(given(words, "forward"));
            wanted.taken = forwarded(&wanted.taken).collect();
        }
        "config" => wanted.directive = 0,
        _ => {}
    }
}

/// The keys of filters, and the kinds of records.
fn filters(wanted: &mut Completion, in_usage: bool) {
    if wanted.partial.starts_with("type=") {
        wanted.offer(&[
            "type=exec.cachemount",
            "type=frontend",
            "type=internal",
            "type=regular",
            "type=source.git.checkout",
            "type=source.local",
        ]);
        return;
    }
    wanted.offer(&[
        "description~=",
        "id=",
        "inuse",
        "mutable",
        "parents=",
        "private",
        "shared",
        "type=",
        "until=",
    ]);
    if in_usage {
        wanted.candidates.retain(|(value, _)| value != "until=");
    }
    // A key that is whole needs no value behind it.
    let is_whole = |value: &String| value.starts_with(&wanted.partial) && !value.ends_with('=');
    if !wanted.candidates.iter().any(|(value, _)| is_whole(value)) {
        wanted.directive |= NO_SPACE;
    }
}
