//! What a command in a container answers.

use docker_assemble::desired::ContainerName;
use docker_assemble::engine::{EngineError, ExecOutput, Result};
use docker_assemble::observed::{ContainerId, State};
use tokio::time::Instant;

use super::{FakeEngine, operation};

impl FakeEngine {
    pub(super) async fn run_command(&self, id: &ContainerId, command: &[&str]) -> Result<ExecOutput> {
        let (runs, hangs, said, takes) = {
            let mut world = self.world();
            let name = ContainerName(world.name(id));
            // No probe, and counted as none.
            if let ["cat", note, "/proc/net/unix"] = command
                && world.refused_commands.1 == 0
            {
                let text = world.files.get(&(id.clone(), (*note).to_owned()));
                let missing = || format!("cat: can't open '{note}': No such file or directory\n");
                let before = text.map_or_else(missing, |text| String::from_utf8_lossy(text).into_owned());
                let output = (before + &world.relays(id)).into();
                return Ok(ExecOutput { status: i64::from(text.is_none()), output });
            }
            if world.refused_commands.1 > 0 {
                world.refused_commands.1 -= 1;
                let operation = operation("run a command in container", id.short());
                let message = "the filter forbids it".to_owned();
                return Err(match world.refused_commands.0 {
                    404 => EngineError::NotFound { operation, message },
                    409 => EngineError::Conflict { operation, message },
                    status => EngineError::Refused { operation, status, message },
                });
            }
            if world.older.contains(&name) && command.iter().any(|word| word.starts_with("--speak=")) {
                let output = "error: unexpected value '8003' for '--speak' found; no more were expected";
                return Ok(ExecOutput { status: 2, output: output.into() });
            }
            let (takes, now) = (world.command_takes, Instant::now());
            world.commands.push((name.clone(), now, now + takes));
            let runs = world.find(id).is_some_and(|container| container.state == State::Running);
            let said = world
                .said
                .get(&name)
                .filter(|_| command.iter().any(|word| ["status", "/proc/net/tcp"].contains(word)))
                .cloned();
            (runs, world.hung.contains(&name), said, takes)
        };
        tokio::time::sleep(takes).await;
        if hangs {
            return std::future::pending().await;
        }
        let (status, output) = said.unwrap_or_else(|| (i64::from(!runs), String::new()));
        Ok(ExecOutput { status, output: output.into() })
    }
}
