//! Measures this relay beside other forwarders and no forwarder at all, in one run.
//!
//! `scripts/compare.sh` builds the relay as it is shipped, installs the others and runs this.
//!
//! | file | what lives there |
//! |---|---|
//! | `topology`, `process` | namespaces; processes pinned to cores; both removed whatever happens |
//! | `peers`, `columns` | the forwarders and how they are started; what is measured |
//! | `load` | the clients and the server, as processes of this same program |
//! | `measure`, `procfs` | one measurement; the kernel's clocks |
//! | `report`, `plots` | tables, samples and pictures |

mod columns;
mod load;
mod measure;
mod peers;
mod process;
mod procfs;
mod report;
mod summary;
mod topology;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use columns::Column;
use measure::{Bench, Sample};
use peers::Peer;
use process::Scratch;

/// Measures TCP forwarders beside each other.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// Our relay, as it is shipped; without it nothing is measured
    #[arg(long)]
    proxy: Option<PathBuf>,
    /// Only these forwarders
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these columns
    #[arg(long, value_delimiter = ',', value_enum)]
    columns: Vec<Column>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each measurement takes
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The priority of everything that is measured, -20 to 19: below 0 it keeps off a busy
    /// machine's other work
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    nice: i32,
    /// What cargo bench says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The parts that other processes of this program play.
#[derive(Debug, Subcommand)]
enum Role {
    #[command(hide = true)]
    Server {
        #[arg(long)]
        port: u16,
    },
    #[command(hide = true)]
    Client(load::client::Load),
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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.role {
        Some(Role::Server { port }) => load::server::serve(*port),
        Some(Role::Client(load)) => load.run(),
        Some(Role::Exec { core, nice, user, command }) => process::exec(*core, *nice, *user, command),
        None => compare(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(cli: &Cli) -> anyhow::Result<()> {
    let Some(proxy) = &cli.proxy else {
        // Part of every `cargo bench`, but it needs root, other forwarders and half an hour.
        eprintln!("nothing compared: scripts/compare.sh does that");
        return Ok(());
    };
    process::catch_interrupts()?;
    let known = peers::all();
    if let Some(name) = cli.only.iter().find(|name| !known.iter().any(|peer| peer.name == **name)) {
        anyhow::bail!("no forwarder is called \"{name}\"; there are {}", names(&known).join(", "));
    }
    let wanted = |peer: &Peer| cli.only.is_empty() || cli.only.iter().any(|name| name == peer.name);
    let needed = |peer: &Peer| known.iter().any(|other| wanted(other) && other.way.baseline() == peer.name);
    let mut chosen = Vec::new();
    for peer in known.iter().filter(|peer| wanted(peer) || needed(peer)) {
        if peer.way.is_bare() || peer.program(proxy).is_some() {
            chosen.push(peer.clone());
        } else {
            println!("without {}: it is not installed", peer.name);
        }
    }
    let columns = if cli.columns.is_empty() { Column::value_variants() } else { &cli.columns };
    let scratch = Scratch::make()?;
    let mut samples = Vec::new();
    let done = Bench::new(proxy, scratch.path(), cli.seconds, cli.nice)
        .and_then(|mut bench| rounds(cli, columns, &chosen, &mut samples, &mut bench));
    if !samples.is_empty() {
        println!("\n{}", report::text(&report::overview(&samples, columns, &chosen)));
    }
    done
}

/// Interleaved, so that whatever else the machine does meets everyone alike.
fn rounds(
    cli: &Cli,
    columns: &[Column],
    peers: &[Peer],
    samples: &mut Vec<Sample>,
    bench: &mut Bench,
) -> anyhow::Result<()> {
    for round in 0..cli.rounds {
        for &column in columns {
            for peer in in_turn(peers, round).filter(|peer| column.has_direct() || !peer.way.is_bare()) {
                match bench.sample(round, column, peer) {
                    Ok(sample) => {
                        println!("{}", report::line(samples, &sample, peer));
                        samples.push(sample);
                    }
                    Err(error) => {
                        process::check_interrupt()?;
                        println!("{:>2}  {:<13} {:<13} {error:#}", round + 1, column.name(), peer.name);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The baselines first, since ratios refer to them; the others begin with another one each round.
fn in_turn(peers: &[Peer], round: usize) -> impl Iterator<Item = &Peer> {
    let (bare, others): (Vec<_>, Vec<_>) = peers.iter().partition(|peer| peer.way.is_bare());
    let start = round % others.len().max(1);
    let turned: Vec<_> = others.iter().cycle().skip(start).take(others.len()).copied().collect();
    bare.into_iter().chain(turned)
}

fn names(peers: &[Peer]) -> Vec<&'static str> {
    peers.iter().map(|peer| peer.name).collect()
}
