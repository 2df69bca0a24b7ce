//! Under which conditions figures came about: without them they are worth nothing.

use std::fmt;
use std::fs;
use std::process::Command;

use crate::bench::{FORWARDER_CORE, LOAD_CORE};
use crate::cli::Cli;
use crate::peers::Peer;
use crate::procfs::load_average;

/// Machine, versions, settings.
pub(crate) struct Conditions {
    told: String,
    commit: String,
    rounds: usize,
    seconds: f64,
    nice: i32,
    congestion_control: String,
    kernel: String,
    cpu: String,
    cores: usize,
    load_at_start: String,
    versions: Vec<(&'static str, String)>,
}

impl Conditions {
    /// Those of this moment, which should be the start.
    pub(crate) fn now(cli: &Cli, peers: &[Peer]) -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let packages = peers.iter().filter(|peer| !peer.package.is_empty());
        Self {
            told: cli.told.clone(),
            commit: cli.commit.clone(),
            rounds: cli.rounds,
            seconds: cli.seconds,
            nice: cli.nice,
            // Network namespaces begin with that of the host.
            congestion_control: cli.congestion_control.clone().unwrap_or_else(|| {
                read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned() + ", as this host has it"
            }),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu: model.trim_start_matches([' ', '\t', ':']).to_owned(),
            cores: cpu.lines().filter(|line| line.starts_with("processor")).count(),
            load_at_start: load_average(),
            versions: packages.map(|peer| (peer.package, version(peer.package))).collect(),
        }
    }
}

fn version(package: &str) -> String {
    let output = Command::new("dpkg-query").args(["--show", "--showformat", "${Version}", package]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if text.is_empty() { "not from a package".to_owned() } else { text }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<String> =
            self.versions.iter().map(|(package, version)| format!("{package} {version}")).collect();
        write!(
            f,
            "Client and forwarder are in one network namespace, the server is in another, and a veth pair \
             joins them. Client and server run on core {LOAD_CORE}, the forwarder on core {FORWARDER_CORE} \
             unless said otherwise. net.ipv4.tcp_tw_reuse is 1 and net.ipv4.ip_local_port_range 10000 to \
             65000, or short connections would run out of ports. Every figure is of a freshly started \
             forwarder; the forwarders take turns within a round. What arrives of a stream is dropped in \
             the kernel (MSG_TRUNC), so that core {LOAD_CORE} is not what limits everyone.\n\n\
             CPU seconds are the forwarder's own, all its processes and threads; what the kernel does for \
             it in interrupts may be charged to whoever runs at that moment. \"Others' cores\" is how many \
             cores' worth of time went to neither client, server nor forwarder: noise, mostly, and the \
             kernel's own threads.\n\n\
             - commit {}, `{}`\n\
             - {} rounds of {} s each, priority {}\n\
             - congestion control {}\n\
             - Linux {}, {}, {} cores, load average at the start {}\n\
             - {}\n",
            self.commit,
            self.told,
            self.rounds,
            self.seconds,
            self.nice,
            self.congestion_control,
            self.kernel,
            self.cpu,
            self.cores,
            self.load_at_start,
            if versions.is_empty() { "no other forwarders".to_owned() } else { versions.join(", ") },
        )
    }
}
