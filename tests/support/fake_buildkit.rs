//! BuildKit's Control API in memory, as far as the plugin asks.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bollard_buildkit_proto::moby::buildkit::v1::control_server::{Control, ControlServer};
use bollard_buildkit_proto::moby::buildkit::v1::{
    BuildHistoryEvent, BuildHistoryRecord, BuildHistoryRequest, BytesMessage, DiskUsageRequest,
    DiskUsageResponse, Exporter, InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse,
    PruneRequest, SolveRequest, SolveResponse, StatusRequest, StatusResponse, UpdateBuildHistoryRequest,
    UpdateBuildHistoryResponse, UsageRecord, types,
};
use docker_assemble::engine::Duplex;
use futures_util::{Stream, stream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the daemon has.
#[derive(Clone, Default)]
pub(crate) struct Daemon {
    pub(crate) version: &'static str,
    pub(crate) workers: Vec<types::WorkerRecord>,
    pub(crate) records: Vec<UsageRecord>,
    pub(crate) builds: Builds,
}

/// What the daemon builds, by the names of the images; one that does not tell has none.
pub(crate) type Builds = Arc<Mutex<Option<Vec<&'static str>>>>;

impl Daemon {
    /// A connection to it.
    pub(crate) fn dial(&self) -> Duplex {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let server = Server::builder().add_service(ControlServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(stream::iter([Ok::<_, std::io::Error>(theirs)])));
        Box::pin(ours)
    }

    /// The records of a type, which is the only filter that it knows.
    fn matching(&self, filters: &[String]) -> Vec<UsageRecord> {
        let matches = |record: &&UsageRecord| {
            filters.first().is_none_or(|filter| *filter == format!("type=={}", record.record_type))
        };
        self.records.iter().filter(matches).cloned().collect()
    }
}

#[tonic::async_trait]
impl Control for Daemon {
    type PruneStream = Messages<UsageRecord>;
    type StatusStream = Messages<StatusResponse>;
    type SessionStream = Messages<BytesMessage>;
    type ListenBuildHistoryStream = Messages<BuildHistoryEvent>;

    async fn disk_usage(&self, asked: Request<DiskUsageRequest>) -> Answer<DiskUsageResponse> {
        Ok(Response::new(DiskUsageResponse { record: self.matching(&asked.into_inner().filter) }))
    }

    async fn prune(&self, asked: Request<PruneRequest>) -> Answer<Self::PruneStream> {
        let mut gone = self.matching(&asked.into_inner().filter);
        gone.retain(|record| !record.in_use);
        Ok(Response::new(Box::pin(stream::iter(gone.into_iter().map(Ok)))))
    }

    async fn list_workers(&self, _: Request<ListWorkersRequest>) -> Answer<ListWorkersResponse> {
        Ok(Response::new(ListWorkersResponse { record: self.workers.clone() }))
    }

    async fn info(&self, _: Request<InfoRequest>) -> Answer<InfoResponse> {
        let version = types::BuildkitVersion { version: self.version.to_owned(), ..Default::default() };
        Ok(Response::new(InfoResponse { buildkit_version: Some(version) }))
    }

    async fn solve(&self, _: Request<SolveRequest>) -> Answer<SolveResponse> {
        Err(Status::unimplemented("solve"))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<Self::StatusStream> {
        Err(Status::unimplemented("status"))
    }

    async fn session(&self, _: Request<Streaming<BytesMessage>>) -> Answer<Self::SessionStream> {
        Err(Status::unimplemented("session"))
    }

    async fn listen_build_history(
        &self,
        _: Request<BuildHistoryRequest>,
    ) -> Answer<Self::ListenBuildHistoryStream> {
        let builds = self.builds.lock().unwrap().clone();
        let builds = builds.ok_or_else(|| Status::unimplemented("history"))?;
        let event = |image: &&str| {
            let attrs = [("name".to_owned(), (*image).to_owned())].into();
            let exporters = vec![Exporter { r#type: "image".to_owned(), attrs }];
            let record =
                BuildHistoryRecord { r#ref: "kd2f1vqrs0".to_owned(), exporters, ..Default::default() };
            Ok(BuildHistoryEvent { record: Some(record), ..Default::default() })
        };
        let events: Vec<_> = builds.iter().map(event).collect();
        Ok(Response::new(Box::pin(stream::iter(events))))
    }

    async fn update_build_history(
        &self,
        _: Request<UpdateBuildHistoryRequest>,
    ) -> Answer<UpdateBuildHistoryResponse> {
        Err(Status::unimplemented("history"))
    }
}
