//! The settings that a container keeps until a start names them, one row each: its option in docker's words,
//! its grammar, and where the engine has it.

use super::grammar::Grammar;

/// A setting that stays as a backend has it where a start does not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// Names that the container knows beside those of its name servers.
    AddHost,
    /// What builds may ask for beyond the usual.
    Entitlements,
    /// Arguments of the daemon.
    Flags,
    /// The control group above its own.
    CgroupParent,
    /// What `CpuQuota` counts against.
    CpuPeriod,
    /// Its share of each period.
    CpuQuota,
    /// Its weight among others.
    CpuShares,
    /// How many processors' time it may use.
    Cpus,
    /// Which processors.
    CpusetCpus,
    /// Which memory nodes.
    CpusetMems,
    /// Variables of the daemon.
    Env,
    /// Devices for it.
    Gpus,
    /// Labels of the user's.
    Label,
    /// Its limit on memory.
    Memory,
    /// The limit on memory and swap.
    MemorySwap,
    /// The network that it is in.
    Network,
    /// When the engine starts it again.
    Restart,
}

/// What is known of one.
#[derive(Debug)]
pub struct Row {
    /// Its name for people: that of the option, and of buildx's driver option.
    pub name: &'static str,
    /// The option of a start; without one it is a driver option alone.
    pub option: Option<Words>,
    /// How its value is written.
    pub(super) grammar: Grammar,
    /// Where the engine has it.
    pub(super) place: Place,
    /// Whether the engine can give it another value while the container runs.
    pub(super) live: bool,
}

/// An option in docker's words.
#[derive(Debug)]
pub struct Words {
    /// Its letter.
    pub short: Option<char>,
    /// What its value is.
    pub kind: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// A part of `POST /containers/create`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This field of its `HostConfig`.
    Host(&'static str),
    /// The environment.
    Env,
    /// The labels.
    Labels,
    /// The arguments.
    Args,
}

impl Choice {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(choice, _)| *choice)
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|choice| choice.row().name == name)
    }

    /// What is known of it.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize].1
    }
}

const fn option(kind: &'static str, help: &'static str) -> Option<Words> {
    Some(Words { short: None, kind, help })
}

const fn lettered(short: char, kind: &'static str, help: &'static str) -> Option<Words> {
    Some(Words { short: Some(short), kind, help })
}

const fn fixed(name: &'static str, option: Option<Words>, grammar: Grammar, place: Place) -> Row {
    Row { name, option, grammar, place, live: false }
}

const fn live(name: &'static str, option: Option<Words>, grammar: Grammar, field: &'static str) -> Row {
    Row { name, option, grammar, place: Place::Host(field), live: true }
}

/// Each at the place of its variant.
const TABLE: [(Choice, Row); 17] = {
    use Place::Host;
    [
        (
            Choice::AddHost,
            fixed(
                "add-host",
                option("list", "Add a custom host-to-IP mapping for the daemon (host:ip)"),
                Grammar::Hosts,
                Host("ExtraHosts"),
            ),
        ),
        (
            Choice::Entitlements,
            fixed(
                "allow-insecure-entitlement",
                option(
                    "list",
                    "Let builds ask for \"network.host\", \"security.insecure\" (default \"network.host\", which is \
                     the backend's own network)",
                ),
                Grammar::Entitlements,
                Place::Args,
            ),
        ),
        (
            Choice::Flags,
            fixed("buildkitd-flags", option("string", "BuildKit daemon flags"), Grammar::Flags, Place::Args),
        ),
        (
            Choice::CgroupParent,
            fixed(
                "cgroup-parent",
                option("string", "Optional parent cgroup for the backend"),
                Grammar::Text,
                Host("CgroupParent"),
            ),
        ),
        (Choice::CpuPeriod, live("cpu-period", None, Grammar::Number, "CpuPeriod")),
        (Choice::CpuQuota, live("cpu-quota", None, Grammar::Number, "CpuQuota")),
        (Choice::CpuShares, live("cpu-shares", None, Grammar::Number, "CpuShares")),
        (Choice::Cpus, live("cpus", option("decimal", "Number of CPUs"), Grammar::Cpus, "NanoCpus")),
        (
            Choice::CpusetCpus,
            live(
                "cpuset-cpus",
                option("string", "CPUs in which to allow execution (0-3, 0,1)"),
                Grammar::Set,
                "CpusetCpus",
            ),
        ),
        (Choice::CpusetMems, live("cpuset-mems", None, Grammar::Set, "CpusetMems")),
        (
            Choice::Env,
            fixed(
                "env",
                lettered('e', "list", "Set environment variables of the daemon"),
                Grammar::Variables,
                Place::Env,
            ),
        ),
        (
            Choice::Gpus,
            fixed(
                "gpus",
                option("gpu-request", "GPU devices to add to the backend ('all' to pass all GPUs)"),
                Grammar::Gpus,
                Host("DeviceRequests"),
            ),
        ),
        (
            Choice::Label,
            fixed(
                "label",
                lettered('l', "list", "Set meta data on the backend"),
                Grammar::Labels,
                Place::Labels,
            ),
        ),
        (
            Choice::Memory,
            live("memory", lettered('m', "bytes", "Memory limit of the backend"), Grammar::Memory, "Memory"),
        ),
        (Choice::MemorySwap, live("memory-swap", None, Grammar::Swap, "MemorySwap")),
        (
            Choice::Network,
            fixed(
                "network",
                option("network", "Connect the backend to a network"),
                Grammar::Network,
                Host("NetworkMode"),
            ),
        ),
        (
            Choice::Restart,
            live(
                "restart",
                option(
                    "string",
                    "Restart policy to apply when the backend exits (default \"unless-stopped\")",
                ),
                Grammar::Restart,
                "RestartPolicy",
            ),
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_at_its_place() {
        for (at, choice) in Choice::all().enumerate() {
            assert_eq!(choice as usize, at);
            assert_eq!(Choice::named(choice.row().name), Some(choice));
        }
    }
}
