//! `backend port`: one forward more or less, whatever else is forwarded.

mod change;
mod list;

pub use change::{Change, ChangeError, run as change, wish};
pub use list::run as list;

use clap::Subcommand;

use super::Named;

/// Manage the ports that are forwarded
#[derive(Subcommand)]
pub(super) enum Port {
    Add(Named<change::AddOptions>),
    #[command(visible_alias = "list")]
    Ls(Named<list::Options>),
    #[command(visible_alias = "remove")]
    Rm(Named<change::RmOptions>),
}
