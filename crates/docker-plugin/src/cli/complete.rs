//! Shell completion in the protocol of docker's plugins.

use std::fmt::Debug;

use clap::builder::ArgExt;
use clap::{Arg, ArgAction, Command, ValueHint};

use super::help::{is_switch, options_of};
use super::place::Place;
use crate::globals::Globals;
use crate::usage::OptionError;

/// Directives behind the candidates (bits of cobra's `ShellCompDirective`): no file names, as
/// everywhere but for files; directories alone, since bash offers files where there are none; and no space
/// behind a candidate that goes on.
const NO_FILES: u8 = 4;
const DIRECTORIES: u8 = 16 | NO_FILES;
const NO_SPACE: u8 = 2;

/// What the shell wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion<S> {
    /// The global options in front, by which the engine is found.
    pub globals: Globals,
    /// Where more candidates come from.
    pub source: Option<Source<S>>,
    candidates: Vec<(String, String)>,
    /// The words in front of the one that is completed.
    words: Vec<String>,
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
pub enum Source<S> {
    /// Docker's contexts.
    Contexts,
    /// Whatever the program has a name for.
    Own(S),
}

/// Beside an option that it is added to: how its values are completed.
#[derive(Clone, Copy, Debug)]
pub struct Completes<S>(pub fn(&Typed<'_>) -> Offer<S>);

impl<S: Copy + Debug + Send + Sync + 'static> ArgExt for Completes<S> {}

/// What is typed of a value.
#[derive(Clone, Copy, Debug)]
pub struct Typed<'a> {
    /// Up to the cursor.
    pub partial: &'a str,
    /// The words in front of the option.
    words: &'a [&'a str],
}

impl Typed<'_> {
    /// The values that an option was given.
    #[must_use]
    pub fn given(&self, option: &str) -> Vec<String> {
        given(self.words, option)
    }

    /// The words that begin like no option. The value of one may be among them.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let words = self.words.iter().filter(|word| !word.starts_with('-'));
        words.map(|word| (*word).to_owned()).collect()
    }
}

/// What a value may go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<S> {
    /// Values that are always the same.
    pub values: Vec<String>,
    /// Where more of them come from.
    pub source: Option<S>,
    /// Those that nobody wants again, beside the ones that the option was given.
    pub taken: Vec<String>,
    /// How many bytes of what is typed are done, such as the words of a list.
    pub done: usize,
    /// Whether what is offered goes on.
    pub goes_on: bool,
    /// Whether the shell offers files too.
    pub files: bool,
}

impl<S> Default for Offer<S> {
    fn default() -> Self {
        let (values, taken) = (Vec::new(), Vec::new());
        Self { values, source: None, taken, done: 0, goes_on: false, files: false }
    }
}

impl<S> Offer<S> {
    /// What there is.
    #[must_use]
    pub fn of(source: S) -> Self {
        Self { source: Some(source), ..Self::default() }
    }
}

impl<S> Completion<S> {
    /// The values that an option was given already.
    #[must_use]
    pub fn given(&self, option: &str) -> Vec<String> {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        given(&words, option)
    }

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
}

/// Understands what is to be completed: the last of `words`.
pub(super) fn complete<S: Copy + Debug + Send + Sync + 'static>(
    root: &Command,
    words: &[&str],
    describe: bool,
) -> Completion<S> {
    let mut wanted = Completion {
        globals: Globals::default(),
        source: None,
        candidates: Vec::new(),
        words: Vec::new(),
        partial: String::new(),
        before: String::new(),
        taken: Vec::new(),
        directive: NO_FILES,
        describe,
    };
    let Some((partial, before)) = words.split_last() else { return wanted };
    wanted.partial = (*partial).to_owned();
    let before: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
    let rest = match Globals::take(&before) {
        Ok((globals, rest)) => {
            wanted.globals = globals;
            rest
        }
        Err(OptionError::NoValue { .. }) => {
            wanted.globals =
                Globals::take(&before[..before.len() - 1]).map(|(globals, _)| globals).unwrap_or_default();
            wanted.source = matches!(before.last().map(String::as_str), Some("--context" | "-c"))
                .then_some(Source::Contexts);
            return wanted;
        }
        Err(_) => return wanted,
    };
    wanted.words = rest.to_vec();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let (place, rest) = Place::find(root, rest.strip_prefix(&[root.get_name()]).unwrap_or(&rest));
    let command = place.command;
    let option = |name: &str| command.get_arguments().find(|option| option.get_long() == Some(name));
    if let Some((name, value)) = partial.strip_prefix("--").and_then(|word| word.split_once('=')) {
        wanted.partial = value.to_owned();
        if let Some(option) = option(name) {
            values(&mut wanted, option, rest);
        } else if name == "context" && rest.is_empty() {
            wanted.source = Some(Source::Contexts);
        }
    } else if let Some(option) = rest.last().and_then(|word| taking(command, word)) {
        values(&mut wanted, option, &rest[..rest.len() - 1]);
    } else if partial.starts_with('-') {
        wanted.candidates = options(command);
    } else if let Some(word) = command.get_positionals().next() {
        if word.is_required_set() || words_of(command, rest) == 0 {
            values(&mut wanted, word, rest);
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
    options_of(command)
        .into_iter()
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

/// The values of an option that are always the same; a format may also be a template.
pub(super) fn fixed_values(option: &Arg) -> Vec<String> {
    let values = option.get_value_parser().possible_values().into_iter().flatten();
    values.map(|value| value.get_name().to_owned()).collect()
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

/// Offers the values of an option, which comes behind `words`.
fn values<S: Copy + Debug + Send + Sync + 'static>(wanted: &mut Completion<S>, option: &Arg, words: &[&str]) {
    let mut offered = fixed_values(option);
    if let (ArgAction::Append, Some(name)) = (option.get_action(), option.get_long()) {
        wanted.taken = given(words, name);
    }
    match option.get_value_hint() {
        ValueHint::FilePath => wanted.directive = 0,
        ValueHint::DirPath => wanted.directive = DIRECTORIES,
        _ => {}
    }
    if let Some(Completes(complete)) = option.get::<Completes<S>>() {
        let offer = complete(&Typed { partial: &wanted.partial, words });
        offered.extend(offer.values);
        wanted.source = offer.source.map(Source::Own);
        wanted.taken.extend(offer.taken);
        let partial = wanted.partial.split_off(offer.done);
        wanted.before = std::mem::replace(&mut wanted.partial, partial);
        if offer.goes_on {
            wanted.directive |= NO_SPACE;
        }
        if offer.files {
            wanted.directive &= !NO_FILES;
        }
    }
    wanted.candidates = offered.into_iter().map(|value| (value, String::new())).collect();
}
