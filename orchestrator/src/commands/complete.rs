//! Candidates for the shell that only the engine or this host knows. Whatever goes wrong,
//! nothing is offered and nothing is said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use docker_plugin::cli::{self, Completion, Offer, Typed};
use docker_plugin::endpoint;
use docker_plugin::vars::Vars;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::account;
use crate::desired::UserName;
use crate::engine::{DockerEngine, Engine};
use crate::health::Listener;

use super::{Which, host_sockets, observe};

/// Where candidates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The engine's volumes.
    Volumes,
    /// The engine's images.
    Images,
    /// The engine's networks.
    Networks,
    /// The ports that the backend forwards.
    ForwardedPorts,
    /// The ports on which something listens on this host.
    HostPorts,
    /// The backend's containers.
    Containers,
    /// The user's backends.
    Backends,
}

/// To add to an option: the engine's volumes.
pub(super) fn volumes(_: &Typed<'_>) -> Offer<Source> {
    Offer::of(Source::Volumes)
}

/// The engine's images.
pub(super) fn images(_: &Typed<'_>) -> Offer<Source> {
    Offer::of(Source::Images)
}

/// The engine's networks.
pub(super) fn networks(_: &Typed<'_>) -> Offer<Source> {
    Offer::of(Source::Networks)
}

/// The ports that the backend forwards.
pub(super) fn forwarded_ports(_: &Typed<'_>) -> Offer<Source> {
    Offer::of(Source::ForwardedPorts)
}
/// The backend's containers.
pub(super) fn containers(_: &Typed<'_>) -> Offer<Source> {
    Offer::of(Source::Containers)
}

/// The names of the user's backends.
pub(super) fn backends(_: &Typed<'_>) -> Offer<Source> {
    Offer::of(Source::Backends)
}

/// Candidates that are not in the tree of commands. An engine that ssh leads to is not asked: nobody
/// wants a login for a press of the Tab key.
pub fn candidates(wanted: &Completion<Source>, vars: &impl Vars) -> Vec<String> {
    let (home, globals) = (account::home(vars), &wanted.globals);
    let source = match wanted.source {
        None => return Vec::new(),
        Some(cli::Source::Contexts) => return endpoint::contexts(globals, vars, home.as_deref()),
        Some(cli::Source::Own(source)) => source,
    };
    let Ok(resolved) = endpoint::resolve(globals, vars, home.as_deref()) else { return Vec::new() };
    let host = &resolved.endpoint.host;
    if source == Source::HostPorts {
        return if host.starts_with("unix:") { host_ports() } else { Vec::new() };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (false, Ok(runtime)) = (host.starts_with("ssh:"), runtime) else { return Vec::new() };
    let name = wanted.given("name").pop().and_then(|name| name.parse().ok());
    let which = Which::of(name, vars).ok();
    let user = account::user(vars).zip(which).map(|(user, which)| which.of_user(&user));
    let asking = async {
        // A certificate may come out of a pipe that nobody writes to.
        let connecting = spawn_blocking(move || DockerEngine::new(&resolved.endpoint, resolved.credentials));
        Some(of_engine(&connecting.await.ok()?.ok()?, user.as_ref(), source).await)
    };
    let found = runtime.block_on(async { timeout(ENGINE_LIMIT, asking).await.ok()? });
    // The name of an engine's host may still be looked up, and the certificate waited for.
    runtime.shutdown_background();
    found.unwrap_or_default()
}

/// How long a person who pressed Tab is kept waiting for an engine.
const ENGINE_LIMIT: Duration = Duration::from_secs(1);

/// What the engine has.
pub async fn of_engine<E: Engine>(engine: &E, user: Option<&UserName>, source: Source) -> Vec<String> {
    let ask = async {
        match (source, user) {
            (Source::Volumes, _) => {
                let volumes = engine.volumes(&BTreeMap::new()).await.ok()?;
                Some(volumes.into_iter().map(|volume| volume.0).collect())
            }
            (Source::Images, _) => {
                let images = engine.images().await.ok()?;
                Some(images.into_iter().map(|image| image.0).collect())
            }
            (Source::Networks, _) => {
                let networks = engine.networks().await.ok()?;
                Some(networks.into_iter().map(|network| network.name).collect())
            }
            (Source::ForwardedPorts, Some(user)) => {
                let sidecars = observe::ours(engine, user).await.ok()?.sidecars;
                Some(sidecars.into_iter().map(|sidecar| sidecar.ports.to_string()).collect())
            }
            (Source::Containers, Some(user)) => {
                let observed = observe::ours(engine, user).await.ok()?;
                Some(observed.containers().map(|container| container.name.0.clone()).collect())
            }
            (Source::Backends, Some(user)) => {
                let backends = observe::backends(engine, user).await.ok()?;
                Some(backends.into_keys().map(|name| name.to_string()).collect())
            }
            (Source::HostPorts, _) | (_, None) => None,
        }
    };
    let mut found: Vec<String> = ask.await.unwrap_or_default();
    if !matches!(source, Source::ForwardedPorts | Source::Containers) {
        found.sort_unstable();
    }
    found
}

/// The ports of this host that a backend on it could reach.
fn host_ports() -> Vec<String> {
    reachable(&host_sockets::listeners().unwrap_or_default()).iter().map(ToString::to_string).collect()
}

/// The ports of sockets that listen on more than the loopback interface.
fn reachable(sockets: &[Listener]) -> BTreeSet<u16> {
    sockets
        .iter()
        .map(|socket| socket.addr)
        .filter(|addr| !addr.ip().to_canonical().is_loopback())
        .map(|addr| addr.port())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_behind_the_loopback_interface_are_out_of_reach() {
        let listener = |addr: &str| Listener { addr: addr.parse().unwrap(), waiting: 0 };
        let sockets =
            ["0.0.0.0:5000", "127.0.0.1:8080", "127.0.0.11:53", "[::1]:80", "[::]:443", "[::]:5000"];
        assert_eq!(reachable(&sockets.map(listener)), BTreeSet::from([443, 5000]));
    }
}
