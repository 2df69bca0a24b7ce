//! The client of BuildKit, against a real daemon in a container.

use std::time::{Duration, Instant, SystemTime};

use docker_assemble::buildkit::{BuildkitError, Client, PruneOptions, Record};
use docker_assemble::engine::{DockerEngine, Engine};
use docker_assemble::observed::ContainerId;
use docker_assemble::spec::ContainerSpec;
use futures_util::TryStreamExt;

use super::real_engine::engine;
use super::scope::{Scope, buildkit, daemon};

const PATIENCE: Duration = Duration::from_secs(60);

/// A build of an image with one small file, by a command in the daemon's own container.
const BUILD: &str = "mkdir -p /tmp/c && cd /tmp/c && echo hello > f && \
                     printf 'FROM scratch\\nCOPY f /f\\n' > Dockerfile && \
                     buildctl build --frontend dockerfile.v0 --local context=. --local dockerfile=.";

async fn start(engine: &DockerEngine, scope: &Scope) -> ContainerId {
    let id = engine.create(&daemon(engine, scope).await).await.unwrap().id;
    engine.start(&id).await.unwrap();
    id
}

async fn client(engine: &DockerEngine, id: &ContainerId) -> Client {
    let until = Instant::now() + PATIENCE;
    loop {
        let client = Client::connect(engine, id).await.unwrap();
        match client.workers().await {
            Ok(workers) if !workers.is_empty() => return client,
            other => assert!(Instant::now() < until, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[ignore = "needs a docker engine and an image of buildkit"]
async fn a_daemon_tells_its_workers_and_its_cache() {
    let (engine, scope) = (engine(), Scope::new("buildkit"));
    let id = start(&engine, &scope).await;
    let client = client(&engine, &id).await;

    let worker = client.workers().await.unwrap().remove(0);
    assert_eq!(worker.id.len(), 25, "{worker:?}");
    assert!(worker.platforms.contains(&"linux/amd64".to_owned()), "{worker:?}");
    assert_eq!(worker.labels["org.mobyproject.buildkit.worker.network"], "host");
    let version = client.version().await.unwrap().unwrap();
    assert_eq!(version.package, "github.com/moby/buildkit");

    assert_eq!(client.disk_usage(&[]).await.unwrap(), []);
    let built = engine.exec(&id, &["sh", "-c", BUILD]).await.unwrap();
    assert_eq!(built.status, 0, "{}", String::from_utf8_lossy(&built.output));
    let records = client.disk_usage(&[]).await.unwrap();
    assert!(records.iter().any(|record| record.size_bytes > 0 && record.usage_count > 0), "{records:?}");
    let now = SystemTime::now();
    let is_recent = |record: &Record| {
        let age = now.duration_since(record.created_at.unwrap()).unwrap_or_default();
        age < PATIENCE && !record.id.is_empty() && !record.record_type.is_empty()
    };
    assert!(records.iter().all(is_recent), "{records:?}");

    let filter = vec!["type==regular".to_owned()];
    let regular = client.disk_usage(&filter).await.unwrap();
    assert!(!regular.is_empty() && regular.len() < records.len(), "{regular:?}");
    let kept = PruneOptions { keep_duration: Some(Duration::from_secs(3600)), ..PruneOptions::default() };
    let gone: Vec<Record> = client.prune(&kept).try_collect().await.unwrap();
    assert_eq!(gone, []);
    let all = PruneOptions { all: true, ..PruneOptions::default() };
    let gone: Vec<Record> = client.prune(&all).try_collect().await.unwrap();
    assert_eq!(gone.len(), records.len());
    assert_eq!(client.disk_usage(&[]).await.unwrap(), []);

    let error = client.disk_usage(&["no filter ((".to_owned()]).await.unwrap_err();
    assert!(matches!(error, BuildkitError::Refused { .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a docker engine and an image of buildkit"]
async fn the_command_ends_with_its_client() {
    let (engine, scope) = (engine(), Scope::new("buildkit-drop"));
    let id = start(&engine, &scope).await;
    let client = client(&engine, &id).await;
    let running = ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'buildctl [d]ial-stdio'"];
    assert_eq!(engine.exec(&id, &running).await.unwrap().status, 0);
    drop(client);
    let until = Instant::now() + PATIENCE;
    while engine.exec(&id, &running).await.unwrap().status == 0 {
        assert!(Instant::now() < until, "the command runs on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn a_container_without_buildkit_says_so() {
    let (engine, scope) = (engine(), Scope::new("no-buildkit"));
    let id = engine.create(&scope.spec("c", "sleep 600")).await.unwrap().id;
    engine.start(&id).await.unwrap();
    let error = match Client::connect(&engine, &id).await {
        Ok(client) => client.workers().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("\"buildctl\": executable file not found"), "{error}");
}

#[tokio::test]
#[ignore = "needs a docker engine and an image of buildkit"]
async fn a_daemon_that_does_not_run_is_an_error_in_its_own_words() {
    let (engine, scope) = (engine(), Scope::new("dead-buildkit"));
    let spec = ContainerSpec {
        image: buildkit(),
        // The daemon runs, but not where the command looks for it.
        args: vec!["--addr=unix:///tmp/elsewhere.sock".to_owned()],
        ..scope.spec("c", "")
    };
    let id = engine.create(&ContainerSpec { read_only: false, ..spec }).await.unwrap().id;
    engine.start(&id).await.unwrap();
    let client = Client::connect(&engine, &id).await.unwrap();
    let error = client.workers().await.unwrap_err();
    assert!(matches!(error, BuildkitError::Broken { .. }), "{error:?}");
    assert!(error.to_string().contains("buildkitd.sock"), "{error}");
}
