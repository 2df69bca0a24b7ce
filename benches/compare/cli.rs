//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::columns::Column;
use crate::load::client::Load;

/// Measures TCP forwarders beside each other.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    /// Our relay, as it is shipped; without it nothing is measured
    #[arg(long)]
    pub(crate) proxy: Option<PathBuf>,
    /// Another build of it, to be measured beside it as "before" and "before-lo"
    #[arg(long)]
    pub(crate) before: Option<PathBuf>,
    /// Only these forwarders, and what they are compared with
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only these columns
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) columns: Vec<Column>,
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// How long each measurement takes
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// The priority of everything that is measured, -20 to 19: below 0 it keeps off a busy
    /// machine's other work
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) nice: i32,
    /// The congestion control of everything that is measured, as reno, cubic or bbr [default: this
    /// host's own]
    #[arg(long, value_name = "NAME")]
    pub(crate) congestion_control: Option<String>,
    /// Write a report, samples and pictures to files whose names begin with this
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// For the report: the commit that is measured
    #[arg(long, default_value = "unknown")]
    pub(crate) commit: String,
    /// For the report: the command that was given
    #[arg(long, default_value = "cargo bench --bench compare")]
    pub(crate) told: String,
    /// What cargo bench says to every benchmark
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// The parts that other processes of this program play.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    #[command(hide = true)]
    Server {
        #[arg(long)]
        port: u16,
    },
    #[command(hide = true)]
    Client(Load),
    #[command(hide = true)]
    Least {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        to: SocketAddr,
        #[arg(long)]
        busy: bool,
    },
    #[command(hide = true)]
    Exec {
        #[arg(long)]
        core: usize,
        #[arg(long, allow_negative_numbers = true)]
        nice: i32,
        #[arg(long)]
        user: Option<u32>,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}
