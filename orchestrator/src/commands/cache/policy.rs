//! The daemon's own limits, by which it throws cache away by itself, in the words of
//! `docker buildx inspect`. Pure.

use std::time::Duration;

use docker_plugin::output::{Table, limit};

use crate::buildkit::GcPolicy;

/// The lines for all rules, in the order in which the daemon goes by them.
pub(super) fn lines(policies: &[GcPolicy]) -> Vec<String> {
    let rule = |(number, policy)| {
        let fields = fields(policy);
        let table = Table::fitting(&fields);
        let lines = fields.iter().map(|field| table.row(field)).collect::<Vec<_>>();
        std::iter::once(format!("GC Policy rule#{number}:")).chain(lines)
    };
    policies.iter().enumerate().flat_map(rule).collect()
}

fn fields(policy: &GcPolicy) -> Vec<[String; 2]> {
    let mut fields = Vec::new();
    let mut field = |name: &str, value: String| fields.push([format!(" {name}:"), value]);
    field("All", policy.all.to_string());
    if !policy.filters.is_empty() {
        field("Filters", policy.filters.join(" "));
    }
    if !policy.keep_duration.is_zero() {
        field("Keep Duration", duration(policy.keep_duration));
    }
    for (name, bytes) in [
        ("Reserved Space", policy.reserved_space_bytes),
        ("Max Used Space", policy.max_used_space_bytes),
        ("Min Free Space", policy.min_free_space_bytes),
    ] {
        if bytes > 0 {
            field(name, limit(bytes));
        }
    }
    fields
}

/// As Go prints it: `48h0m0s`.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_look_like_buildxs() {
        let first = GcPolicy {
            filters: vec!["type==source.local,type==exec.cachemount".to_owned()],
            keep_duration: Duration::from_secs(48 * 3600),
            max_used_space_bytes: 512_000_000,
            ..GcPolicy::default()
        };
        let second = GcPolicy {
            all: true,
            reserved_space_bytes: 10 << 30,
            min_free_space_bytes: 25_995_288_576,
            ..GcPolicy::default()
        };
        assert_eq!(
            lines(&[first, second]),
            [
                "GC Policy rule#0:",
                " All:              false",
                " Filters:          type==source.local,type==exec.cachemount",
                " Keep Duration:    48h0m0s",
                " Max Used Space:   488.3MiB",
                "GC Policy rule#1:",
                " All:              true",
                " Reserved Space:   10GiB",
                " Min Free Space:   24.21GiB",
            ]
        );
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn durations_look_like_gos() {
        for (seconds, text) in [(30, "30s"), (90, "1m30s"), (3600, "1h0m0s")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
