//! Which sidecars live in the network namespace of their backend.

use std::collections::BTreeSet;

use assemble_contract::Ports;
use assemble_contract::answer::socket_in_table;
use assemble_contract::argv::{self, Probed};
use tokio::time::timeout;

use super::health::{ANSWER_LIMIT, gradually};
use crate::engine::Engine;
use crate::observed::{Container, Observed, Sidecar, State};

/// Finds out which sidecars serve in the network namespace that their backend has now.
///
/// A relay answers at an abstract socket, which belongs to its network namespace (unix(7)), and the
/// kernel lists those of the backend's to whoever reads its table there: one command tells of all,
/// wherever the engine is. Whoever is not in it is asked whether it serves at all; one that does, or
/// hangs, does so in another namespace. Of an image with another program nothing is known.
/// One answer for each of the sidecars, in their order; none where nothing could be found out.
pub(super) async fn find<E: Engine>(engine: &E, observed: &Observed) -> Vec<Option<bool>> {
    let running = |container: &Container| container.state == State::Running;
    let Some(backend) = observed.backend.as_ref().filter(|backend| running(backend)) else {
        return Vec::new();
    };
    if !observed.sidecars.iter().any(|sidecar| running(&sidecar.container)) {
        return Vec::new();
    }
    let looking = async {
        let here = relays(engine, backend).await?;
        let look = async |sidecar: &Sidecar| {
            if !running(&sidecar.container) {
                return None;
            }
            if here.contains(&sidecar.ports) {
                return Some(true);
            }
            let command = argv::health(Probed::Relay(sidecar.ports));
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let status = engine.exec(&sidecar.container.id, &command).await.ok()?.status;
            // It may have begun to since the table was read. One that hangs has its socket still.
            if [0, argv::HANGS.into()].contains(&status) {
                Some(relays(engine, backend).await?.contains(&sidecar.ports))
            } else {
                None
            }
        };
        Some(gradually(engine.at_once(), observed.sidecars.iter().map(look)).await)
    };
    timeout(ANSWER_LIMIT, looking).await.ok().flatten().unwrap_or_default()
}

/// The ports of the relays that serve in the backend's network namespace.
async fn relays<E: Engine>(engine: &E, backend: &Container) -> Option<BTreeSet<Ports>> {
    let table = engine.exec(&backend.id, &["cat", "/proc/net/unix"]).await.ok()?;
    sockets(&String::from_utf8_lossy(&table.output))
}

/// Reads a table of unix sockets (proc_pid_net(5)): its first line has the names of the columns,
/// and a name in the abstract namespace begins with `@`.
fn sockets(table: &str) -> Option<BTreeSet<Ports>> {
    let mut lines = table.lines();
    lines.next().filter(|line| line.starts_with("Num ") && line.ends_with(" Path"))?;
    Some(lines.filter_map(socket_in_table).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::REGISTRY_PORT;

    #[test]
    fn relays_are_found_in_the_kernels_table() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 49033 /run/buildkit/buildkitd.sock\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 49034 @assemble-proxy/5000\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 49035 @assemble-proxy/5000\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 49036 @assemble-proxy/x\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 49037\n";
        let ports = [REGISTRY_PORT.into()].into();
        assert_eq!(sockets(table), Some(ports));
        assert_eq!(sockets(table.lines().next().unwrap()), Some(BTreeSet::new()));
        for unknown in ["", "cat: /proc/net/unix: No such file or directory\n", "exec failed: no cat\n"] {
            assert_eq!(sockets(unknown), None, "{unknown}");
        }
    }
}
