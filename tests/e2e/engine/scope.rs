//! What a test makes on a real engine, and its removal.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use docker_assemble::desired::{ContainerName, ImageRef, Settings};
use docker_assemble::engine::{DockerEngine, Engine};
use docker_assemble::observed::Cgroups;
use docker_assemble::spec::{ContainerSpec, Mount, Network, Privileges, Restart};

use super::real_engine::BUSYBOX;

/// The label on everything a test makes; its value is the test's prefix.
pub(crate) const LABEL: &str = "io.github.docker-assemble.test";

/// A name prefix of one test's own. What carries it is removed at the end, even of a failed
/// test, by docker's own client: a `Drop` cannot wait for ours.
pub(crate) struct Scope(pub(crate) String);

impl Scope {
    pub(crate) fn new(test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("assemble-test-{}-{count}-{test}", std::process::id()))
    }

    pub(crate) fn name(&self, part: &str) -> ContainerName {
        ContainerName(format!("{}-{part}", self.0))
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(LABEL.to_owned(), self.0.clone())])
    }

    /// A container of busybox that runs `script`.
    pub(crate) fn spec(&self, part: &str, script: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.name(part),
            image: ImageRef(BUSYBOX.to_owned()),
            args: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec![],
            labels: self.labels(),
            user: None,
            sysctls: BTreeMap::new(),
            network: Network::Own,
            mounts: vec![],
            settings: Settings::default(),
            privileges: Privileges::Nothing,
            read_only: true,
            pids: None,
            descriptors: None,
            restart: Restart::No,
            files: vec![],
            note: None,
        }
    }
}

/// What a container must have that builds: its privileges, and what is mounted for them.
pub(crate) async fn builder(engine: &DockerEngine) -> (Privileges, Vec<Mount>) {
    let add = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"].map(str::to_owned).to_vec();
    let cgroups = engine.facts().await.unwrap().cgroups;
    let tree = "/sys/fs/cgroup".to_owned();
    let bound = (cgroups == Cgroups::V1).then(|| Mount::Bind {
        source: tree.clone(),
        target: tree,
        read_only: false,
    });
    (Privileges::Builder { add, cgroups }, bound.into_iter().collect())
}

/// BuildKit's image, made beforehand: nothing is pulled.
pub(crate) fn buildkit() -> ImageRef {
    let name = std::env::var("ASSEMBLE_TEST_BACKEND_IMAGE").ok().filter(|name| !name.is_empty());
    ImageRef(name.unwrap_or_else(|| "assemble-backend:local".to_owned()))
}

/// A container of it that builds.
pub(crate) async fn daemon(engine: &DockerEngine, scope: &Scope) -> ContainerSpec {
    let (privileges, mounts) = builder(engine).await;
    ContainerSpec {
        image: buildkit(),
        args: vec!["--oci-worker-net=host".to_owned()],
        privileges,
        mounts,
        read_only: false,
        ..scope.spec("backend", "")
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        for (list, remove) in [
            (vec!["ps", "-aq", "--no-trunc"], vec!["rm", "-fv"]),
            (vec!["volume", "ls", "-q"], vec!["volume", "rm", "-f"]),
        ] {
            let filter = format!("label={LABEL}={}", self.0);
            let Ok(found) = Command::new("docker").args(list).args(["--filter", &filter]).output() else {
                return;
            };
            let found = String::from_utf8_lossy(&found.stdout).into_owned();
            let found: Vec<&str> = found.split_whitespace().collect();
            if !found.is_empty() {
                let _ = Command::new("docker").args(remove).args(found).output();
            }
        }
    }
}
