//! `backend cache`: what the build cache holds, and how to empty it.

mod forecast;
mod limits;
mod policy;
mod purge;
mod record;
mod usage;

pub use limits::Limits;
pub use purge::{Manner, Purge, run as purge};
pub use usage::run as usage;

use crate::output::ListTemplate;

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
