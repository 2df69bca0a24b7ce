//! Measures this relay beside other forwarders and no forwarder at all, in one run.
//!
//! `scripts/compare.sh` builds the relay as it is shipped, installs the others and runs this.
//!
//! A file uses only those that come after it here:
//!
//! | file | what lives there |
//! |---|---|
//! | [`files`], [`report`], [`plots`] | where results are kept; tables and words; pictures |
//! | [`summary`], [`conditions`] | medians and ratios; what they were measured on |
//! | [`measure`], [`run`] | one measurement; one load in it |
//! | [`bench`] | the network with its server, and the forwarder that is put between |
//! | [`cli`] | what it can be told |
//! | [`columns`], [`load`] | what is measured; the clients and the server, as processes of this same program |
//! | [`peers`] | the forwarders and how they are started |
//! | [`topology`], [`process`] | namespaces; processes pinned to cores; both removed whatever happens |
//! | [`procfs`], [`bars`] | the kernel's clocks; pictures of bars, and what lies between the least and the greatest |
#![expect(clippy::disallowed_macros, reason = "it is for those who work on this, who read its source")]

#[path = "../bars.rs"]
mod bars;
mod bench;
mod cli;
mod columns;
mod conditions;
mod files;
mod load;
mod measure;
mod peers;
mod plots;
mod process;
mod procfs;
mod report;
mod run;
mod summary;
mod topology;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use bench::Bench;
use cli::{Cli, Role};
use columns::Column;
use conditions::Conditions;
use files::Files;
use load::client::Kind;
use measure::Sample;
use peers::{Builds, Peer};
use process::Scratch;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.role {
        Some(Role::Server { port }) => load::server::serve(*port),
        Some(Role::Client(load)) => load.run(),
        Some(Role::Least { port, to, busy }) => load::least::relay(*port, *to, *busy),
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
    let builds = Builds {
        ours: proxy.canonicalize().with_context(|| format!("no relay at {}", proxy.display()))?,
        before: cli.before.clone(),
    };
    process::catch_interrupts()?;
    let known = peers::all();
    if let Some(name) = cli.only.iter().find(|name| !known.iter().any(|peer| peer.name == **name)) {
        anyhow::bail!("no forwarder is called \"{name}\"; there are {}", names(&known).join(", "));
    }
    let there = |peer: &Peer| peer.way.is_bare() || peer.program(&builds).is_some();
    let wanted = |peer: &Peer| match &cli.only[..] {
        [] => !peer.name.starts_with("least") && (!peer.name.starts_with("before") || cli.before.is_some()),
        only => only.iter().any(|name| name == peer.name),
    };
    for peer in known.iter().filter(|peer| wanted(peer) && !there(peer)) {
        println!("without {}: it is not installed", peer.name);
    }
    let taken = |peer: &Peer| wanted(peer) && there(peer);
    let needed = |peer: &Peer| known.iter().any(|other| taken(other) && other.way.baseline() == peer.name);
    let peers: Vec<Peer> = known
        .iter()
        .filter(|peer| if peer.way.is_bare() { needed(peer) } else { taken(peer) })
        .cloned()
        .collect();
    let columns = if cli.columns.is_empty() { Column::value_variants() } else { &cli.columns };
    let conditions = Conditions::now(cli, &peers);
    let mut files = cli.out.as_deref().map(Files::create).transpose()?;
    let scratch = Scratch::make()?;
    let mut samples = Vec::new();
    let done = Bench::new(builds, scratch.path(), cli).and_then(|mut bench| {
        rounds(cli.rounds, columns, &peers, &mut bench, |sample, peer| {
            println!("{}", report::line(&samples, &sample, peer));
            let kept = files.as_mut().map_or(Ok(()), |files| files.add(&sample));
            samples.push(sample);
            kept
        })
    });
    if !samples.is_empty() {
        println!("\n{}", report::text(&report::overview(&samples, columns, &peers)));
        let ways = report::both_ways(&samples, columns, &peers);
        if ways.len() > 1 {
            println!("{}", report::text(&ways));
        }
    }
    // An interrupted run leaves its samples, but no report that looks like a complete one.
    if let (Ok(()), Some(files)) = (&done, files) {
        files.finish(&conditions, &samples, columns, &peers)?;
    }
    done
}

/// Interleaved, so that whatever else the machine does meets everyone alike. What cannot be
/// measured is said, and left out.
fn rounds(
    rounds: usize,
    columns: &[Column],
    peers: &[Peer],
    bench: &mut Bench,
    mut keep: impl FnMut(Sample, &Peer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for round in 0..rounds {
        for &column in columns {
            let fits = |peer: &&Peer| {
                (column.has_direct() || !peer.way.is_bare())
                    && (!peer.messages_only || column.kind() == Kind::Pingpong)
            };
            for peer in in_turn(peers, round).filter(fits) {
                match bench.sample(round, column, peer) {
                    Ok(sample) => keep(sample, peer)?,
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
