//! [`Engine`] over Docker's API.

mod files;
mod images;
mod pull;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, ListNetworksOptions, RemoveContainerOptions,
    RenameContainerOptions, StopContainerOptions,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::contact::{Contact, USUAL, operation};
use super::request::{found, has, in_path, label_filters, nameless};
use super::{
    AnswerError, Created, CredentialSource, Duplex, Endpoint, Engine, EngineError, EngineFacts, EngineStream,
    ExecOutput, Image, LogChunk, LogOptions, Network, PullProgress, Result, answered, convert, exec, failure,
    info, log,
};
use crate::desired::{Chosen, ContainerName, ImageRef, Ports, VolumeName};
use crate::observed::{Container, ContainerId};
use crate::spec::{ContainerSpec, VolumeSpec};

/// For what touches disks and namespaces: create, start, remove, a command.
const SLOW: Duration = Duration::from_secs(90);
/// How long the engine may need beyond the grace that a container is given to stop.
const STOP_SLACK: Duration = Duration::from_secs(30);
/// How often a removal that somebody else began is looked at.
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

/// An engine that speaks Docker's API. Clones share everything.
#[derive(Clone)]
pub struct DockerEngine(Arc<Inner>);

struct Inner {
    contact: Contact,
    credentials: CredentialSource,
    /// Facts that do not change while this program runs.
    facts: OnceCell<EngineFacts>,
}

impl DockerEngine {
    /// An engine at `endpoint`. It is not contacted yet: the first call does that, and gives up
    /// within half a minute when nothing answers.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] for an endpoint that is not understood or not supported.
    pub fn new(endpoint: &Endpoint, credentials: CredentialSource) -> Result<Self> {
        Self::within(USUAL, endpoint, credentials)
    }

    /// The same; each question is given up after `limit`. What is done takes its time.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn within(limit: Duration, endpoint: &Endpoint, credentials: CredentialSource) -> Result<Self> {
        let contact = Contact::new(endpoint, limit)?;
        Ok(Self(Arc::new(Inner { contact, credentials, facts: OnceCell::new() })))
    }

    /// The facts, asked for once: none of them changes while an engine runs.
    async fn known_facts(&self) -> Result<&EngineFacts> {
        self.0.facts.get_or_try_init(|| info::facts(&self.0.contact)).await
    }

    async fn inspect(&self, name: &str) -> Result<Option<Container>> {
        let inspecting = operation("inspect container", name);
        let name = in_path(&inspecting, name)?;
        let contact = &self.0.contact;
        let asking = contact.client().await?.inspect_container(name, None);
        let answer = found(contact.ask(inspecting.clone(), asking).await)?;
        // One without its id or name would count as one that is not there.
        answer
            .map(|told| answered::container(told.answer, told.state).ok_or_else(|| nameless(inspecting)))
            .transpose()
    }
}

impl Engine for DockerEngine {
    fn endpoint(&self) -> &str {
        self.0.contact.endpoint()
    }

    fn at_once(&self) -> usize {
        self.0.contact.at_once()
    }

    fn patience(&self) -> Duration {
        self.0.contact.usual()
    }

    fn slack(&self) -> Duration {
        self.0.contact.slack()
    }

    async fn facts(&self) -> Result<EngineFacts> {
        self.known_facts().await.cloned()
    }

    async fn containers(&self, labels: &BTreeMap<String, String>) -> Result<Vec<Container>> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(label_filters(labels)),
            ..ListContainersOptions::default()
        };
        let listing = self.0.contact.client().await?.list_containers(Some(options));
        let asking = operation("list containers", "");
        let listed = self.0.contact.ask(asking.clone(), listing).await?;
        // The list does not tell everything. A container that goes away before it is looked at
        // is gone.
        let ids: Option<Vec<String>> = listed.answer.into_iter().map(|summary| summary.id).collect();
        let ids = ids.ok_or_else(|| nameless(asking))?;
        let inspected = try_join_all(ids.iter().map(|id| self.inspect(id))).await?;
        let ours = |container: &Container| has(|name| container.labels.get(name), labels);
        Ok(inspected.into_iter().flatten().filter(ours).collect())
    }

    async fn container(&self, name: &ContainerName) -> Result<Option<Container>> {
        // The engine also takes the beginning of an id for a name.
        Ok(self.inspect(&name.0).await?.filter(|container| container.name == *name))
    }

    async fn publisher(&self, ports: Ports) -> Result<Option<ContainerName>> {
        let filters = HashMap::from([("publish".to_owned(), vec![format!("{ports}/tcp")])]);
        let options = ListContainersOptions { filters: Some(filters), ..ListContainersOptions::default() };
        let listing = self.0.contact.client().await?.list_containers(Some(options));
        let listed = self.0.contact.ask(operation("list containers", ""), listing).await?;
        let name = listed.answer.into_iter().flat_map(|summary| summary.names.unwrap_or_default()).next();
        Ok(name.map(|name| ContainerName(name.trim_start_matches('/').to_owned())))
    }

    async fn image(&self, image: &ImageRef) -> Result<Option<Image>> {
        images::find(&self.0.contact, image).await
    }

    fn pull(&self, image: &ImageRef) -> EngineStream<PullProgress> {
        self.pulling(image)
    }

    async fn load(&self, archive: Bytes) -> Result<()> {
        images::load(&self.0.contact, archive).await
    }

    async fn volume_exists(&self, name: &VolumeName) -> Result<bool> {
        volumes::exists(&self.0.contact, name).await
    }

    async fn volumes(&self, labels: &BTreeMap<String, String>) -> Result<Vec<VolumeName>> {
        volumes::all(&self.0.contact, labels).await
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<()> {
        volumes::create(&self.0.contact, spec).await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<()> {
        volumes::remove(&self.0.contact, name).await
    }

    async fn images(&self) -> Result<Vec<ImageRef>> {
        images::all(&self.0.contact).await
    }

    async fn networks(&self) -> Result<Vec<Network>> {
        /// What shares a network, or has none.
        const OTHERS: [&str; 2] = ["host", "none"];
        let listing = self.0.contact.client().await?.list_networks(None::<ListNetworksOptions>);
        let listed = self.0.contact.ask(operation("list networks", ""), listing).await?;
        let network = |network: bollard::models::Network| {
            let name = network.name.filter(|name| !OTHERS.contains(&name.as_str()))?;
            let id = network.id.unwrap_or_default();
            Some(Network { name, id, internal: network.internal.unwrap_or_default() })
        };
        Ok(listed.answer.into_iter().filter_map(network).collect())
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<Created> {
        let facts = self.known_facts().await?;
        let creating = operation(failure::CREATE, &spec.name.0);
        let image = if convert::replaces_entrypoint(spec) {
            // As the engine refuses one that is not there.
            let missing = || EngineError::NotFound {
                operation: creating.clone(),
                message: format!("No such image: {}", spec.image),
            };
            Some(self.image(&spec.image).await?.ok_or_else(missing)?)
        } else {
            None
        };
        let body = convert::create_body(spec, facts, image.as_ref());
        let options =
            CreateContainerOptions { name: Some(spec.name.0.clone()), ..CreateContainerOptions::default() };
        let answer = self.0.contact.client().await?.create_container(Some(options), body);
        let created = self.0.contact.call(creating, SLOW, answer).await?;
        Ok(Created { id: ContainerId(created.id), warnings: created.warnings })
    }

    async fn upload(&self, id: &ContainerId, archive: Bytes) -> Result<()> {
        files::upload(&self.0.contact, id, archive).await
    }

    async fn read_file(&self, id: &ContainerId, path: &str) -> Result<Option<Bytes>> {
        files::read(&self.0.contact, id, path).await
    }

    async fn start(&self, id: &ContainerId) -> Result<()> {
        let starting = operation(failure::START, id.short());
        let path = in_path(&starting, &id.0)?;
        self.0.contact.call(starting, SLOW, self.0.contact.client().await?.start_container(path, None)).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        let stopping = operation("stop container", id.short());
        let path = in_path(&stopping, &id.0)?;
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = StopContainerOptions { t: Some(seconds), ..StopContainerOptions::default() };
        let limit = grace.saturating_add(STOP_SLACK);
        self.0
            .contact
            .call(stopping, limit, self.0.contact.client().await?.stop_container(path, Some(options)))
            .await
    }

    async fn rename(&self, id: &ContainerId, name: &ContainerName) -> Result<()> {
        let renaming = operation("rename container", id.short());
        let path = in_path(&renaming, &id.0)?;
        let options = RenameContainerOptions { name: name.0.clone() };
        let docker = self.0.contact.client().await?;
        self.0.contact.call(renaming, SLOW, docker.rename_container(path, options)).await
    }

    async fn update(&self, id: &ContainerId, change: &Chosen) -> Result<()> {
        let updating = operation(failure::UPDATE, id.short());
        let path = in_path(&updating, &id.0)?;
        let facts = self.known_facts().await?;
        let seen = async || -> Result<Option<Chosen>> {
            Ok(self.inspect(&id.0).await?.map(|container| container.settings.chosen))
        };
        let wanted = change.over(&seen().await?.unwrap_or_default());
        let body = convert::update_body(change, &wanted, facts);
        let docker = self.0.contact.client().await?;
        self.0.contact.call(updating.clone(), SLOW, docker.update_container(path, body)).await?;
        // What its kernel cannot limit an engine passes over, with a warning at most.
        let names = seen().await?.map(|now| now.ignored(change, wanted).join(", ")).unwrap_or_default();
        if names.is_empty() {
            return Ok(());
        }
        Err(EngineError::Broken { operation: updating, source: AnswerError::Ignored { names }.into() })
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        let removing = operation("remove container", id.short());
        let path = in_path(&removing, &id.0)?;
        let options = RemoveContainerOptions { v: true, force: true, ..RemoveContainerOptions::default() };
        let docker = self.0.contact.client().await?;
        let answer = self.0.contact.call(removing, SLOW, docker.remove_container(path, Some(options))).await;
        match answer {
            Err(EngineError::NotFound { .. }) => Ok(()),
            // Somebody else is removing it; the name is free only when that is done.
            Err(error @ EngineError::Conflict { .. }) => {
                let until = Instant::now() + self.0.contact.usual();
                while self.inspect(&id.0).await?.is_some() {
                    if Instant::now() >= until {
                        return Err(error);
                    }
                    sleep(REMOVAL_PAUSE).await;
                }
                Ok(())
            }
            other => other,
        }
    }

    fn logs(&self, id: &ContainerId, options: LogOptions) -> EngineStream<LogChunk> {
        let reading = operation("read the log of container", id.short());
        let (inner, id, checking) = (Arc::clone(&self.0), id.clone(), reading.clone());
        let follow = options.follow;
        let open = async move {
            let path = in_path(&checking, &id.0)?;
            let options = log::query(&options);
            Ok(inner.contact.client().await?.logs(path, Some(options)).map_ok(log::chunk))
        };
        let silence = (!follow).then_some(self.0.contact.usual());
        self.0.contact.stream(reading, silence, open)
    }

    async fn exec(&self, id: &ContainerId, command: &[&str]) -> Result<ExecOutput> {
        let running = operation("run a command in container", id.short());
        let path = in_path(&running, &id.0)?;
        self.0.contact.call(running, SLOW, exec::run(self.0.contact.client().await?, path, command)).await
    }

    async fn exec_duplex(&self, id: &ContainerId, command: &[&str]) -> Result<Duplex> {
        let running = operation("run a command in container", id.short());
        let path = in_path(&running, &id.0)?;
        let opening = exec::duplex(self.0.contact.client().await?, path, command);
        Ok(Box::pin(self.0.contact.call(running, self.0.contact.usual(), opening).await?))
    }
}
