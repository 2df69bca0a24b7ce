//! What the kernel has to give: pipes, ports, followed connections, and room on the disk. Pure.

use assemble_contract::Status;
use assemble_contract::status::FailureReason;
use docker_plugin::output::size;
use explained::Explained;

use super::{fine, found};
use crate::commands::doctor::Check;
use crate::commands::doctor::measure::Disk;

/// What the kernel gives too little of.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "warn"]
pub enum KernelTrouble {
    /// The quota of pipes of the sidecars' user was used up.
    #[error("the kernel has refused a pipe {times} time(s)")]
    #[advice("'sysctl fs.pipe-user-pages-soft={enough}' on the engine's host; bytes are copied until then")]
    PipesRefused { times: u64, enough: u64 },
    /// The quota may be used up.
    #[error("the quota of {soft} pages is less than the {wanted} that all sidecars may want")]
    #[advice("'sysctl fs.pipe-user-pages-soft={enough}' on the engine's host; bytes are copied until then")]
    FewPipes { soft: u64, wanted: u64, enough: u64 },
    /// The engine gives its containers few descriptors.
    #[error("{refused} connection(s) were reset for want of descriptors")]
    #[advice(
        "a greater \"nofile\" among \"default-ulimits\" of the engine's daemon.json, or LimitNOFILE of its \
         service where that is the limit; {anew} have it in force"
    )]
    NoDescriptors { refused: u64, anew: String },
    /// The same, before it was felt.
    #[error("a sidecar has descriptors for {least} connections, and resets more")]
    #[advice(
        "a greater \"nofile\" among \"default-ulimits\" of the engine's daemon.json, or LimitNOFILE of its \
         service where that is the limit; {anew} have it in force"
    )]
    FewDescriptors { least: u64, anew: String },
    /// Builds open and close connections by the thousand.
    #[error("{waiting} of {ports} ports for outgoing connections wait for their end")]
    #[advice("have builds keep connections open; ports are free again after a minute")]
    PortsWait { waiting: u64, ports: u64 },
    /// `net.ipv4.ip_local_port_range` is narrow in the backend's network.
    #[error("only {ports} ports for outgoing connections")]
    #[advice("{anew} set the usual range of 10000 to 65000")]
    FewPorts { ports: u64, anew: String },
    /// The host's firewall has no room to follow further connections.
    #[error("this host follows {count} of at most {max} connections: new ones are dropped")]
    #[advice("'sysctl net.netfilter.nf_conntrack_max={more}'")]
    #[status = "fail"]
    NoConntrack { count: u64, max: u64, more: u64 },
    /// It soon has none.
    #[error("this host follows {count} of at most {max} connections")]
    #[advice("'sysctl net.netfilter.nf_conntrack_max={more}'")]
    LittleConntrack { count: u64, max: u64, more: u64 },
    /// Less than 100 MB, with which builds fail.
    #[error("{free} of {size} free for the cache")]
    #[advice("'docker assemble backend cache purge' makes room")]
    #[status = "fail"]
    NoRoom { free: String, size: String },
    /// Less than 2 GB.
    #[error("{free} of {size} free for the cache")]
    #[advice("'docker assemble backend cache purge' makes room")]
    LittleRoom { free: String, size: String },
}

/// What a relay's pool may hold, in pages: 2 pipes of 1 MiB and 8 of 256 KiB (`docs/relay.md`).
const PIPE_PAGES: u64 = 2 * 256 + 8 * 64;

/// Pages are the kernel's account of a user, and all sidecars are one user.
pub(super) fn pipes(reports: &[&Status]) -> Option<Check> {
    const NAME: &str = "pipes";
    /// What helps most, and is little enough: 256 MiB.
    const ROOMY: u64 = 65_536;
    let soft = reports.iter().find_map(|report| report.kernel?.pipe_user_pages_soft)?;
    let fallbacks: u64 = reports.iter().fold(0, |sum, report| sum.saturating_add(report.splice_fallbacks));
    let wanted = PIPE_PAGES.saturating_mul(u64::try_from(reports.len()).unwrap_or(u64::MAX));
    let enough = wanted.checked_next_power_of_two().unwrap_or(wanted).max(ROOMY);
    Some(if fallbacks > 0 {
        found(NAME, &KernelTrouble::PipesRefused { times: fallbacks, enough })
    } else if soft != 0 && soft < wanted {
        found(NAME, &KernelTrouble::FewPipes { soft, wanted, enough })
    } else if soft == 0 {
        fine(NAME, "no quota")
    } else {
        fine(NAME, format!("a quota of {soft} pages, of which {wanted} may be wanted"))
    })
}

/// Told of only where there are few, or were too few: as a rule there are many times as many as a
/// build wants.
pub(super) fn descriptors(reports: &[&Status], anew: &str) -> Option<Check> {
    /// More than an engine's `default-ulimits` of 1,024 descriptors allows.
    const FEW: u64 = 1_000;
    let refused = reports.iter().map(|report| report.failed_by(FailureReason::Descriptors));
    let refused = refused.fold(0_u64, u64::saturating_add);
    let least = reports.iter().filter_map(|report| report.capacity).min();
    let anew = || anew.to_owned();
    let trouble = match least {
        _ if refused > 0 => KernelTrouble::NoDescriptors { refused, anew: anew() },
        Some(least @ ..FEW) => KernelTrouble::FewDescriptors { least, anew: anew() },
        _ => return None,
    };
    Some(found("descriptors", &trouble))
}

pub(super) fn ports(reports: &[&Status], anew: &str) -> Option<Check> {
    const NAME: &str = "ports";
    /// As many as Linux has by itself, less a few thousand.
    const FEW: u64 = 20_000;
    // They share one namespace.
    let kernel = reports.iter().filter_map(|report| report.kernel).find(|kernel| kernel.ports.is_some())?;
    let (ports, waiting) = (kernel.ports?, kernel.time_wait.unwrap_or(0));
    Some(if waiting.saturating_mul(5) > ports.saturating_mul(4) {
        found(NAME, &KernelTrouble::PortsWait { waiting, ports })
    } else if ports < FEW {
        found(NAME, &KernelTrouble::FewPorts { ports, anew: anew.to_owned() })
    } else {
        fine(NAME, format!("{ports} for outgoing connections, {waiting} in TIME_WAIT"))
    })
}

pub(super) fn conntrack((count, max): (u64, u64)) -> Check {
    const NAME: &str = "conntrack";
    let more = max.saturating_mul(2);
    if count >= max {
        found(NAME, &KernelTrouble::NoConntrack { count, max, more })
    } else if count.saturating_mul(5) > max.saturating_mul(4) {
        found(NAME, &KernelTrouble::LittleConntrack { count, max, more })
    } else {
        fine(NAME, format!("this host follows {count} of at most {max} connections"))
    }
}

pub(super) fn disk(disk: Disk) -> Check {
    const NAME: &str = "disk";
    /// Less than a small image, and less than most builds.
    const NONE: u64 = 100_000_000;
    const LITTLE: u64 = 2_000_000_000;
    let (free, all) = (size(disk.free), size(disk.size));
    match disk.free {
        ..NONE => found(NAME, &KernelTrouble::NoRoom { free, size: all }),
        NONE..LITTLE => found(NAME, &KernelTrouble::LittleRoom { free, size: all }),
        LITTLE.. => fine(NAME, format!("{free} of {all} free for the cache")),
    }
}
