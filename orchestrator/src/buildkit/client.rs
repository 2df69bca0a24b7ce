//! The client of BuildKit's Control API.

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    BuildHistoryRequest, DiskUsageRequest, InfoRequest, ListWorkersRequest,
};
use futures_util::{TryStreamExt, stream};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status, Streaming};

use super::wire::{FirstError, Wire};
use super::{
    Build, BuildkitError, Call, PruneOptions, Record, RecordStream, Result, Version, Worker, convert,
};
use crate::engine::{Duplex, Engine, USUAL};
use crate::observed::ContainerId;

/// The command in BuildKit's images that connects its standard input and output to the daemon;
/// it finds the daemon's socket by the image's own environment.
const DIAL: [&str; 2] = ["buildctl", "dial-stdio"];

/// How long the daemon may take to add up its cache: the sizes of new records are found by walking
/// their files.
const COUNTING: Duration = Duration::from_secs(120);

/// How long it may take to throw away one record: a large one takes the disk's time.
const REMOVING: Duration = Duration::from_secs(300);

/// The largest answer, in bytes. The usual 4 MiB hold some ten thousand cache records.
const ANSWER_BYTES: usize = 64 << 20;

/// One connection to one daemon. It ends, and the command in the container with it, when the
/// client and the streams it gave are dropped.
#[derive(Clone)]
pub struct Client {
    control: ControlClient<Channel>,
    first_error: FirstError,
    /// In place of the usual deadlines.
    limit: Option<Duration>,
}

impl Client {
    /// Connects to the daemon in a running container.
    ///
    /// # Errors
    /// [`BuildkitError::Engine`] when the engine cannot run the command. That the command fails
    /// is known only at the first call.
    pub async fn connect(engine: &impl Engine, backend: &ContainerId) -> Result<Self> {
        Self::over(engine.exec_duplex(backend, &DIAL).await?).await
    }

    /// The same with another deadline for each answer, if one is given.
    #[must_use]
    pub fn within(self, limit: Option<Duration>) -> Self {
        Self { limit, ..self }
    }

    /// Speaks over a stream that leads to a daemon.
    async fn over(stream: Duplex) -> Result<Self> {
        let first_error = FirstError::default();
        let wire = Mutex::new(Some(Wire::new(stream, first_error.clone())));
        // There is one stream: a channel that lost it cannot get another.
        let connector = tower::service_fn(move |_: Uri| {
            let wire = wire.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move { wire.map(TokioIo::new).ok_or_else(|| io::Error::other(BuildkitError::Ended)) }
        });
        // Only the authority of requests; nothing is looked up.
        let endpoint = Endpoint::from_static("http://buildkit");
        let broken = |message: String| BuildkitError::Broken { call: Call::Connect, message };
        let channel = timeout(USUAL, endpoint.connect_with_connector(connector))
            .await
            .map_err(|_| BuildkitError::Timeout { call: Call::Connect, seconds: USUAL.as_secs() })?
            .map_err(|error| broken(first_error.read().unwrap_or_else(|| error.to_string())))?;
        let control = ControlClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
        Ok(Self { control, first_error, limit: None })
    }

    /// The daemon's workers.
    ///
    /// # Errors
    /// Any [`BuildkitError`], within twenty seconds.
    pub async fn workers(&self) -> Result<Vec<Worker>> {
        let mut control = self.control.clone();
        let answer =
            self.call(Call::Workers, USUAL, control.list_workers(ListWorkersRequest::default())).await?;
        Ok(answer.record.into_iter().map(convert::worker).collect())
    }

    /// The daemon's version; `None` from a daemon too old to say (before 0.11).
    ///
    /// # Errors
    /// Any [`BuildkitError`], within twenty seconds.
    pub async fn version(&self) -> Result<Option<Version>> {
        let mut control = self.control.clone();
        match self.call(Call::Version, USUAL, control.info(InfoRequest {})).await {
            Ok(answer) => Ok(answer.buildkit_version.map(convert::version)),
            Err(BuildkitError::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the daemon builds at this moment; `None` from one too old to say (before 0.11).
    ///
    /// # Errors
    /// Any [`BuildkitError`], within twenty seconds for each build.
    pub async fn builds(&self) -> Result<Option<Vec<Build>>> {
        match self.active().await {
            Ok(builds) => Ok(Some(builds)),
            Err(BuildkitError::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn active(&self) -> Result<Vec<Build>> {
        let mut control = self.control.clone();
        let request = BuildHistoryRequest { active_only: true, early_exit: true, ..Default::default() };
        let mut events = self.call(Call::Builds, USUAL, control.listen_build_history(request)).await?;
        let mut builds = Vec::new();
        while let Some(event) = self.limited(Call::Builds, USUAL, events.message()).await? {
            builds.extend(event.record.map(convert::build));
        }
        Ok(builds)
    }

    /// What is in the cache: the records that any of the filters matches, or all.
    ///
    /// # Errors
    /// Any [`BuildkitError`], within two minutes.
    pub async fn disk_usage(&self, filters: &[String]) -> Result<Vec<Record>> {
        let mut control = self.control.clone();
        let request = DiskUsageRequest { filter: filters.to_vec(), ..DiskUsageRequest::default() };
        let answer = self.call(Call::DiskUsage, COUNTING, control.disk_usage(request)).await?;
        Ok(answer.record.into_iter().map(convert::record).collect())
    }

    /// Throws records away and reports each as it goes. The daemon stops when the stream is
    /// dropped.
    ///
    /// The whole of it has no deadline, but every record has one: five minutes, if no other was
    /// given.
    #[must_use]
    pub fn prune(&self, options: &PruneOptions) -> RecordStream {
        let (this, request) = (self.clone(), convert::prune(options));
        let opened = async move {
            let mut control = this.control.clone();
            let records = this.call(Call::Prune, REMOVING, control.prune(request)).await?;
            let next = move |mut records: Streaming<_>| {
                let this = this.clone();
                async move {
                    let next = this.limited(Call::Prune, REMOVING, records.message()).await?;
                    Ok(next.map(|record| (convert::record(record), records)))
                }
            };
            Ok::<_, BuildkitError>(stream::try_unfold(records, next))
        };
        Box::pin(stream::once(opened).try_flatten())
    }

    async fn call<T>(
        &self,
        call: Call,
        limit: Duration,
        answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T> {
        Ok(self.limited(call, limit, answer).await?.into_inner())
    }

    /// One answer, or one more message of a long one.
    async fn limited<T>(
        &self,
        call: Call,
        limit: Duration,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T> {
        let limit = self.limit.unwrap_or(limit);
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(self.failure(call, &status)),
            Err(_) => Err(BuildkitError::Timeout { call, seconds: limit.as_secs() }),
        }
    }

    fn failure(&self, call: Call, status: &Status) -> BuildkitError {
        let words = status.message().split_whitespace().collect::<Vec<_>>().join(" ");
        // A status that came over the wire has no source.
        let is_local = std::error::Error::source(status).is_some();
        match (self.first_error.read(), status.code()) {
            (Some(message), _) => BuildkitError::Broken { call, message },
            (None, Code::Unimplemented) => BuildkitError::Unsupported { call },
            (None, _) if is_local => BuildkitError::Broken { call, message: words },
            (None, _) => BuildkitError::Refused { call, message: words },
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_is_silent_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(1 << 16);
        let client = Client::over(Box::pin(ours)).await.unwrap();
        let error = client.workers().await.unwrap_err();
        assert!(matches!(error, BuildkitError::Timeout { call: Call::Workers, seconds: 20 }), "{error:?}");
        for (limit, expected) in [(None, 300), (Some(Duration::from_secs(7)), 7)] {
            let mut gone = client.clone().within(limit).prune(&PruneOptions::default());
            let error = gone.next().await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), format!("purge buildkit's cache: no answer within {expected} s"));
            assert!(gone.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_is_broken_and_stays_so() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let client = Client::over(Box::pin(ours)).await.unwrap();
        drop(theirs);
        for _ in 0..2 {
            let error = client.disk_usage(&[]).await.unwrap_err();
            assert!(matches!(error, BuildkitError::Broken { call: Call::DiskUsage, .. }), "{error:?}");
        }
        let error = client.prune(&PruneOptions::default()).next().await.unwrap().unwrap_err();
        assert!(matches!(error, BuildkitError::Broken { call: Call::Prune, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_dropped_client_closes_the_stream() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        drop(Client::over(Box::pin(ours)).await.unwrap());
        theirs.read_to_end(&mut Vec::new()).await.unwrap();
    }
}
