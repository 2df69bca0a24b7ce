//! A backend with forwards of every kind, all of which do well, and what is asked of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{UsageRecord, types};
use bollard_buildkit_proto::pb::Platform;
use docker_assemble::desired::ContainerName;
use docker_assemble::observed::Container;
use serde_json::{Value, json};

use super::commands::Shell;
use crate::fake_buildkit::Daemon;
use crate::world::user;

/// What a sidecar says.
fn status(target: &str, addr: &str, probe: &Value) -> String {
    json!({
        "version": "0.1.0", "target": target, "addrs": [addr], "capacity": 9976,
        "active": 1, "opened": 12, "failed": {"refused": 2}, "bytes_up": 3_400_000, "bytes_down": 12_000,
        "last_error": {"reason": "refused", "text": "Connection refused (os error 111)", "age_ms": 180_000},
        "probe": probe,
        "kernel": {"pipe_user_pages_soft": 16_384, "ports": 55_001, "time_wait": 0},
    })
    .to_string()
}

pub(super) fn accepted() -> Value {
    json!({ "result": "accepted", "latency_us": 90, "speaks": { "protocol": "http", "status": 200, "registry": true } })
}

/// A name of one of Ann's containers.
pub(super) fn name(rest: &str) -> ContainerName {
    ContainerName(format!("{}{rest}", user().backend()))
}

impl Shell {
    /// Has the sidecar of a port say this.
    pub(super) fn says(&self, port: &str, target: &str, addr: &str, probe: &Value) {
        let said = (0, status(target, addr, probe));
        self.engine.world().said.insert(name(&format!("-proxy-port-{port}")), said);
    }

    pub(super) fn change(&self, rest: &str, change: impl Fn(&mut Container)) {
        let mut world = self.engine.world();
        let container = world.containers.iter_mut().find(|container| container.name == name(rest));
        change(container.unwrap());
    }
}

pub(super) const FORWARDS: &str =
    "backend start --allow-host-port 5000,8080:80,6000@loopback --forward 5432=192.0.2.7:5432";

/// A backend with forwards of every kind, all of which do well.
pub(super) async fn healthy() -> Shell {
    let shell = Shell::new();
    shell.engine.world().buildkit = Some(dialled(daemon(used_lately())));
    shell.quietly(FORWARDS).await;
    shell.says("5000", "gateway:5000", "192.0.2.1:5000", &accepted());
    shell.says("8080-to-80", "gateway:80", "192.0.2.1:80", &accepted());
    shell.says("6000", "loopback:6000", "127.0.0.1:6000", &accepted());
    shell.says("5432", "192.0.2.7:5432", "192.0.2.7:5432", &accepted());
    shell
}

pub(super) const LOOKS: [&str; 8] = [
    "backend info",
    "backend info --format json",
    "backend info -q",
    "backend doctor",
    "backend doctor --format json 5000",
    "backend stats",
    "backend logs",
    "backend cache usage",
];

pub(super) fn dialled(daemon: Daemon) -> Box<dyn Fn() -> docker_assemble::engine::Duplex + Send> {
    Box::new(move || daemon.dial())
}

pub(super) fn daemon(used: i64) -> Daemon {
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let record = |id: &str, record_type: &str, size| UsageRecord {
        id: id.to_owned(),
        record_type: record_type.to_owned(),
        size,
        created_at: at(1_588_327_200),
        last_used_at: at(used),
        usage_count: 3,
        ..UsageRecord::default()
    };
    let chain = UsageRecord {
        parents: vec!["base".to_owned()],
        description: "[2/2] RUN make".to_owned(),
        ..record("layer", "regular", 120_000_000)
    };
    Daemon {
        version: "v0.13.2",
        workers: vec![types::WorkerRecord {
            id: "abcdefghijklmnopqrstuvwxy".to_owned(),
            labels: [("executor", "oci"), ("network", "host")]
                .map(|(name, value)| (format!("org.mobyproject.buildkit.worker.{name}"), value.to_owned()))
                .into(),
            platforms: ["amd64", "386"]
                .map(|arch| Platform {
                    os: "linux".to_owned(),
                    architecture: arch.to_owned(),
                    ..Platform::default()
                })
                .into(),
            gc_policy: vec![types::GcPolicy {
                filters: vec!["type==source.local".to_owned()],
                keep_duration: 172_800_000_000_000,
                reserved_space: 512_000_000,
                ..types::GcPolicy::default()
            }],
            ..types::WorkerRecord::default()
        }],
        records: vec![
            UsageRecord { shared: true, ..record("base", "regular", 80_000_000) },
            chain,
            UsageRecord { mutable: true, in_use: true, ..record("mount", "exec.cachemount", 9_000) },
            UsageRecord { last_used_at: None, ..record("context", "source.local", 4_096) },
            record("frontend", "frontend", 7),
        ],
        builds: Arc::new(Mutex::new(Some(Vec::new()))),
    }
}

pub(super) const USED_LONG_AGO: i64 = 1_588_413_600;

/// A moment that is printed as "3 days ago", whenever that is.
pub(super) fn used_lately() -> i64 {
    let moment = SystemTime::now() - Duration::from_secs(3 * 86_400 + 60);
    moment.duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}
