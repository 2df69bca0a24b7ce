//! Measures what a user waits for: a push and a pull of one large layer through each kind of forward, beside a
//! builder in the host's network with nothing, and with docker-proxy, between; and the start and the stop of
//! a backend by its number of ports.
//!
//! `scripts/compare-push.sh` makes ready what it needs and runs this. A file uses only those that come after it
//! here:
//!
//! | file | what lives there |
//! |---|---|
//! | [`builders`], [`ports`] | pushes and pulls; starts and stops |
//! | [`report`] | what is measured; tables, samples, pictures |
//! | [`bars`], [`support`], [`namespace`] | pictures of bars; what the end-to-end tests share |
#![expect(clippy::disallowed_macros, reason = "it is for those who work on this, who read its source")]

#[path = "../bars.rs"]
mod bars;
mod builders;
#[path = "../../tests/support/namespace.rs"]
#[expect(dead_code, reason = "tests use it")]
mod namespace;
mod ports;
mod report;
#[path = "../../tests/support/e2e/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the end-to-end tests use the rest")]
mod support;

use std::path::PathBuf;

use anyhow::ensure;
use clap::Parser;

use builders::{Builder, Way};
use report::{Conditions, Sample};

/// Measures pushes and pulls through forwards, and starts by their number.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// How large the layer is, in MiB
    #[arg(long, default_value_t = 1024)]
    size: u64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many ports are forwarded, in the starts that are measured; nothing for none of them
    #[arg(long, value_delimiter = ',', num_args = 0.., default_value = "1,10,100,1000")]
    ports: Vec<u16>,
    /// Write a report, samples and pictures to files whose names begin with this
    #[arg(long)]
    out: Option<PathBuf>,
    /// For the report: the commit that is measured
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// What cargo bench says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    ensure!(cli.rounds > 0, "no rounds, no figures");
    let conditions = Conditions::now(&cli);
    let mut samples = Vec::new();
    if cli.size > 0 {
        let builders: Vec<_> = Way::ALL.into_iter().map(|way| Builder::start(way, cli.size)).collect();
        for round in 0..cli.rounds {
            // Each is the first one in turn.
            for n in 0..builders.len() {
                let builder = &builders[(round + n) % builders.len()];
                for (what, value) in builder.measure() {
                    add(
                        &cli,
                        &mut samples,
                        Sample { what, name: builder.way.name().to_owned(), round, value },
                    )?;
                }
            }
        }
    }
    for round in 0..cli.rounds {
        for n in 0..cli.ports.len() {
            let many = cli.ports[(round + n) % cli.ports.len()];
            for (what, value) in ports::measure(many) {
                add(&cli, &mut samples, Sample { what, name: format!("{many} ports"), round, value })?;
            }
        }
    }
    println!("\n{}", report::table(&samples));
    match &cli.out {
        Some(prefix) => report::write(prefix, &conditions, &samples),
        None => Ok(()),
    }
}

/// Tells it, and keeps it at once: a run takes long, and may be ended.
fn add(cli: &Cli, samples: &mut Vec<Sample>, sample: Sample) -> anyhow::Result<()> {
    let Sample { what, name, round, value } = &sample;
    println!("{:>2}  {:<16} {name:<14} {}", round + 1, what.name(), what.show(*value));
    if let Some(prefix) = &cli.out {
        report::keep(prefix, &sample, samples.is_empty())?;
    }
    samples.push(sample);
    Ok(())
}
