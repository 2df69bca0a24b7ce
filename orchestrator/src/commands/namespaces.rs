//! Which sidecars live in the network namespace of their backend, and what a running backend was told of its
//! forwards.

use std::collections::BTreeSet;

use assemble_contract::Ports;
use assemble_contract::answer::socket_in_table;
use assemble_contract::argv::{self, Probed};
use tokio::time::timeout;

use super::health::{answer_limit, gradually};
use crate::engine::Engine;
use crate::observed::{Container, Observed, Sidecar, State};
use crate::spec::NOTE_FILE;

/// What commands in the containers tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// For each of the sidecars, in their order, whether it is in the backend's network namespace; empty where
    /// nothing could be found out.
    pub(super) beside: Vec<Option<bool>>,
    /// The text of the backend's note; none where it was not read.
    pub(super) note: Option<String>,
    /// Whether they have not answered in time.
    pub(super) late: bool,
}

/// Finds out which sidecars serve in the network namespace that their backend has now.
///
/// A relay answers at an abstract socket, which belongs to its network namespace (unix(7)), and the
/// kernel lists those of the backend's to whoever reads its table there: one command tells of all,
/// wherever the engine is. Whoever is not in it is asked whether it serves at all; one that does, or
/// hangs, does so in another namespace. Of an image with another program nothing is known.
/// That command reads the note too: another one, or the engine's way to a file, would cost as much again.
pub(super) async fn find<E: Engine>(engine: &E, observed: &Observed) -> Found {
    let running = |container: &Container| container.state == State::Running;
    let Some(backend) = observed.backend.as_ref().filter(|backend| running(backend)) else {
        return Found::default();
    };
    if !observed.sidecars.iter().any(|sidecar| running(&sidecar.container)) {
        return Found::default();
    }
    let looking = async {
        let Seen { relays: here, note } = see(engine, backend).await?;
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
                Some(see(engine, backend).await?.relays.contains(&sidecar.ports))
            } else {
                None
            }
        };
        let beside = gradually(engine.at_once(), observed.sidecars.iter().map(look)).await;
        Some(Found { beside, note, late: false })
    };
    match timeout(answer_limit(engine, None), looking).await {
        Ok(found) => found.unwrap_or_default(),
        Err(_) => Found { late: true, ..Found::default() },
    }
}

/// What is seen in a backend.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// The ports of the relays that serve in its network namespace.
    relays: BTreeSet<Ports>,
    note: Option<String>,
}

async fn see<E: Engine>(engine: &E, backend: &Container) -> Option<Seen> {
    let told = engine.exec(&backend.id, &["cat", NOTE_FILE, "/proc/net/unix"]).await.ok()?;
    seen(&String::from_utf8_lossy(&told.output), told.status == 0)
}

/// Reads a note, and behind it a table of unix sockets (proc_pid_net(5)): its first line has the names of the
/// columns, and a name in the abstract namespace begins with `@`. What is `whole` has both; else the note is
/// missing. Builds can write into the table, by the names of their sockets, and not before it.
fn seen(text: &str, whole: bool) -> Option<Seen> {
    let is_head = |line: &str| line.starts_with("Num ") && line.trim_end().ends_with(" Path");
    let note: usize = text.split_inclusive('\n').take_while(|line| !is_head(line)).map(str::len).sum();
    let (note, table) = text.split_at(note);
    let relays = table.lines().skip(1).filter_map(socket_in_table).collect();
    (!table.is_empty()).then(|| Seen { relays, note: whole.then(|| note.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::REGISTRY_PORT;

    #[test]
    fn relays_and_the_note_are_read_of_one_text() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 49033 /run/buildkit/buildkitd.sock\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 49034 @assemble-proxy/5000\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 49035 @assemble-proxy/5000\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 49036 @assemble-proxy/x\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 49036 @\n6000 gateway\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 49037\n";
        let head = table.lines().next().unwrap();
        let relays = BTreeSet::from([REGISTRY_PORT.into()]);
        let note = |text: &str| Some(text.to_owned());
        for (before, whole, note) in [
            ("5000 gateway\n", true, note("5000 gateway\n")),
            ("", true, note("")),
            ("cat: can't open '/etc/docker-assemble/forwards': No such file or directory\n", false, None),
        ] {
            let want = Seen { relays: relays.clone(), note: note.clone() };
            assert_eq!(seen(&format!("{before}{table}"), whole), Some(want));
            let none = Seen { relays: BTreeSet::new(), note };
            assert_eq!(seen(&format!("{before}{head}"), whole), Some(none));
        }
        for unknown in
            ["", "5000 gateway\ncat: /proc/net/unix: No such file or directory\n", "exec failed: no cat\n"]
        {
            assert_eq!(seen(unknown, false), None, "{unknown}");
        }
    }
}
