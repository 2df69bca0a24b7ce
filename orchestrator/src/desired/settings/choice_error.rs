//! Why a value of a setting does not fit.

use explained::Explained;

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum ChoiceError {
    /// `--add-host` without a name or an address.
    #[error("must be a name and an address, such as registry.local:192.0.2.7 or registry.local:host-gateway")]
    #[advice = "write it so"]
    Host,
    /// `--allow-insecure-entitlement` with another word.
    #[error("must be \"network.host\", \"security.insecure\" or \"device\"")]
    #[advice = "take one of those"]
    Entitlement,
    /// `--buildkitd-flags` with a quote that does not end.
    #[error("must be words as in a shell")]
    #[advice = "close the quotes"]
    Words,
    /// `--buildkitd-flags` with a flag that the backend relies on.
    #[error("\"{flag}\" is set by the backend itself")]
    #[advice = "leave it out; `--config` brings a configuration file"]
    OwnFlag {
        /// The flag.
        flag: String,
    },
    /// A number cannot be read.
    #[error("must be a number")]
    #[advice = "write one"]
    Number,
    /// `--cpus` cannot be read.
    #[error("must be a number of CPUs such as 2 or 1.5")]
    #[advice = "write it so"]
    Cpus,
    /// `--cpuset-cpus` cannot be read.
    #[error("must be numbers and ranges such as 0-3 or 0,2")]
    #[advice = "write it so"]
    Set,
    /// `--env` without a name.
    #[error("must be a variable, NAME=VALUE, or NAME alone for the value that it has here")]
    #[advice = "write it so"]
    Variable,
    /// `--label` without a name, or with white space in it.
    #[error("must be a label, KEY=VALUE, without white space in its key")]
    #[advice = "write it so"]
    Label,
    /// `--label` with one of ours.
    #[error("labels that begin with \"io.github.docker-assemble.\" are docker assemble's own")]
    #[advice = "take another key"]
    OwnLabel,
    /// `--gpus` cannot be read.
    #[error("must be \"all\", a number, or keys such as device=0 or capabilities=utility")]
    #[advice = "write it so"]
    Gpus,
    /// A size cannot be read.
    #[error("must be a size such as 512m or 2g, of 6m at least")]
    #[advice = "write it so"]
    Memory,
    /// `memory-swap` cannot be read.
    #[error("must be a size such as 512m or 2g, or -1 for as much as there is")]
    #[advice = "write it so"]
    Swap,
    /// `--network` with what shares another's network.
    #[error(
        "the backend has a network of its own; 'docker buildx create --driver-opt network=host' makes a builder \
         in the host's"
    )]
    #[advice = "name a network of the engine's (`docker network ls`)"]
    NoOwnNetwork,
    /// `--restart` with another policy.
    #[error("must be \"no\", \"always\", \"unless-stopped\" or \"on-failure[:max-retries]\"")]
    #[advice = "take one of those"]
    Policy,
}
