//! The containers beside the backend: those that are there, and those that should be.

use anyhow::Result;
use docker_plugin::output::Console;
use serde_json::{Value, json};

use super::{condition, container, forwards, state};
use crate::commands::health::Examined;
use crate::commands::restarts::restarts;
use crate::desired::{ContainerName, Ports, UserName};
use crate::forward::{Forward, Target};
use crate::observed::{Container, Observed, State};

/// In the place of an id and of a state.
const MISSING: &str = "missing";

/// What serves a backend, or should.
pub(super) struct Helpers<'a> {
    /// In the order of the ports.
    sidecars: Vec<Sidecar<'a>>,
    /// None where no forward needs one.
    dialer: Option<Helper<'a>>,
    backend: Option<&'a Container>,
}

struct Sidecar<'a> {
    ports: Ports,
    target: Option<Target>,
    helper: Helper<'a>,
    /// None of one that is missing.
    examined: Option<&'a Examined>,
}

enum Helper<'a> {
    There(&'a Container),
    /// A process of the engine's host; its id where that is this one.
    Process(ContainerName, Option<u32>),
    Missing(ContainerName),
}

impl<'a> Helpers<'a> {
    /// `examined` are the sidecars that `observed` has.
    pub(super) fn of(examined: &'a [Examined], observed: &'a Observed, user: &UserName) -> Self {
        let there = examined.iter().map(|examined| Sidecar {
            ports: examined.sidecar.ports,
            target: examined.sidecar.target.clone(),
            helper: Helper::There(&examined.sidecar.container),
            examined: Some(examined),
        });
        let missing = observed.missing().into_iter().map(|forward| Sidecar {
            ports: forward.ports,
            helper: Helper::Missing(user.sidecar(&forward)),
            target: Some(forward.target),
            examined: None,
        });
        let mut sidecars: Vec<_> = there.chain(missing).collect();
        sidecars.sort_by_key(|sidecar| sidecar.ports);
        let is_wanted = |sidecar: &Sidecar<'_>| sidecar.target.as_ref().is_some_and(Target::is_loopback);
        let missing = || sidecars.iter().any(is_wanted).then(|| Helper::Missing(user.dialer()));
        let process = observed.asked_dialer().and_then(|found| match found {
            Some(dialer) => Some(Helper::Process(user.dialer(), Some(dialer.process.as_ref()?.id))),
            None => Some(Helper::Process(user.dialer(), None)),
        });
        let dialer = observed.dialer.as_ref().map(Helper::There).or(process).or_else(missing);
        Self { sidecars, dialer, backend: observed.backend.as_ref() }
    }

    /// The lines of all; `start` is the command that keeps all forwards and repairs them.
    pub(super) fn list(&self, console: &Console, start: &str, verbose: bool) -> Result<()> {
        if self.sidecars.is_empty() && self.dialer.is_none() {
            console.line("Sidecar containers: none, no port of the host is forwarded")?;
            return Ok(());
        }
        console.line("Sidecar containers:")?;
        for sidecar in &self.sidecars {
            let is_stale = sidecar.examined.is_some_and(|examined| examined.stale);
            console.line(format_args!("{}{}", sidecar.helper.line(is_stale), sidecar.leads_to()))?;
            if let Some(told) = sidecar.helper.restarts(self.backend) {
                console.line(format_args!("   {told}"))?;
            }
            let lines = match sidecar.examined {
                Some(examined) if examined.answer.is_some() => forwards::lines(examined, start, verbose),
                _ => vec![sidecar.helper.what_helps(start)],
            };
            lines.into_iter().try_for_each(|line| console.line(format_args!("   {line}")))?;
        }
        if let Some(dialer) = &self.dialer {
            console.line(format_args!("{}, leads to the host's loopback", dialer.line(false)))?;
            if let Some(told) = dialer.restarts(None) {
                console.line(format_args!("   {told}"))?;
            }
            if !dialer.runs() {
                console.line(format_args!("   {}", dialer.what_helps(start)))?;
            }
        }
        Ok(())
    }

    pub(super) fn sidecar_objects(&self) -> Vec<Value> {
        let object = |sidecar: &Sidecar<'_>| {
            let mut object = sidecar.helper.object();
            object["Port"] = container::ports(sidecar.ports);
            let now = sidecar.examined.and_then(|examined| examined.report()?.addr());
            object["Target"] = sidecar.forward().map(|forward| container::target(&forward, now)).into();
            object["Stale"] = sidecar.examined.is_some_and(|examined| examined.stale).into();
            object["Forward"] = sidecar.examined.map_or_else(forwards::unknown, forwards::object);
            object
        };
        self.sidecars.iter().map(object).collect()
    }

    pub(super) fn dialer_object(&self) -> Option<Value> {
        self.dialer.as_ref().map(Helper::object)
    }
}

impl Sidecar<'_> {
    /// Where it leads, unless that is the port in its name on the host.
    fn leads_to(&self) -> String {
        match self.forward() {
            None => ", to a target that this version does not know".to_owned(),
            Some(forward) if forward.is_plain() => String::new(),
            Some(forward) => format!(", to {}", forward.leads_to()),
        }
    }

    fn forward(&self) -> Option<Forward> {
        Some(Forward { ports: self.ports, target: self.target.clone()? })
    }
}

impl Helper<'_> {
    fn line(&self, is_stale: bool) -> String {
        match self {
            Self::Missing(name) => format!(" - <{MISSING}> {name} ({MISSING})"),
            Self::Process(name, Some(id)) => format!(" - process {id} {name} (running)"),
            Self::Process(name, None) => format!(" - process {name} (on the engine's host)"),
            Self::There(container) => {
                let state = if is_stale { "stale" } else { condition(&container.state, container.unhealthy) };
                format!(" - {} {} ({state})", container.id.short(), container.name)
            }
        }
    }

    /// How often it has ended unasked.
    fn restarts(&self, backend: Option<&Container>) -> Option<String> {
        let Self::There(container) = self else { return None };
        restarts(container, backend).map(|told| format!("It {told}"))
    }

    fn runs(&self) -> bool {
        match self {
            Self::There(container) => container.state == State::Running,
            Self::Process(..) => true,
            Self::Missing(_) => false,
        }
    }

    /// For one that serves nobody as it is.
    fn what_helps(&self, start: &str) -> String {
        match self {
            Self::There(container) if container.state == State::Paused => {
                format!("What helps: 'docker unpause {}' wakes it", container.name)
            }
            Self::There(_) | Self::Process(..) => format!("What helps: '{start}' replaces it"),
            Self::Missing(_) => format!("What helps: '{start}' makes it again"),
        }
    }

    fn no_container(name: &ContainerName, state: &str) -> Value {
        json!({ "ID": "", "Name": name.0, "State": state, "Unhealthy": false, "Restarts": 0, "OutOfMemory": false })
    }

    fn object(&self) -> Value {
        match self {
            Self::There(there) => container::common(there),
            Self::Missing(name) => Self::no_container(name, MISSING),
            Self::Process(name, None) => Self::no_container(name, "unknown"),
            Self::Process(name, Some(id)) => {
                let mut object = Self::no_container(name, state(&State::Running));
                object["Process"] = (*id).into();
                object
            }
        }
    }
}
