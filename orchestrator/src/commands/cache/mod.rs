//! `backend cache`: what the build cache holds, and how to empty it.

mod filters;
mod forecast;
mod limits;
mod policy;
mod purge;
mod record;
mod usage;

pub use filters::{FilterError, with_configured};
pub use limits::{Limits, TooOld};
pub use purge::{LimitUntold, Manner, Purge, run as purge};
pub use usage::{TwoFormats, Usage, run as usage};

use clap::{Args, Subcommand};
use docker_plugin::output::ListTemplate;

use super::Named;

/// Manage the build cache
#[derive(Subcommand)]
pub(super) enum Cache {
    #[command(visible_alias = "prune")]
    Purge(Named<purge::Options>),
    #[command(visible_alias = "du")]
    Usage(Named<usage::Options>),
    Volume(Named<VolumeOptions>),
}

/// Print the name of the volume that keeps the cache where it exists
#[derive(Args)]
#[command(after_help = "  $ docker volume create \"$(docker assemble backend cache volume)\"")]
pub(super) struct VolumeOptions {}

/// How to print a usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A row for each record and a summary.
    #[default]
    Table,
    /// A paragraph for each record.
    Pretty,
    /// A JSON object on a line for each record.
    Json,
    /// The id of each record and nothing else.
    Ids,
    /// What a template makes of each record.
    Template(ListTemplate),
}

/// Filters are given to BuildKit as one, since it takes a record that any of several matches.
fn together(filters: &[String]) -> Vec<String> {
    if filters.is_empty() { Vec::new() } else { vec![filters.join(",")] }
}
