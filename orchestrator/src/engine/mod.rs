//! What this project needs of a container engine, in its own words.

mod answer;
mod answered;
mod contact;
mod convert;
mod docker;
mod error;
mod exec;
mod failure;
mod heads;
mod hint;
mod info;
mod log;
mod page;
mod request;
mod transport;
mod users;
mod version;
mod words;

pub use answer::AnswerError;
pub use contact::USUAL;
pub use docker::DockerEngine;
pub use docker_plugin::credentials::CredentialSource;
pub use docker_plugin::endpoint::{Endpoint, Tls};
pub use error::{EngineError, Operation};
pub(crate) use failure::{LOAD, PULL};
pub use hint::EngineHint;
pub use version::VersionError;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::desired::{Chosen, ContainerName, ImageRef, Ports, VolumeName};
use crate::observed::{Cgroups, Container, ContainerId};
use crate::spec::{ContainerSpec, VolumeSpec};

/// A result of the engine.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// A stream of what the engine sends bit by bit.
pub type EngineStream<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// A two-way byte stream to a process in a container.
pub type Duplex = Pin<Box<dyn ReadWrite>>;

/// Both halves of a [`Duplex`].
pub trait ReadWrite: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> ReadWrite for T {}

/// Facts about the engine that decisions depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// Engine version, such as `20.10.24`.
    pub version: String,
    /// API version spoken, such as `1.41`.
    pub api_version: String,
    /// Machine architecture in OCI's words: `amd64`, `arm64`.
    pub arch: String,
    /// Operating system: `linux`.
    pub os: String,
    /// What becomes of the logs of containers that say nothing about it, such as `json-file`.
    pub logging_driver: String,
    /// `SecurityOptions` of `GET /info`, such as `name=userns`.
    pub security_options: Vec<String>,
    /// Where it keeps images and volumes; `/var/lib/docker/100000.100000` with `userns-remap`, after the
    /// user and the group that root of its containers is.
    pub directory: String,
    /// What the engine runs on, in its own words: `Debian GNU/Linux 12 (bookworm)`, `Docker Desktop`.
    pub operating_system: String,
    /// The name of its host.
    pub name: String,
    /// The release of its kernel.
    pub kernel: String,
    /// The control groups of its containers.
    pub cgroups: Cgroups,
    /// Whether it is Podman, which serves this API too.
    pub podman: bool,
}

impl EngineFacts {
    /// Whether it changes settings of a container that is there: Podman does since 5.1.
    #[must_use]
    pub fn updates(&self) -> bool {
        let mut numbers = self.version.split('.').map_while(|number| number.parse::<u32>().ok());
        !self.podman || (numbers.next(), numbers.next()) >= (Some(5), Some(1))
    }
}

/// An image that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…` of its configuration.
    pub id: String,
    /// `repo@sha256:…` names under which registries know it.
    pub repo_digests: Vec<String>,
    /// Architecture in OCI's words.
    pub arch: String,
    /// What its containers run; their arguments follow.
    pub entrypoint: Vec<String>,
}

/// A network that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Whether it leads nowhere but to itself.
    pub internal: bool,
}

impl Network {
    /// Whether a container would be in it that is to be in the network of this name, or id.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.id.starts_with(name)
    }
}

/// A container that was just created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: ContainerId,
    /// What of its settings the engine passes over, in its own words: a limit that its kernel has not.
    pub warnings: Vec<String>,
}

/// One line of progress of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// The layer, empty for the image as a whole.
    pub id: String,
    /// The engine's words: `Downloading`, `Pull complete`, …
    pub status: String,
    /// How far it is, when known.
    pub amount: Option<Amount>,
}

/// How far a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Bytes done, and in all.
    Bytes(u64, u64),
    /// Seconds since it began: all that containerd tells of extracting.
    Seconds(u64),
}

/// Which of a container's log lines to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on as new lines come.
    pub follow: bool,
    /// Only this many last lines; all when absent.
    pub tail: Option<u64>,
    /// Only lines from this time on, in seconds since 1970.
    pub since: Option<i64>,
    /// Only lines before this time, in seconds since 1970.
    pub until: Option<i64>,
    /// Put the time before every line, RFC 3339 with nanoseconds.
    pub timestamps: bool,
}

/// A piece of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogChunk {
    /// From standard output.
    Stdout(Bytes),
    /// From standard error.
    Stderr(Bytes),
}

/// What a command run in a container said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit status.
    pub status: i64,
    /// Its output, both streams in order of arrival.
    pub output: Bytes,
}

/// A container engine. Every call has a deadline of its own except the streams.
///
/// # Errors
/// All calls fail with [`EngineError`], which tells a missing object, a conflict, refused
/// privileges and an unreachable engine apart.
pub trait Engine: Send + Sync {
    /// Where the engine is, for messages: `unix:///var/run/docker.sock`.
    fn endpoint(&self) -> &str;
    /// How many calls get on at once; more wait for their turn.
    fn at_once(&self) -> usize;
    /// How long it has for the answer to a question.
    fn patience(&self) -> Duration;
    /// How much longer anything may take that goes through connections of its own, each of which may begin with
    /// a login. The deadlines of the calls have it in them.
    fn slack(&self) -> Duration;
    /// Facts about the engine; also the test that it answers.
    fn facts(&self) -> impl Future<Output = Result<EngineFacts>> + Send;
    /// All containers, stopped ones too, that carry every one of these labels.
    fn containers(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<Vec<Container>>> + Send;
    /// The container of that name, whoever made it.
    fn container(&self, name: &ContainerName) -> impl Future<Output = Result<Option<Container>>> + Send;
    /// The name of a running container that publishes one of these TCP ports on the host.
    fn publisher(&self, ports: Ports) -> impl Future<Output = Result<Option<ContainerName>>> + Send;
    /// The image, when the engine has it.
    fn image(&self, image: &ImageRef) -> impl Future<Output = Result<Option<Image>>> + Send;
    /// Pulls an image with the user's credentials; ends when the stream ends.
    fn pull(&self, image: &ImageRef) -> EngineStream<PullProgress>;
    /// Loads an image archive (`docker save` format).
    fn load(&self, archive: Bytes) -> impl Future<Output = Result<()>> + Send;
    /// Whether a volume exists.
    fn volume_exists(&self, name: &VolumeName) -> impl Future<Output = Result<bool>> + Send;
    /// The volumes that carry every one of these labels; without labels, all of them.
    fn volumes(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<Vec<VolumeName>>> + Send;
    /// Creates a volume; one of that name that exists is success.
    fn create_volume(&self, spec: &VolumeSpec) -> impl Future<Output = Result<()>> + Send;
    /// Removes a volume; a missing one is success, one that a container still has a conflict.
    fn remove_volume(&self, name: &VolumeName) -> impl Future<Output = Result<()>> + Send;
    /// The names, with their tags, of all images that have one.
    fn images(&self) -> impl Future<Output = Result<Vec<ImageRef>>> + Send;
    /// The networks that a container can be in beside others.
    fn networks(&self) -> impl Future<Output = Result<Vec<Network>>> + Send;
    /// Creates a container.
    fn create(&self, spec: &ContainerSpec) -> impl Future<Output = Result<Created>> + Send;
    /// Unpacks an archive (tar) at the root of a container, which need not run.
    fn upload(&self, id: &ContainerId, archive: Bytes) -> impl Future<Output = Result<()>> + Send;
    /// What a file in a container says, which need not run; `None` when there is no such file.
    fn read_file(&self, id: &ContainerId, path: &str) -> impl Future<Output = Result<Option<Bytes>>> + Send;
    /// Starts a container.
    fn start(&self, id: &ContainerId) -> impl Future<Output = Result<()>> + Send;
    /// Stops a container, killing it after `grace`; a container that is not running is success.
    fn stop(&self, id: &ContainerId, grace: Duration) -> impl Future<Output = Result<()>> + Send;
    /// Gives a container another name, whatever it does; one that is taken is a conflict.
    fn rename(&self, id: &ContainerId, name: &ContainerName) -> impl Future<Output = Result<()>> + Send;
    /// Gives a container other settings, of those that can change while it runs.
    fn update(&self, id: &ContainerId, change: &Chosen) -> impl Future<Output = Result<()>> + Send;
    /// Removes a container by force with its anonymous volumes; a missing one is success.
    fn remove(&self, id: &ContainerId) -> impl Future<Output = Result<()>> + Send;
    /// A container's log.
    fn logs(&self, id: &ContainerId, options: LogOptions) -> EngineStream<LogChunk>;
    /// Runs a command in a running container and waits for it.
    fn exec(&self, id: &ContainerId, command: &[&str]) -> impl Future<Output = Result<ExecOutput>> + Send;
    /// Runs a command in a running container with its standard input and output attached.
    fn exec_duplex(&self, id: &ContainerId, command: &[&str]) -> impl Future<Output = Result<Duplex>> + Send;
}
