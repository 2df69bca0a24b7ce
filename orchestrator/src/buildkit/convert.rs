//! The protocol's words to ours and back: pure functions.

use std::time::{Duration, SystemTime};

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::types::{self, BuildkitVersion, WorkerRecord};
use bollard_buildkit_proto::moby::buildkit::v1::{BuildHistoryRecord, PruneRequest, UsageRecord};
use bollard_buildkit_proto::pb::Platform;

use super::{Build, GcPolicy, PruneOptions, Record, Version, Worker};

pub(super) fn worker(worker: WorkerRecord) -> Worker {
    Worker {
        id: worker.id,
        labels: worker.labels.into_iter().collect(),
        platforms: worker.platforms.iter().map(platform).collect(),
        gc_policies: worker.gc_policy.into_iter().map(gc_policy).collect(),
    }
}

fn gc_policy(policy: types::GcPolicy) -> GcPolicy {
    // The daemon counts in signed numbers, durations in nanoseconds.
    let whole = |number: i64| u64::try_from(number).unwrap_or_default();
    GcPolicy {
        all: policy.all,
        filters: policy.filters,
        keep_duration: Duration::from_nanos(whole(policy.keep_duration)),
        reserved_space_bytes: whole(policy.reserved_space),
        max_used_space_bytes: whole(policy.max_used_space),
        min_free_space_bytes: whole(policy.min_free_space),
    }
}

fn platform(platform: &Platform) -> String {
    let mut text = format!("{}/{}", platform.os, platform.architecture);
    if !platform.variant.is_empty() {
        text = format!("{text}/{}", platform.variant);
    }
    text
}

pub(super) fn build(record: BuildHistoryRecord) -> Build {
    let mut names = record.exporters.into_iter().filter_map(|mut exporter| exporter.attrs.remove("name"));
    Build { id: record.r#ref, image: names.find(|name| !name.is_empty()) }
}

pub(super) fn version(version: BuildkitVersion) -> Version {
    Version { package: version.package, version: version.version, revision: version.revision }
}

pub(super) fn record(record: UsageRecord) -> Record {
    Record {
        id: record.id,
        parents: record.parents,
        created_at: record.created_at.and_then(time),
        mutable: record.mutable,
        in_use: record.in_use,
        shared: record.shared,
        // The daemon counts in signed numbers; a size it does not know is negative.
        size_bytes: u64::try_from(record.size).unwrap_or_default(),
        description: record.description,
        usage_count: u64::try_from(record.usage_count).unwrap_or_default(),
        last_used_at: record.last_used_at.and_then(time),
        record_type: record.record_type,
    }
}

/// A time after 1970; Go's zero time lies before and means none.
fn time(stamp: Timestamp) -> Option<SystemTime> {
    let seconds = u64::try_from(stamp.seconds).ok()?;
    let nanos = u32::try_from(stamp.nanos).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

pub(super) fn prune(options: &PruneOptions) -> PruneRequest {
    let bytes = |limit: Option<u64>| limit.map_or(0, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    PruneRequest {
        filter: options.filters.clone(),
        all: options.all,
        // Nanoseconds, since the daemon takes it for a Go duration.
        keep_duration: options
            .keep_duration
            .map_or(0, |duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        reserved_space: bytes(options.reserved_space_bytes),
        max_used_space: bytes(options.max_used_space_bytes),
        min_free_space: bytes(options.min_free_space_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_written_as_docker_writes_them() {
        let arm = Platform {
            os: "linux".into(),
            architecture: "arm".into(),
            variant: "v7".into(),
            ..Platform::default()
        };
        let amd = Platform { os: "linux".into(), architecture: "amd64".into(), ..Platform::default() };
        let seen = worker(WorkerRecord { platforms: vec![amd, arm], ..WorkerRecord::default() });
        assert_eq!(seen.platforms, ["linux/amd64", "linux/arm/v7"]);
    }

    #[test]
    fn a_record_keeps_its_times_and_sizes() {
        let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
        let seen = record(UsageRecord {
            size: 7,
            usage_count: 2,
            created_at: at(10, 5),
            last_used_at: at(-62_135_596_800, 0),
            ..UsageRecord::default()
        });
        assert_eq!((seen.size_bytes, seen.usage_count), (7, 2));
        assert_eq!(seen.created_at, Some(SystemTime::UNIX_EPOCH + Duration::new(10, 5)));
        assert_eq!(seen.last_used_at, None);
        assert_eq!(record(UsageRecord { size: -1, ..UsageRecord::default() }).size_bytes, 0);
    }

    #[test]
    fn limits_are_sent_in_the_daemons_units() {
        let sent = prune(&PruneOptions {
            filters: vec!["type==regular".into()],
            all: true,
            keep_duration: Some(Duration::from_secs(2)),
            reserved_space_bytes: Some(3),
            max_used_space_bytes: Some(u64::MAX),
            min_free_space_bytes: None,
        });
        assert_eq!((sent.keep_duration, sent.reserved_space), (2_000_000_000, 3));
        assert_eq!((sent.max_used_space, sent.min_free_space, sent.all), (i64::MAX, 0, true));
    }
}
