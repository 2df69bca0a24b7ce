//! `backend port`: one forward more or less, whatever else is forwarded.

mod change;
mod list;

pub use change::{Change, ChangeError, run as change, wish};
pub use list::{List, run as list};

use clap::Subcommand;

/// Manage the ports that are forwarded
#[derive(Subcommand)]
pub(super) enum Port {
    Add(change::AddOptions),
    #[command(visible_alias = "list")]
    Ls(list::Options),
    #[command(visible_alias = "remove")]
    Rm(change::RmOptions),
}
