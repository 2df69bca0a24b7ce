//! Tables, samples and pictures.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::json;

use crate::Cli;
use crate::bars::{self, BARE, Bar, OTHERS, OURS, Spread};
use crate::support::docker;

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Push,
    PushCpu,
    Pull,
    PullCpu,
    Start,
    Stop,
    Sidecars,
    Shims,
}

impl What {
    const ALL: [Self; 8] = [
        Self::Push,
        Self::PushCpu,
        Self::Pull,
        Self::PullCpu,
        Self::Start,
        Self::Stop,
        Self::Sidecars,
        Self::Shims,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PushCpu => "push_cpu",
            Self::Pull => "pull",
            Self::PullCpu => "pull_cpu",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Sidecars => "sidecars_memory",
            Self::Shims => "shims_memory",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Push => "Push of one layer, seconds",
            Self::PushCpu => "The forwarders' CPU time of that push, seconds",
            Self::Pull => "Pull of that layer, seconds",
            Self::PullCpu => "The forwarders' CPU time of that pull, seconds",
            Self::Start => "Start of a backend, seconds",
            Self::Stop => "Stop of a backend, seconds",
            Self::Sidecars => "Memory of its sidecars, MiB resident",
            Self::Shims => "Memory of their shims, MiB resident",
        }
    }

    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Sidecars | Self::Shims => format!("{value:.1} MiB"),
            _ => format!("{value:.2} s"),
        }
    }
}

/// One figure.
pub(crate) struct Sample {
    pub(crate) what: What,
    /// The way of a push, or the number of ports.
    pub(crate) name: String,
    pub(crate) round: usize,
    pub(crate) value: f64,
}

/// Under which conditions they came about.
pub(crate) struct Conditions(String);

impl Conditions {
    /// Those of this moment, which should be the start.
    pub(crate) fn now(cli: &Cli) -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default().trim().to_owned();
        let cpu = read("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
        let engine = docker(&["version", "--format", "{{.Server.Version}}"]).ok().stdout;
        let registry = Command::new("docker-registry").arg("--version").output();
        let registry =
            registry.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
        Self(format!(
            "- commit {}, a layer of {} MiB that does not compress, {} rounds in turn\n\
             - Docker {}, {}\n\
             - congestion control {}, Linux {}, {}, {cores} cores, load average at the start {}\n",
            cli.commit,
            cli.size,
            cli.rounds,
            engine.trim(),
            registry.trim(),
            read("/proc/sys/net/ipv4/tcp_congestion_control"),
            read("/proc/sys/kernel/osrelease"),
            model.trim_matches([' ', '\t', ':']),
            read("/proc/loadavg"),
        ))
    }
}

/// The rows of one table: names in the order in which they came.
fn rows(samples: &[Sample], what: What) -> Vec<(&str, Spread)> {
    let mut names: Vec<&str> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.what == what && sample.round == 0) {
        names.push(&sample.name);
    }
    let spread = |name: &str| {
        let own = samples.iter().filter(|sample| sample.what == what && sample.name == name);
        Spread::of(own.map(|sample| sample.value).collect())
    };
    names.into_iter().filter_map(|name| Some((name, spread(name)?))).collect()
}

/// All medians, with the least and the greatest.
pub(crate) fn table(samples: &[Sample]) -> String {
    let mut text = "| what | | median | least to greatest |\n|---|---|---|---|\n".to_owned();
    for what in What::ALL {
        for (name, Spread { min, median, max }) in rows(samples, what) {
            let (title, all) = (what.title(), [min, median, max].map(|value| what.show(value)));
            let _ = writeln!(text, "| {title} | {name} | {} | {} to {} |", all[1], all[0], all[2]);
        }
    }
    text
}

fn file(prefix: &Path, end: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Adds it to `PREFIX.jsonl`, which begins anew with the first.
pub(crate) fn keep(prefix: &Path, sample: &Sample, is_first: bool) -> anyhow::Result<()> {
    let Sample { what, name, round, value } = sample;
    let line = json!({"what": what.name(), "name": name, "round": round + 1, "value": value});
    let mut options = File::options();
    let options = options.create(true).write(true).truncate(is_first).append(!is_first);
    let kept = options.open(file(prefix, ".jsonl")).and_then(|mut file| writeln!(file, "{line}"));
    kept.context("cannot keep a sample")
}

/// Writes `PREFIX.md` and a `PREFIX-WHAT.svg` for each.
pub(crate) fn write(prefix: &Path, conditions: &Conditions, samples: &[Sample]) -> anyhow::Result<()> {
    let file = |end: &str| file(prefix, end);
    let mut pictures = String::new();
    for what in What::ALL {
        let bar = |(name, spread)| {
            let color = match name {
                "host network" => BARE,
                "docker-proxy" => OTHERS,
                _ => OURS,
            };
            Bar { name, spread, label: what.show(spread.median), color }
        };
        let bars: Vec<_> = rows(samples, what).into_iter().map(bar).collect();
        let picture = file(&format!("-{}.svg", what.name()));
        if bars::draw(&picture, what.title(), false, &bars)? {
            let name = picture.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let _ = writeln!(pictures, "![{}]({name})", what.title());
        }
    }
    let text = format!(
        "# Pushes, pulls, starts\n\nEach push goes into an empty registry on this host, from a builder that has the \
         layer, uncompressed; each pull into an empty cache, and ends when the layer is unpacked.\n\n{}\n{}\n{pictures}",
        conditions.0,
        table(samples)
    );
    fs::write(file(".md"), text).context("cannot write the report")?;
    println!("written: {}", file(".md").display());
    Ok(())
}
