//! A container that exists.

use std::collections::BTreeMap;

use crate::desired::{ContainerName, ImageRef, Settings};

/// The engine's id of a container: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(pub String);

impl ContainerId {
    /// The first 12 digits, as docker prints ids.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// A container's state, in the engine's words (`State.Status` of a container inspection).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs by its restart policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Could not be removed.
    Dead,
    /// What is no state of Docker's, in the engine's word: `stopped` of Podman. One that has ended is
    /// the safest to take it for: whoever wants it to run starts it.
    Other(String),
}

/// One container that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// The image as it was asked for at creation.
    pub image: ImageRef,
    /// The id of that image (`sha256:…`).
    pub image_id: String,
    /// What it is doing.
    pub state: State,
    /// Whether its own health check says that it does not serve; false without a check, and
    /// until the check has an opinion.
    pub unhealthy: bool,
    /// How often the engine has started it again by itself since somebody last did.
    pub restarts: u64,
    /// Whether the kernel has killed one of its processes for want of memory, as far as the engine
    /// has noticed.
    pub out_of_memory: bool,
    /// When it was last started, RFC 3339 in UTC as the engine prints it; empty if never.
    pub started_at: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its environment, `NAME=value`. There may be secrets in it: it is not for people to see.
    pub env: Vec<String>,
    /// Those of its settings that are options of a start.
    pub settings: Settings,
}

impl Container {
    /// Whether it was last started before `other` was. A container that never started comes
    /// before every other.
    #[must_use]
    pub fn started_before(&self, other: &Self) -> bool {
        time_key(&self.started_at) < time_key(&other.started_at)
    }
}

/// A key that orders the engine's times. They are UTC with up to nine decimals whose trailing
/// zeros are left out, so plain text order would put `.5Z` behind `.51Z`.
fn time_key(time: &str) -> (&str, &str) {
    let time = time.trim_end_matches('Z');
    time.split_once('.').map_or((time, ""), |(seconds, fraction)| (seconds, fraction.trim_end_matches('0')))
}

#[cfg(test)]
impl Container {
    /// One that runs, privileged and with nothing else to tell, for tests to change.
    pub(crate) fn running(name: &str) -> Self {
        Self {
            id: ContainerId("id".to_owned()),
            name: ContainerName(name.to_owned()),
            image: ImageRef("img".to_owned()),
            image_id: String::new(),
            state: State::Running,
            unhealthy: false,
            restarts: 0,
            out_of_memory: false,
            started_at: String::new(),
            labels: BTreeMap::new(),
            env: Vec::new(),
            settings: Settings { security: crate::desired::Security::Privileged, ..Settings::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_times_are_ordered() {
        let ordered = [
            "",
            "0001-01-01T00:00:00Z",
            "2024-05-01T10:00:00Z",
            "2024-05-01T10:00:00.5Z",
            "2024-05-01T10:00:00.51Z",
            "2024-05-01T10:00:01Z",
        ];
        for pair in ordered.windows(2) {
            assert!(time_key(pair[0]) < time_key(pair[1]), "{pair:?}");
        }
        assert_eq!(time_key("2024-05-01T10:00:00.50Z"), time_key("2024-05-01T10:00:00.5Z"));
    }
}
