//! What came into being during a test, by the engine's own account.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::Value;

use super::backend::{Backend, unique};
use super::engine::{Volume, docker, docker_command};
use super::process::Background;

/// Listens to the engine's events. Names of anonymous volumes are known nowhere else once their
/// container is gone.
pub(crate) struct Witness(Background);

/// What a backend made or used.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) containers: BTreeSet<String>,
    pub(crate) volumes: BTreeSet<String>,
}

impl Witness {
    pub(crate) fn start() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        // What happens until the engine listens is told afterwards.
        let since = format!("--since={now}");
        let filters = ["--filter=event=create", "--filter=event=mount"];
        let args = [&["events", "--format={{json .}}", &since][..], &filters].concat();
        Self(Background::start(&mut docker_command(&args)))
    }

    /// What was seen of `backend`.
    pub(crate) fn seen(mut self, backend: &Backend) -> Seen {
        // Events come in their order: behind this one nothing of the backend's is on its way.
        let last = Volume::create(&unique());
        self.0.says(&last.0);
        self.0.signal("INT");
        let events = self.0.outcome().stdout;
        let events: Vec<Value> = events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let of = |kind: &'static str, action: &'static str| {
            events.iter().filter(move |event| event["Type"] == kind && event["Action"] == action)
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();

        let mut seen = Seen::default();
        for event in of("container", "create") {
            let name = text(&event["Actor"]["Attributes"]["name"]);
            let rest = name.strip_prefix(&backend.name());
            if rest
                .is_some_and(|rest| rest.is_empty() || rest == "-dialer" || rest.starts_with("-proxy-port-"))
            {
                seen.containers.insert(text(&event["Actor"]["ID"]));
            }
        }
        for event in of("volume", "mount") {
            if seen.containers.contains(&text(&event["Actor"]["Attributes"]["container"])) {
                seen.volumes.insert(text(&event["Actor"]["ID"]));
            }
        }
        seen
    }
}

impl Seen {
    /// Demands that nothing of it is left but these volumes.
    #[track_caller]
    pub(crate) fn is_gone_but(&self, kept: &[&str]) {
        let listed = docker(&["ps", "--all", "--quiet", "--no-trunc"]).ok().stdout;
        for id in &self.containers {
            assert!(!listed.contains(id.as_str()), "container {id} was left behind");
        }
        for volume in &self.volumes {
            let stays = kept.contains(&volume.as_str());
            assert_eq!(Volume::exists(volume), stays, "volume {volume}, kept: {kept:?}");
        }
    }
}
