//! An engine in memory: it keeps state and a log of the calls that change it, and can fail the
//! n-th of them, refuse privileges, or let containers end at once.

mod calls;
mod commands;
mod containers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use docker_assemble::desired::{ContainerName, ImageRef, Port, VolumeName};
use docker_assemble::engine::{Duplex, EngineError, Network, Operation, Result};
use docker_assemble::labels::PORT;
use docker_assemble::observed::{Container, ContainerId, State};
use docker_plugin::cancel::{Canceller, Cause};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Where privileges are refused.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Refusal {
    #[default]
    Nowhere,
    Create,
    Start,
    /// To helpers, which have none of their own.
    CreateHelper,
}

/// On which side of a call a command is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// The engine never hears of it.
    Before,
    /// The engine carries it out.
    After,
}

/// Something that somebody else does.
pub(crate) type Event = Box<dyn FnOnce(&mut World) + Send>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) containers: Vec<Container>,
    pub(crate) images: BTreeMap<ImageRef, String>,
    pub(crate) volumes: BTreeMap<VolumeName, BTreeMap<String, String>>,
    /// The networks that a start can name.
    pub(crate) networks_known: Vec<Network>,
    /// Which containers have which volumes.
    pub(crate) mounts: BTreeSet<(ContainerId, VolumeName)>,
    /// What files of containers say.
    pub(crate) files: BTreeMap<(ContainerId, String), Bytes>,
    /// The calls that change something, in order.
    pub(crate) log: Vec<String>,
    /// Fail the call of this number, counted from 1.
    pub(crate) fail: Option<usize>,
    /// Kill the command at the call of this number.
    pub(crate) kill: Option<(usize, Kill)>,
    /// Say at the call of this number that somebody else is removing the container.
    pub(crate) conflict: Option<usize>,
    /// What happens right before the calls of these numbers.
    pub(crate) events: Vec<(usize, Event)>,
    /// How many listings of containers come too early to find any.
    pub(crate) early_listings: u32,
    /// How long it takes to list containers.
    pub(crate) listing_takes: Duration,
    /// A name that is taken by what is never listed.
    pub(crate) taken: Option<ContainerName>,
    /// Ask for the end at the call of this number.
    pub(crate) cancel: Option<(usize, Canceller)>,
    pub(crate) refusal: Refusal,
    /// A sysctl that it refuses, or a limit (`nofile`).
    pub(crate) lacking: Option<&'static str>,
    /// What it says of each container that is created.
    pub(crate) warnings: Vec<String>,
    /// Containers that end as soon as they are started.
    pub(crate) ending: BTreeSet<ContainerName>,
    /// Those that do so at their next start alone.
    pub(crate) ending_once: BTreeSet<ContainerName>,
    /// What `assemble-proxy status` says in a container, by its name, and its exit status; or the table
    /// of listeners.
    pub(crate) said: BTreeMap<ContainerName, (i64, String)>,
    /// How long a command takes. One that nobody waits for any more runs on, as in an engine.
    pub(crate) command_takes: Duration,
    /// Where commands ran, from when to when.
    pub(crate) commands: Vec<(ContainerName, Instant, Instant)>,
    /// The status with which so many commands are refused.
    pub(crate) refused_commands: (u16, usize),
    /// Containers whose program knows no ports behind `--speak`.
    pub(crate) older: BTreeSet<ContainerName>,
    /// Containers in which no command ever ends.
    pub(crate) hung: BTreeSet<ContainerName>,
    /// Ports that a container publishes.
    pub(crate) published: Option<(Vec<Port>, ContainerName)>,
    /// What the engine says it runs on.
    pub(crate) operating_system: String,
    /// Whether images can be pulled.
    pub(crate) registry: bool,
    /// How long what is stopped takes to end, where it is given the time.
    pub(crate) ending_takes: Duration,
    /// What is about to end, and when.
    ends: Vec<(ContainerId, Instant)>,
    /// What ran, and was not given the time to end.
    pub(crate) cut: Vec<ContainerName>,
    /// What the log of each container says, by its name, where that is not the usual.
    pub(crate) logs: BTreeMap<ContainerName, &'static str>,
    /// The network namespace that each container runs in.
    pub(crate) networks: BTreeMap<ContainerId, u32>,
    /// How to reach the BuildKit in the backend, where there is one.
    pub(crate) buildkit: Option<Box<dyn Fn() -> Duplex + Send>>,
    clock: u32,
}

#[derive(Default)]
pub(crate) struct FakeEngine {
    world: Mutex<World>,
    /// Whether it is another machine's.
    pub(crate) remote: bool,
    /// Where it is, if it is one of this machine without root.
    pub(crate) rootless: Option<String>,
    /// Told when a command would be killed; it waits for ever then, and is dropped.
    pub(crate) killed: Notify,
}

impl FakeEngine {
    pub(crate) fn with_images(images: &[&str]) -> Self {
        let images =
            images.iter().map(|name| (ImageRef((*name).to_owned()), format!("sha256:{name}"))).collect();
        Self { world: Mutex::new(World { images, ..World::default() }), ..Self::default() }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap();
        if !world.ends.is_empty() {
            world.end_due();
        }
        world
    }

    /// Carries out a call that changes something, unless the command that asks for it is killed.
    async fn act<T>(&self, work: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        let (kill, result) = {
            let mut world = self.world();
            let number = world.log.len() + 1;
            let kill = world.kill.take_if(|(at, _)| *at == number).map(|(_, kill)| kill);
            (kill, (kill != Some(Kill::Before)).then(|| work(&mut world)))
        };
        match result {
            Some(result) if kill.is_none() => result,
            // Nobody is left to hear of it.
            _ => {
                self.killed.notify_one();
                std::future::pending().await
            }
        }
    }

    /// What exists, by name and state.
    pub(crate) fn containers_now(&self) -> Vec<(String, State)> {
        self.world()
            .containers
            .iter()
            .map(|container| (container.name.0.clone(), container.state.clone()))
            .collect()
    }
}

fn operation(verb: &'static str, object: &str) -> Operation {
    Operation { verb, object: object.to_owned() }
}

impl World {
    fn call(&mut self, verb: &'static str, object: &str) -> Result<()> {
        self.log.push(format!("{verb} {}", object.replace("docker-assemble-backend-ann", "B")));
        let number = self.log.len();
        if let Some((_, canceller)) = self.cancel.take_if(|(at, _)| *at == number) {
            canceller.cancel(Cause::Interrupt);
        }
        if let Some(at) = self.events.iter().position(|(at, _)| *at == number) {
            (self.events.remove(at).1)(self);
        }
        if self.conflict == Some(number) {
            let message = "removal is already in progress".to_owned();
            return Err(EngineError::Conflict { operation: operation(verb, object), message });
        }
        if self.fail == Some(number) {
            let operation = operation(verb, object);
            return Err(EngineError::Refused { operation, status: 500, message: "no".to_owned() });
        }
        Ok(())
    }

    /// Ends what was stopped, whether or not somebody still waits for it.
    fn end_due(&mut self) {
        let now = Instant::now();
        let ended: Vec<_> = self.ends.extract_if(.., |(_, at)| *at <= now).collect();
        for (id, _) in ended {
            if let Some(container) = self.find(&id) {
                container.state = State::Exited;
            }
        }
    }

    fn find(&mut self, id: &ContainerId) -> Option<&mut Container> {
        self.containers.iter_mut().find(|container| container.id == *id)
    }

    fn name(&self, id: &ContainerId) -> String {
        self.containers.iter().find(|c| c.id == *id).map_or_else(|| id.0.clone(), |c| c.name.0.clone())
    }

    fn runs(&self, name: &str) -> bool {
        self.containers.iter().any(|c| c.name.0 == name && c.state == State::Running)
    }

    fn network_of(&self, name: &str) -> Option<u32> {
        let container = self.containers.iter().find(|container| container.name.0 == name)?;
        self.networks.get(&container.id).copied()
    }

    /// What the kernel shows in a container of the relays in its network.
    fn relays(&self, id: &ContainerId) -> String {
        let here = |container: &&Container| {
            container.state == State::Running && self.networks.get(&container.id) == self.networks.get(id)
        };
        let ports = self.containers.iter().filter(here).filter_map(|container| container.labels.get(PORT));
        let lines =
            ports.map(|port| format!("0: 00000002 00000000 00010000 0001 01 1 @assemble-proxy/{port}\n"));
        format!("Num       RefCount Protocol Flags    Type St Inode Path\n{}", lines.collect::<String>())
    }

    fn refused(&self, operation: Operation, concerned: bool, at: Refusal) -> Result<()> {
        if concerned && self.refusal == at {
            let message = "operation not permitted".to_owned();
            return Err(EngineError::PrivilegesRefused { operation, message });
        }
        Ok(())
    }
}
