//! The options that name settings which else stay as they are, from the table of these, and the same in
//! buildx's spelling.

use clap::builder::TypedValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use explained::Explained;
use serde_json::Value;

use crate::commands::complete::{Source, images, networks};
use crate::commands::values::image;
use crate::desired::{Choice, ChoiceError, Chosen, ImageRef, NETWORK_HOST, csv};
use docker_plugin::cli::values::boolean;
use docker_plugin::cli::{Completes, Offer, Refusal, Typed};

/// The option for those that have none of their own.
pub(in crate::commands) const DRIVER_OPT: &str = "driver-opt";

/// What begins the driver options that are variables.
const VARIABLE: &str = "env.";

/// What was named.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The settings.
    pub(super) chosen: Chosen,
    /// The image, by a driver option.
    pub(super) image: Option<ImageRef>,
    /// Whether buildx loads what is built, by a driver option.
    pub(super) load: Option<bool>,
}

/// One driver option.
#[derive(Clone, Debug)]
enum DriverOption {
    Image(ImageRef),
    Load(bool),
    Choice(Choice, Value),
}

/// Why a driver option is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum DriverOptionError {
    /// It has no value.
    #[error("invalid value \"{text}\", expecting k=v")]
    #[advice = "write it so, with commas between several"]
    NoPair {
        /// As it was written.
        text: String,
    },
    /// There is none of that name.
    #[error("invalid driver option {key} for docker-container driver")]
    #[advice = "see `--help` for the options of a start"]
    Unknown {
        /// Its name.
        key: String,
    },
    /// Its value does not fit.
    #[error("{key} {why}")]
    #[advice = "what `{why}` says"]
    Value {
        /// Its name.
        key: String,
        /// What would fit.
        why: String,
    },
}

impl Args for Named {
    fn augment_args(command: Command) -> Command {
        let driver_option = Arg::new(DRIVER_OPT)
            .long(DRIVER_OPT)
            .value_name("list")
            .help("Options for the driver, as 'docker buildx create' takes them")
            .action(ArgAction::Append)
            .value_parser(driver_options)
            .add(Completes(keys));
        command.args(Choice::all().filter_map(option)).arg(driver_option)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn option(choice: Choice) -> Option<Arg> {
    let row = choice.row();
    let words = row.option.as_ref()?;
    let parser = (move |text: &str| choice.read(text)).map(move |value| (choice, value));
    let option = Arg::new(row.name)
        .long(row.name)
        .short(words.short)
        .value_name(words.kind)
        .help(words.help)
        .action(if choice.is_list() { ArgAction::Append } else { ArgAction::Set })
        .value_parser(parser);
    Some(match choice {
        Choice::Network => option.add(Completes(networks)),
        Choice::Entitlements => option.add(Completes(entitlements)),
        Choice::Restart => option.add(Completes(policies)),
        Choice::Gpus => option.add(Completes(|_: &Typed<'_>| offer(&["all"]))),
        _ => option,
    })
}

impl FromArgMatches for Named {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut named = Self::default();
        let lists = matches.get_many::<Vec<DriverOption>>(DRIVER_OPT).into_iter().flatten();
        for option in lists.flatten() {
            match option {
                DriverOption::Image(image) => named.image = Some(image.clone()),
                DriverOption::Load(load) => named.load = Some(*load),
                DriverOption::Choice(choice, value) => named.chosen.name(*choice, value.clone()),
            }
        }
        for choice in Choice::all().filter(|choice| choice.row().option.is_some()) {
            let values = matches.get_many::<(Choice, Value)>(choice.row().name).into_iter().flatten();
            values.for_each(|(choice, value)| named.chosen.name(*choice, value.clone()));
        }
        named.chosen = named.chosen.canonical();
        Ok(named)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Named {
    /// The settings, unless two of them exclude each other.
    pub(super) fn settings(&self) -> Result<Chosen, Refusal> {
        match self.chosen.conflict() {
            Some((one, other)) => Err(Refusal::Options(format!(
                "conflicting options: {} and {} exclude each other",
                one.row().name,
                other.row().name
            ))),
            None => Ok(self.chosen.clone()),
        }
    }
}

/// Driver options with commas between them.
fn driver_options(text: &str) -> Result<Vec<DriverOption>, DriverOptionError> {
    let no_pair = |text: &str| DriverOptionError::NoPair { text: text.to_owned() };
    csv::fields(text)
        .ok_or_else(|| no_pair(text))?
        .iter()
        .map(|field| {
            let (key, value) = field.split_once('=').ok_or_else(|| no_pair(field))?;
            driver_option(key, value)
        })
        .collect()
}

fn driver_option(key: &str, value: &str) -> Result<DriverOption, DriverOptionError> {
    let unfit = |why: String| DriverOptionError::Value { key: key.to_owned(), why };
    let read = |choice: Choice, value: &str| {
        let value = choice.read(value).map_err(|error: ChoiceError| unfit(error.to_string()))?;
        Ok(DriverOption::Choice(choice, value))
    };
    if key == "image" {
        return image(value).map(DriverOption::Image).map_err(|error| unfit(error.to_string()));
    }
    if key == "default-load" {
        return boolean(value).map(DriverOption::Load).map_err(|error| unfit(error.to_string()));
    }
    if let Some(name) = key.strip_prefix(VARIABLE).filter(|name| !name.is_empty()) {
        return read(Choice::Env, &format!("{name}={value}"));
    }
    match DRIVER_CHOICES.iter().find(|(name, _)| *name == key) {
        Some((_, choice)) => read(*choice, value),
        None => Err(DriverOptionError::Unknown { key: key.to_owned() }),
    }
}

/// The settings that buildx has driver options for.
const DRIVER_CHOICES: [(&str, Choice); 10] = [
    ("cgroup-parent", Choice::CgroupParent),
    ("cpu-period", Choice::CpuPeriod),
    ("cpu-quota", Choice::CpuQuota),
    ("cpu-shares", Choice::CpuShares),
    ("cpuset-cpus", Choice::CpusetCpus),
    ("cpuset-mems", Choice::CpusetMems),
    ("memory", Choice::Memory),
    ("memory-swap", Choice::MemorySwap),
    ("network", Choice::Network),
    ("restart-policy", Choice::Restart),
];

fn offer(values: &[&str]) -> Offer<Source> {
    let values = values.iter().map(ToString::to_string).collect();
    Offer { values, ..Offer::default() }
}

fn entitlements(_: &Typed<'_>) -> Offer<Source> {
    offer(&[NETWORK_HOST, "security.insecure"])
}

fn policies(_: &Typed<'_>) -> Offer<Source> {
    offer(&["always", "no", "on-failure", "unless-stopped"])
}

/// The keys of driver options, and the values of those that have few, in a list.
fn keys(typed: &Typed<'_>) -> Offer<Source> {
    let begun = typed.partial.rfind(',').map_or(0, |comma| comma + 1);
    let (key, done) = match typed.partial[begun..].split_once('=') {
        Some((key, _)) => (key, begun + key.len() + 1),
        None => ("", begun),
    };
    let offered = match key {
        "" => {
            let keys = DRIVER_CHOICES.iter().map(|(key, _)| format!("{key}="));
            let others = ["default-load=", VARIABLE, "image="].map(str::to_owned);
            Offer { values: keys.chain(others).collect(), goes_on: true, ..Offer::default() }
        }
        "restart-policy" => policies(typed),
        "default-load" => offer(&["true", "false"]),
        "network" => networks(typed),
        "image" => images(typed),
        _ => Offer::default(),
    };
    Offer { done, ..offered }
}
