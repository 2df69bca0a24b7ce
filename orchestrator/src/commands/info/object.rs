//! The description as one JSON object, for programs. Sizes are bytes, ids complete.

use serde_json::{Value, json};

use super::container::common;
use super::daemon::Daemon;
use super::helpers::Helpers;
use super::made_of::{Configuration, settings};
use crate::buildkit::GcPolicy;
use crate::observed::{Container, Observed};

/// The object; `Workers`, `Builds` and `Cache` are null where the backend does not run,
/// and `Builds` where BuildKit does not tell.
pub(super) fn info(
    backend: &Container,
    image: &str,
    observed: &Observed,
    helpers: &Helpers<'_>,
    daemon: Option<&Daemon>,
) -> Value {
    let mut object = common(backend);
    object["Image"] = image.into();
    object["CacheVolume"] = backend.settings.cache_volume.as_ref().map(|volume| volume.0.as_str()).into();
    object["Privileged"] = bool::from(backend.settings.security).into();
    object["Settings"] = settings(observed).into();
    object["Configuration"] = Configuration::of(observed).map(|it| it.object()).into();
    object["Sidecars"] = helpers.sidecar_objects().into();
    object["Dialer"] = helpers.dialer_object().into();
    object["Workers"] = daemon.map(workers).into();
    object["Builds"] = daemon.and_then(builds).into();
    object["Cache"] = daemon.map(cache).into();
    object
}

fn workers(daemon: &Daemon) -> Vec<Value> {
    let worker = |worker: &crate::buildkit::Worker| {
        json!({
            "ID": worker.id,
            "Platforms": worker.platforms,
            "Labels": worker.labels,
            "GCPolicy": worker.gc_policies.iter().map(gc_policy).collect::<Vec<_>>(),
        })
    };
    daemon.workers.iter().map(worker).collect()
}

fn builds(daemon: &Daemon) -> Option<Vec<Value>> {
    let build = |build: &crate::buildkit::Build| json!({ "ID": build.id, "Image": build.image });
    Some(daemon.builds.as_ref()?.iter().map(build).collect())
}

/// Sizes in bytes, times in seconds.
fn gc_policy(policy: &GcPolicy) -> Value {
    json!({
        "All": policy.all,
        "Filters": policy.filters,
        "KeepDuration": policy.keep_duration.as_secs(),
        "ReservedSpace": policy.reserved_space_bytes,
        "MaxUsedSpace": policy.max_used_space_bytes,
        "MinFreeSpace": policy.min_free_space_bytes,
    })
}

fn cache(daemon: &Daemon) -> Value {
    let records = &daemon.records;
    let in_use = records.iter().filter(|record| record.in_use);
    json!({
        "Entries": records.len(),
        "Size": records.iter().map(|record| record.size_bytes).sum::<u64>(),
        "InUse": in_use.map(|record| record.size_bytes).sum::<u64>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buildkit::{Record, Worker};
    use crate::commands::health::Examined;
    use crate::desired::UserName;
    use crate::desired::{Choice, Port, REGISTRY_PORT, VolumeName};
    use crate::forward::{Forward, Target};
    use crate::observed::{ContainerId, Sidecar, State};

    fn container(name: &str) -> Container {
        Container {
            id: ContainerId(format!("id-of-{name}")),
            started_at: "2024-05-01T10:00:00Z".to_owned(),
            ..Container::running(name)
        }
    }

    #[test]
    fn everything_is_in_one_object() {
        let mut backend = container("b");
        backend.settings.cache_volume = Some(VolumeName("v".to_owned()));
        let options = [(Choice::Memory, "2g"), (Choice::Env, "TOKEN=secret")];
        backend.settings.chosen =
            options.map(|(choice, text)| (choice, choice.read(text).unwrap())).into_iter().collect();
        let port = REGISTRY_PORT;
        let forward = |target, name| Examined {
            sidecar: Sidecar {
                ports: port.into(),
                target,
                beside_backend: None,
                container: Container { unhealthy: true, ..container(name) },
            },
            stale: true,
            answer: None,
            findings: Vec::new(),
        };
        let host = Target::Host { name: "db".to_owned(), addr: [192, 0, 2, 7].into(), port };
        let forwards =
            [forward(Some(Target::Loopback { port }), "s"), forward(Some(host), "h"), forward(None, "n")];
        let away = Port::new(6000).unwrap();
        let gone = Forward { ports: away.into(), target: Target::Loopback { port } };
        let noted = Some(vec![Forward::plain(port), gone]);
        let sidecars = forwards.iter().map(|examined| examined.sidecar.clone()).collect();
        let observed = Observed { backend: Some(backend.clone()), noted, sidecars, ..Observed::default() };
        let user = UserName::from_login("ann").unwrap();
        let unknown = json!({"Health": "unknown", "Why": null, "Help": null});
        let policy = GcPolicy {
            all: true,
            keep_duration: std::time::Duration::from_secs(2),
            max_used_space_bytes: 7,
            ..GcPolicy::default()
        };
        let daemon = Daemon {
            workers: vec![Worker { id: "w".to_owned(), gc_policies: vec![policy], ..Worker::default() }],
            builds: Some(vec![crate::buildkit::Build { id: "i".to_owned(), image: None }]),
            records: vec![Record { size_bytes: 7, in_use: true, ..Record::default() }, Record::default()],
        };
        assert_eq!(
            info(&backend, "img@x", &observed, &Helpers::of(&forwards, &observed, &user), Some(&daemon)),
            json!({
                        "ID": "id-of-b", "Name": "b", "State": "running", "Unhealthy": false, "Restarts": 0, "OutOfMemory": false,
                        "Image": "img@x", "CacheVolume": "v", "Privileged": true,
                        "Settings": {"env": ["TOKEN"], "memory": "2g", "proxy-image": "img"}, "Configuration": null,
                        "Sidecars": [{
                            "ID": "id-of-s", "Name": "s", "State": "running", "Unhealthy": true, "Restarts": 0, "OutOfMemory": false,
                            "Port": 5000, "Stale": true, "Forward": unknown,
                            "Target": {"Kind": "loopback", "Name": null, "Address": null, "Port": 5000},
                        }, {
                            "ID": "id-of-h", "Name": "h", "State": "running", "Unhealthy": true, "Restarts": 0, "OutOfMemory": false,
                            "Port": 5000, "Stale": true, "Forward": unknown,
                            "Target": {"Kind": "host", "Name": "db", "Address": "192.0.2.7", "Port": 5000},
                        }, {
                            "ID": "id-of-n", "Name": "n", "State": "running", "Unhealthy": true, "Restarts": 0, "OutOfMemory": false,
                            "Port": 5000, "Stale": true, "Forward": unknown, "Target": null,
                        }, {
                            "ID": "", "Name": "docker-assemble-backend-ann-proxy-port-6000-to-5000",
                            "State": "missing", "Unhealthy": false, "Restarts": 0, "OutOfMemory": false,
                            "Port": 6000, "Stale": false, "Forward": unknown,
                            "Target": {"Kind": "loopback", "Name": null, "Address": null, "Port": 5000},
                        }],
            "Dialer": {
                "ID": "", "Name": "docker-assemble-backend-ann-dialer",
                "State": "missing", "Unhealthy": false, "Restarts": 0, "OutOfMemory": false,
            },
            "Workers": [{"ID": "w", "Platforms": [], "Labels": {}, "GCPolicy": [{
                "All": true, "Filters": [], "KeepDuration": 2,
                "ReservedSpace": 0, "MaxUsedSpace": 7, "MinFreeSpace": 0,
            }]}],
            "Builds": [{"ID": "i", "Image": null}],
                        "Cache": {"Entries": 2, "Size": 7, "InUse": 7},
                    })
        );
        let down = Container { state: State::Exited, ..backend };
        let dialer = Some(container("d"));
        let observed = Observed { dialer, ..Observed::default() };
        let object = info(&down, "img", &observed, &Helpers::of(&[], &observed, &user), None);
        assert_eq!(
            object["Dialer"],
            json!({"ID": "id-of-d", "Name": "d", "State": "running", "Unhealthy": false, "Restarts": 0, "OutOfMemory": false})
        );
        assert_eq!(
            (&object["Workers"], &object["Builds"], &object["Cache"], &object["State"]),
            (&Value::Null, &Value::Null, &Value::Null, &json!("exited"))
        );
    }
}
