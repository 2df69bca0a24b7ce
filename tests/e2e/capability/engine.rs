//! What the engine in use can do for builds, by its own account.

use std::os::unix::fs::MetadataExt;

use crate::support::{Backend, base_image, docker, host, inspect};

/// Where the gateway of the engine's default network leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gateway {
    /// To this host.
    Host,
    /// To the network namespace of an engine without root.
    Namespace,
    /// Nowhere: there is no such network.
    Missing,
}

impl Gateway {
    #[track_caller]
    pub(super) fn of_the_engine() -> Self {
        // Podman before 4.6 does not tell docker that it has no root; its socket is the user's.
        let socket = host().strip_prefix("unix://").map(|path| std::fs::metadata(path).unwrap());
        if socket.is_some_and(|socket| socket.uid() != 0) {
            return Self::Namespace;
        }
        let networks = docker(&["network", "ls", "--format", "{{.Name}}"]).ok().stdout;
        let is_default = |name: &str| ["bridge", "podman"].contains(&name);
        if networks.lines().any(is_default) { Self::Host } else { Self::Missing }
    }

    /// The value of `--allow-host-port` by which builds reach these ports of the host.
    pub(super) fn way_to(self, ports: &str) -> String {
        let around = if self == Self::Host { "" } else { "@loopback" };
        ports.split(',').map(|value| format!("{value}{around}")).collect::<Vec<_>>().join(",")
    }
}

/// Whether the engine keeps what containers say.
#[track_caller]
pub(super) fn keeps_logs() -> bool {
    docker(&["info", "--format", "{{.LoggingDriver}}"]).ok().stdout.trim() != "none"
}

/// A service beside the backend, in a container of another's; gone when dropped.
pub(super) struct Service {
    name: String,
    pub(super) address: String,
}

impl Service {
    /// What it answers.
    pub(super) const SAYS: &str = "hello";

    /// On port 8080 of its own address in the network that the backend is in.
    #[track_caller]
    pub(super) fn beside(backend: &Backend) -> Self {
        let inspected = backend.inspect();
        let networks = inspected["NetworkSettings"]["Networks"].as_object().unwrap();
        let network = networks.keys().next().expect("the backend is in a network");
        let serve = format!("echo {} >/tmp/index.html; exec busybox httpd -f -p 8080 -h /tmp", Self::SAYS);
        let mut service = Self { name: format!("{}-service", backend.user), address: String::new() };
        let run = ["run", "--detach", "--name", &service.name, "--network", network, &base_image()];
        docker(&[&run[..], &["sh", "-c", &serve]].concat()).ok();
        let address = &inspect(&service.name)["NetworkSettings"]["Networks"][network]["IPAddress"];
        address.as_str().unwrap().clone_into(&mut service.address);
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", &self.name]);
    }
}
