//! The ways to find out whether a container serves.

use std::collections::BTreeSet;
use std::time::Duration;

use assemble_contract::argv::{self, Probed, Question};
use assemble_contract::image::DIALER_SOCKET;
use tokio::time::Instant;

use super::Wait;
use crate::desired::{Port, Ports};
use crate::engine::{Engine, EngineError};
use crate::forward::named;
use crate::health::{self, Answer, Listener, TABLES};
use crate::observed::ContainerId;

/// The command in a backend that succeeds once BuildKit answers; the same that buildx uses.
const BACKEND_COMMAND: [&str; 3] = ["buildctl", "debug", "workers"];

/// How long a sidecar that cannot be probed in any way has to run without a break.
const TRUSTED_AFTER: Duration = Duration::from_secs(1);

/// A way to find out whether a container serves.
#[derive(Clone, Copy)]
pub(super) enum Probe<'a> {
    /// BuildKit's own client in the backend.
    BuildKit,
    /// The built-in sidecar's status, with an attempt to connect to its target.
    Target { ports: Ports, backend: &'a ContainerId },
    /// The built-in sidecar's own probe.
    Health { ports: Ports, backend: &'a ContainerId },
    /// The dialer's, which asks at its socket.
    Dialer,
    /// The table of listeners in the network that sidecar and backend share, read in the
    /// backend: for a sidecar image without the probe.
    Listeners { ports: Ports, backend: &'a ContainerId },
    /// Nothing tells: it runs without a break for a while.
    Runs { since: Instant },
}

/// What a probe found.
pub(super) enum Found {
    /// And what it told, if anything.
    Serves(Option<Answer>),
    NotYet(String),
    /// This way does not work here.
    Next(String),
}

impl<E: Engine> Wait<'_, E> {
    pub(super) async fn probe(&self) -> Result<Found, EngineError> {
        match self.probe {
            Probe::BuildKit => {
                let answer = self.engine.exec(&self.container.id, &BACKEND_COMMAND).await?;
                let said = String::from_utf8_lossy(&answer.output).into_owned();
                Ok(if answer.status == 0 { Found::Serves(None) } else { Found::NotYet(said) })
            }
            Probe::Target { ports, .. } => self.target(ports).await,
            Probe::Health { ports, .. } => self.health(Probed::Relay(ports)).await,
            Probe::Dialer => self.health(Probed::Dialer(DIALER_SOCKET)).await,
            Probe::Listeners { ports, backend } => self.listeners(ports, backend).await,
            Probe::Runs { since } if since.elapsed() >= TRUSTED_AFTER => Ok(Found::Serves(None)),
            Probe::Runs { .. } => Ok(Found::NotYet(String::new())),
        }
    }

    /// A program that fails here may serve all the same, and be of another version.
    async fn target(&self, ports: Ports) -> Result<Found, EngineError> {
        let command = argv::status(ports, &Question::Target);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        match self.engine.exec(&self.container.id, &command).await {
            Ok(answer) if answer.status == 0 => {
                let told = health::read(answer.status, &answer.output);
                Ok(Found::Serves(Some(told).filter(|told| matches!(told, Answer::Told(_)))))
            }
            Ok(answer) => Ok(Found::Next(String::from_utf8_lossy(&answer.output).into_owned())),
            Err(error) if has_no_such_program(&error) => Ok(Found::Next(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn health(&self, of: Probed<'_>) -> Result<Found, EngineError> {
        let command = argv::health(of);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        match self.engine.exec(&self.container.id, &command).await {
            Ok(answer) if answer.status == 0 => Ok(Found::Serves(None)),
            Ok(answer) => {
                let said = String::from_utf8_lossy(&answer.output).into_owned();
                // 126 and 127: there is no such program to run.
                Ok(if answer.status >= 126 { Found::Next(said) } else { Found::NotYet(said) })
            }
            Err(error) if has_no_such_program(&error) => Ok(Found::Next(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn listeners(&self, ports: Ports, backend: &ContainerId) -> Result<Found, EngineError> {
        match self.engine.exec(backend, &["cat", TABLES[0], TABLES[1]]).await {
            // `cat` fails where there is no IPv6, and has printed the other table by then.
            Ok(answer) if listen(&String::from_utf8_lossy(&answer.output), ports) => Ok(Found::Serves(None)),
            Ok(answer) if answer.status >= 126 => Ok(Found::Next("nothing to probe with".to_owned())),
            Ok(_) => Ok(Found::NotYet(format!("nothing listens on {}", named(ports)))),
            Err(error) if has_no_such_program(&error) => Ok(Found::Next(error.to_string())),
            Err(error) => Err(error),
        }
    }

    pub(super) fn next_probe(&mut self) {
        self.probe = match self.probe {
            Probe::Target { ports, backend } => Probe::Health { ports, backend },
            Probe::Health { ports, backend } => Probe::Listeners { ports, backend },
            _ => Probe::Runs { since: Instant::now() },
        };
    }
}

/// Whether the engine says by its refusal what others say by a status of 126 or 127. Another matter is
/// one that forbids all commands (403), or knows of none (404).
fn has_no_such_program(error: &EngineError) -> bool {
    matches!(error, EngineError::Refused { status: 400 | 500, .. })
}

/// Whether a socket listens on each of `ports`, by the kernel's tables.
fn listen(tables: &str, ports: Ports) -> bool {
    let port = |it: Listener| Port::new(it.addr.port()).filter(|port| ports.contains(*port));
    let found: BTreeSet<Port> = health::listeners(tables).into_iter().filter_map(port).collect();
    found.len() == ports.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_told_from_connections() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
             0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000\n\
             1: 0100007F:1770 0100007F:9999 01 00000000:00000000 00:00000000\n";
        let listen = |ports: &str| listen(table, ports.parse().unwrap());
        assert!(listen("5000"));
        assert!(!listen("6000"), "a connection");
        assert!(!listen("80") && !listen("5000-5001"));
    }
}
