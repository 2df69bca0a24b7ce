//! Containers that are made and started.

use docker_assemble::desired::{ContainerName, Security};
use docker_assemble::engine::{Created, EngineError, Result};
use docker_assemble::observed::{Container, ContainerId, State};
use docker_assemble::spec::{ContainerSpec, Mount, Privileges, VolumeSpec};

use super::{Refusal, World, operation};

impl World {
    pub(super) fn create(&mut self, spec: &ContainerSpec) -> Result<Created> {
        self.call("create", &spec.name.0)?;
        let creating = || operation("create container", &spec.name.0);
        let privileged = spec.privileges == Privileges::Privileged;
        self.refused(creating(), privileged, Refusal::Create)?;
        self.refused(creating(), !privileged, Refusal::CreateHelper)?;
        if let Some(lacking) = self.lacking.filter(|name| spec.sysctls.contains_key(*name)) {
            let message = format!("open /proc/sys/{}: permission denied", lacking.replace('.', "/"));
            return Err(EngineError::PrivilegesRefused { operation: creating(), message });
        }
        if self.lacking == Some("nofile") && spec.descriptors.is_some() {
            let message = "error setting rlimit type 7: operation not permitted".to_owned();
            return Err(EngineError::PrivilegesRefused { operation: creating(), message });
        }
        let is_taken = self.taken.as_ref() == Some(&spec.name);
        if is_taken || self.containers.iter().any(|container| container.name == spec.name) {
            let message = "the name is in use".to_owned();
            return Err(EngineError::Conflict { operation: creating(), message });
        }
        let id = ContainerId(format!("{:012x}{:052x}", self.log.len(), 0));
        let image_id = self.images.get(&spec.image).cloned().unwrap_or_default();
        for mount in &spec.mounts {
            if let Mount::Own { volume: VolumeSpec { name, .. }, .. } = mount {
                self.mounts.insert((id.clone(), name.clone()));
            }
        }
        self.containers.push(Container {
            id: id.clone(),
            name: spec.name.clone(),
            image: spec.image.clone(),
            image_id,
            state: State::Created,
            unhealthy: false,
            restarts: 0,
            out_of_memory: false,
            started_at: String::new(),
            labels: spec.labels.clone(),
            env: spec.env.clone(),
            settings: spec.settings.clone(),
        });
        Ok(Created { id, warnings: self.warnings.clone() })
    }

    pub(super) fn start(&mut self, id: &ContainerId) -> Result<()> {
        let name = self.name(id);
        self.call("start", &name)?;
        let privileged =
            self.find(id).is_some_and(|container| container.settings.security == Security::Privileged);
        self.refused(operation("start container", id.short()), privileged, Refusal::Start)?;
        // As the engine does for a container in the network of another.
        let backend = name.split_once("-proxy-port-").map(|(backend, _)| backend.to_owned());
        if let Some(backend) = backend.as_ref().filter(|backend| !self.runs(backend)) {
            let message = format!("cannot join network of a non running container: {backend}");
            return Err(EngineError::Conflict {
                operation: operation("start container", id.short()),
                message,
            });
        }
        self.clock += 1;
        let joined = backend.as_ref().and_then(|backend| self.network_of(backend));
        let network = joined.unwrap_or(self.clock);
        self.networks.insert(id.clone(), network);
        let started_at = format!("2024-05-01T10:00:{:02}Z", self.clock);
        let asked = ContainerName(name.clone());
        let ends = self.ending_once.remove(&asked) || self.ending.contains(&asked);
        let Some(container) = self.find(id) else {
            return Err(EngineError::NotFound {
                operation: operation("start", &name),
                message: String::new(),
            });
        };
        container.started_at = started_at;
        container.state = if ends { State::Exited } else { State::Running };
        Ok(())
    }
}
