//! What each call does to the world.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use docker_assemble::desired::{Chosen, ContainerName, ImageRef, Ports, VolumeName};
use docker_assemble::engine::{
    Amount, Created, Duplex, Engine, EngineError, EngineFacts, EngineStream, ExecOutput, Image, LogChunk,
    LogOptions, Network, PullProgress, Result,
};
use docker_assemble::observed::{Container, ContainerId};
use docker_assemble::spec::{ContainerSpec, VolumeSpec};
use futures_util::stream;
use tokio::time::Instant;

use super::{FakeEngine, operation};

impl Engine for FakeEngine {
    fn endpoint(&self) -> &str {
        let here = self.rootless.as_deref().unwrap_or("unix:///fake.sock");
        if self.remote { "tcp://engine.example:2375" } else { here }
    }

    fn at_once(&self) -> usize {
        usize::MAX >> 3
    }

    fn patience(&self) -> Duration {
        Duration::MAX
    }

    fn slack(&self) -> Duration {
        Duration::ZERO
    }

    async fn facts(&self) -> Result<EngineFacts> {
        let operating_system = self.world().operating_system.clone();
        Ok(EngineFacts {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            arch: "amd64".to_owned(),
            os: "linux".to_owned(),
            operating_system,
            security_options: self.rootless.iter().map(|_| "name=rootless".to_owned()).collect(),
            name: self.rootless.as_ref().map(|_| hostname()).unwrap_or_default(),
            ..EngineFacts::default()
        })
    }

    async fn containers(&self, labels: &BTreeMap<String, String>) -> Result<Vec<Container>> {
        let has = |container: &&Container| {
            labels.iter().all(|(name, value)| container.labels.get(name) == Some(value))
        };
        let takes = self.world().listing_takes;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let mut world = self.world();
        if world.early_listings > 0 {
            world.early_listings -= 1;
            return Ok(Vec::new());
        }
        Ok(world.containers.iter().filter(has).cloned().collect())
    }

    async fn container(&self, name: &ContainerName) -> Result<Option<Container>> {
        Ok(self.world().containers.iter().find(|container| container.name == *name).cloned())
    }

    async fn publisher(&self, ports: Ports) -> Result<Option<ContainerName>> {
        let published = self.world().published.clone();
        Ok(published.filter(|(all, _)| all.iter().any(|port| ports.contains(*port))).map(|(_, name)| name))
    }

    async fn image(&self, image: &ImageRef) -> Result<Option<Image>> {
        let known = |id: &String| Image {
            id: id.clone(),
            repo_digests: Vec::new(),
            arch: "amd64".to_owned(),
            entrypoint: Vec::new(),
        };
        Ok(self.world().images.get(image).map(known))
    }

    fn pull(&self, image: &ImageRef) -> EngineStream<PullProgress> {
        let mut world = self.world();
        let refused = if world.registry {
            world.images.insert(image.clone(), format!("sha256:pulled-{image}"));
            None
        } else {
            let operation = operation("pull image", &image.0);
            Some(Err(EngineError::Refused { operation, status: 500, message: "no such host".to_owned() }))
        };
        let result = world.call("pull", &image.0);
        if let Some(error) = result.err().map(Err).or(refused) {
            return Box::pin(stream::iter([error]));
        }
        let step = |id: &str, status: &str, bytes: Option<(u64, u64)>| {
            let amount = bytes.map(|(done, all)| Amount::Bytes(done, all));
            Ok(PullProgress { id: id.to_owned(), status: status.to_owned(), amount })
        };
        Box::pin(stream::iter([
            step("1", "Pulling from x", None),
            step("l1", "Downloading", Some((1, 3))),
            step("l2", "Downloading", Some((1, 9))),
            step("l1", "Downloading", Some((2, 3))),
            step("l1", "Pull complete", None),
            step("", "Digest: sha256:d1", None),
        ]))
    }

    async fn load(&self, archive: Bytes) -> Result<()> {
        self.act(|world| {
            let name = String::from_utf8(archive.to_vec()).unwrap();
            world.call("load", &name)?;
            world.images.insert(ImageRef(name), "sha256:loaded".to_owned());
            Ok(())
        })
        .await
    }

    async fn volume_exists(&self, name: &VolumeName) -> Result<bool> {
        Ok(self.world().volumes.contains_key(name))
    }

    async fn volumes(&self, labels: &BTreeMap<String, String>) -> Result<Vec<VolumeName>> {
        let has =
            |own: &BTreeMap<String, String>| labels.iter().all(|(name, value)| own.get(name) == Some(value));
        Ok(self.world().volumes.iter().filter(|(_, own)| has(own)).map(|(name, _)| name.clone()).collect())
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<()> {
        self.act(|world| {
            world.call("create volume", &spec.name.0)?;
            world.volumes.insert(spec.name.clone(), spec.labels.clone());
            Ok(())
        })
        .await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<()> {
        self.act(|world| {
            world.call("remove volume", &name.0)?;
            if world.mounts.iter().any(|(_, volume)| volume == name) {
                let operation = operation("remove volume", &name.0);
                return Err(EngineError::Conflict { operation, message: "volume is in use".to_owned() });
            }
            world.volumes.remove(name);
            Ok(())
        })
        .await
    }

    async fn images(&self) -> Result<Vec<ImageRef>> {
        Ok(self.world().images.keys().cloned().collect())
    }

    async fn networks(&self) -> Result<Vec<Network>> {
        Ok(self.world().networks_known.clone())
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<Created> {
        self.act(|world| world.create(spec)).await
    }

    async fn upload(&self, id: &ContainerId, archive: Bytes) -> Result<()> {
        self.act(|world| {
            let name = world.name(id);
            world.call("upload", &name)?;
            for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = format!("/{}", entry.path().unwrap().display());
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                world.files.insert((id.clone(), path), content.into());
            }
            Ok(())
        })
        .await
    }

    async fn read_file(&self, id: &ContainerId, path: &str) -> Result<Option<Bytes>> {
        Ok(self.world().files.get(&(id.clone(), path.to_owned())).cloned())
    }

    async fn start(&self, id: &ContainerId) -> Result<()> {
        self.act(|world| world.start(id)).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        let takes = self
            .act(|world| {
                let name = world.name(id);
                world.call("stop", &name)?;
                let takes = world.ending_takes.min(grace);
                if grace.is_zero() && world.runs(&name) {
                    world.cut.push(ContainerName(name));
                }
                world.ends.push((id.clone(), Instant::now() + takes));
                world.end_due();
                Ok(takes)
            })
            .await?;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        self.world().end_due();
        Ok(())
    }

    async fn rename(&self, id: &ContainerId, name: &ContainerName) -> Result<()> {
        self.act(|world| {
            let before = world.name(id);
            world.call("rename", &before)?;
            if world.containers.iter().any(|container| container.name == *name) {
                let operation = operation("rename container", id.short());
                return Err(EngineError::Conflict { operation, message: "the name is in use".to_owned() });
            }
            let Some(container) = world.find(id) else {
                let operation = operation("rename container", id.short());
                return Err(EngineError::NotFound { operation, message: String::new() });
            };
            container.name = name.clone();
            Ok(())
        })
        .await
    }

    async fn update(&self, id: &ContainerId, change: &Chosen) -> Result<()> {
        self.act(|world| {
            let name = world.name(id);
            world.call("update", &name)?;
            if let Some(container) = world.find(id) {
                container.settings.chosen = change.over(&container.settings.chosen);
            }
            Ok(())
        })
        .await
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        self.act(|world| {
            let name = world.name(id);
            world.call("remove", &name)?;
            world.containers.retain(|container| container.id != *id);
            world.mounts.retain(|(container, _)| container != id);
            Ok(())
        })
        .await
    }

    fn logs(&self, id: &ContainerId, _: LogOptions) -> EngineStream<LogChunk> {
        let world = self.world();
        let said = world.logs.get(&ContainerName(world.name(id))).copied().unwrap_or("last words\n");
        Box::pin(stream::iter([Ok(LogChunk::Stderr(Bytes::from_static(said.as_bytes())))]))
    }

    async fn exec(&self, id: &ContainerId, command: &[&str]) -> Result<ExecOutput> {
        self.run_command(id, command).await
    }

    async fn exec_duplex(&self, _: &ContainerId, _: &[&str]) -> Result<Duplex> {
        if let Some(dial) = &self.world().buildkit {
            return Ok(dial());
        }
        Err(EngineError::Refused {
            operation: operation("exec", ""),
            status: 501,
            message: "there is no BuildKit in here".to_owned(),
        })
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim_end().to_owned()
}
