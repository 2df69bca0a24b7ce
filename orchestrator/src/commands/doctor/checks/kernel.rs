//! What the kernel has to give: pipes, ports, followed connections, and room on the disk. Pure.

use assemble_contract::Status;
use assemble_contract::status::FailureReason;

use super::{check, fine};
use crate::commands::doctor::measure::Disk;
use crate::commands::doctor::{Check, Verdict};
use crate::health::anew;
use crate::output::size;

/// What a relay's pool may hold, in pages: 16 pipes of 256 KiB (`docs/relay.md`).
const PIPE_PAGES: u64 = 16 * 64;

/// Pages are the kernel's account of a user, and all sidecars are one user.
pub(super) fn pipes(reports: &[&Status]) -> Option<Check> {
    const NAME: &str = "pipes";
    /// What helps most, and is little enough: 256 MiB.
    const ROOMY: u64 = 65_536;
    let soft = reports.iter().find_map(|report| report.kernel?.pipe_user_pages_soft)?;
    let fallbacks: u64 = reports.iter().fold(0, |sum, report| sum.saturating_add(report.splice_fallbacks));
    let wanted = PIPE_PAGES.saturating_mul(u64::try_from(reports.len()).unwrap_or(u64::MAX));
    let enough = wanted.checked_next_power_of_two().unwrap_or(wanted).max(ROOMY);
    let help = format!(
        "'sysctl fs.pipe-user-pages-soft={enough}' on the engine's host; bytes are copied until then"
    );
    Some(if fallbacks > 0 {
        check(NAME, Verdict::Warn, format!("the kernel has refused a pipe {fallbacks} time(s)"), &help)
    } else if soft != 0 && soft < wanted {
        check(
            NAME,
            Verdict::Warn,
            format!("the quota of {soft} pages is less than the {wanted} that all sidecars may want"),
            &help,
        )
    } else if soft == 0 {
        fine(NAME, "no quota")
    } else {
        fine(NAME, format!("a quota of {soft} pages, of which {wanted} may be wanted"))
    })
}

/// Told of only where there are few, or were too few: as a rule there are many times as many as a
/// build wants.
pub(super) fn descriptors(reports: &[&Status], start: &str) -> Option<Check> {
    /// More than an engine's `default-ulimits` of 1,024 descriptors allows.
    const FEW: u64 = 1_000;
    let refused = reports.iter().map(|report| report.failed_by(FailureReason::Descriptors));
    let refused = refused.fold(0_u64, u64::saturating_add);
    let least = reports.iter().filter_map(|report| report.capacity).min();
    let why = match least {
        _ if refused > 0 => format!("{refused} connection(s) were reset for want of descriptors"),
        Some(least @ ..FEW) => format!("a sidecar has descriptors for {least} connections, and resets more"),
        _ => return None,
    };
    let help = format!(
        "a greater \"nofile\" among \"default-ulimits\" of the engine's daemon.json, or LimitNOFILE of its \
         service where that is the limit; {} have it in force",
        anew(start)
    );
    Some(check("descriptors", Verdict::Warn, why, &help))
}

pub(super) fn ports(reports: &[&Status], start: &str) -> Option<Check> {
    const NAME: &str = "ports";
    /// As many as Linux has by itself, less a few thousand.
    const FEW: u64 = 20_000;
    // They share one namespace.
    let kernel = reports.iter().filter_map(|report| report.kernel).find(|kernel| kernel.ports.is_some())?;
    let (ports, waiting) = (kernel.ports?, kernel.time_wait.unwrap_or(0));
    Some(if waiting.saturating_mul(5) > ports.saturating_mul(4) {
        let why = format!("{waiting} of {ports} ports for outgoing connections wait for their end");
        check(
            NAME,
            Verdict::Warn,
            why,
            "have builds keep connections open; ports are free again after a minute",
        )
    } else if ports < FEW {
        let help = format!("{} set the usual range of 10000 to 65000", anew(start));
        check(NAME, Verdict::Warn, format!("only {ports} ports for outgoing connections"), &help)
    } else {
        fine(NAME, format!("{ports} for outgoing connections, {waiting} in TIME_WAIT"))
    })
}

pub(super) fn conntrack((count, max): (u64, u64)) -> Check {
    const NAME: &str = "conntrack";
    let help = format!("'sysctl net.netfilter.nf_conntrack_max={}'", max.saturating_mul(2));
    let why = format!("this host follows {count} of at most {max} connections");
    if count >= max {
        check(NAME, Verdict::Fail, format!("{why}: new ones are dropped"), &help)
    } else if count.saturating_mul(5) > max.saturating_mul(4) {
        check(NAME, Verdict::Warn, why, &help)
    } else {
        fine(NAME, why)
    }
}

pub(super) fn disk(disk: Disk) -> Check {
    const NAME: &str = "disk";
    /// Less than a small image, and less than most builds.
    const NONE: u64 = 100_000_000;
    const LITTLE: u64 = 2_000_000_000;
    const HELP: &str = "'docker assemble backend cache purge' makes room";
    let why = format!("{} of {} free for the cache", size(disk.free), size(disk.size));
    match disk.free {
        ..NONE => check(NAME, Verdict::Fail, why, HELP),
        NONE..LITTLE => check(NAME, Verdict::Warn, why, HELP),
        LITTLE.. => fine(NAME, why),
    }
}
