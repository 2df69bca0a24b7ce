//! What a plan leaves behind when all of it succeeds: the planner's own idea of the engine, by
//! which tests show that planning twice yields nothing.

use super::Plan;
use super::action::Action;
use crate::labels;
use crate::observed::{self, Container, ContainerId, HostDialer, Observed, Process, Sidecar, State};
use crate::spec::{self, ContainerSpec};

impl Observed {
    /// The state after every action of `plan` succeeded at the first try.
    #[must_use]
    pub fn after(&self, plan: &Plan) -> Self {
        let mut next = self.clone();
        for action in plan.actions() {
            next.take(action);
        }
        next
    }

    fn take(&mut self, action: &Action) {
        match action {
            Action::Pull { image, .. } | Action::LoadProxyImage { image } => {
                self.images.insert(image.clone(), format!("sha256:{image}"));
            }
            Action::Remove { id, .. } => drop(self.take_out(id)),
            Action::SetAside { id, name, .. } => {
                if let Some(old) = self.take_out(id) {
                    let name = name.aside(id.short());
                    self.replaced.push(Container { name, state: State::Exited, ..old });
                }
            }
            Action::PutBack { id, name } => {
                if let Some(old) = self.take_out(id) {
                    // What stands in no place has no user to ask for.
                    let old = Container { name: name.clone(), ..old };
                    match old.labels.get(labels::ROLE).map(String::as_str) {
                        Some(labels::ROLE_BACKEND) => self.backend = Some(old),
                        _ => self.strays.push(old),
                    }
                }
            }
            Action::Note { note, .. } => self.noted = Some(spec::noted(&note.content)),
            Action::Change { id, change, .. } => {
                if let Some(backend) = self.backend.as_mut().filter(|backend| backend.id == *id) {
                    backend.settings.chosen = change.over(&backend.settings.chosen);
                }
            }
            Action::CreateVolume { spec } => {
                self.socket_volumes.push(spec.name.clone());
                self.volumes.push(spec.name.clone());
            }
            Action::RemoveVolume { name } => {
                self.socket_volumes.retain(|volume| volume != name);
                self.volumes.retain(|volume| volume != name);
            }
            Action::Start { id, .. } => {
                if let Some(backend) = self.backend.as_mut().filter(|backend| backend.id == *id) {
                    backend.state = State::Running;
                }
            }
            Action::Run { candidates } => self.add(&candidates.preferred),
            Action::Dial { dialer, .. } => {
                let process = Some(Process { id: 1, command: dialer.command() });
                self.host_dialers.retain(|there| there.directory != dialer.directory);
                self.host_dialers.push(HostDialer { directory: dialer.directory.clone(), process });
            }
            Action::EndDialer { directory } => {
                self.host_dialers.retain(|there| there.directory != *directory);
            }
        }
    }

    /// Takes a container out of its place.
    fn take_out(&mut self, id: &ContainerId) -> Option<Container> {
        let is_it = |container: &Container| container.id == *id;
        let sidecar = self.sidecars.iter().position(|sidecar| is_it(&sidecar.container));
        let sidecar = sidecar.map(|at| self.sidecars.remove(at).container);
        let replaced = self.replaced.iter().position(is_it).map(|at| self.replaced.remove(at));
        let stray = self.strays.iter().position(is_it).map(|at| self.strays.remove(at));
        let backend = self.backend.take_if(|container| is_it(container));
        let unfinished = self.unfinished.take_if(|container| is_it(container));
        let dialer = self.dialer.take_if(|container| is_it(container));
        backend.or(unfinished).or(sidecar).or(dialer).or(replaced).or(stray)
    }

    fn add(&mut self, spec: &ContainerSpec) {
        let mut id = ContainerId(format!("made:{}", spec.name));
        while self.containers().any(|container| container.id == id) {
            id.0.push('\'');
        }
        let container = Container {
            id,
            name: spec.name.clone(),
            image: spec.image.clone(),
            image_id: self.images.get(&spec.image).cloned().unwrap_or_default(),
            state: State::Running,
            unhealthy: false,
            restarts: 0,
            out_of_memory: false,
            started_at: String::new(),
            labels: spec.labels.clone(),
            env: spec.env.clone(),
            settings: spec.settings.clone(),
        };
        let role = spec.labels.get(labels::ROLE).map(String::as_str);
        match observed::ports(&spec.labels) {
            None if role == Some(labels::ROLE_DIALER) => self.dialer = Some(container),
            None => {
                self.backend = Some(container);
                self.files = Some(spec.files.clone());
                self.noted = spec.note.as_ref().map(|note| spec::noted(&note.content));
            }
            Some(ports) => {
                // It starts beside a backend that runs, and in no other case.
                if let Some(backend) = self.backend.as_mut().filter(|one| one.state == State::Restarting) {
                    backend.state = State::Running;
                }
                self.sidecars.push(Sidecar::new(ports, container));
                self.sidecars.sort_by_key(|sidecar| sidecar.ports);
            }
        }
    }
}
