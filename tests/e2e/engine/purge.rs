//! Purges of a real daemon's cache: what a dry run foretells is what goes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use docker_assemble::commands::Session;
use docker_assemble::commands::cache::{self, Limits, Manner, Purge};
use docker_assemble::desired::UserName;
use docker_assemble::engine::{DockerEngine, Engine};
use docker_assemble::labels;
use docker_assemble::observed::ContainerId;
use docker_assemble::spec::ContainerSpec;
use docker_plugin::cancel::Cancel;

use super::real_engine::engine;
use super::scope::{Scope, daemon};
use crate::console::Screen;

/// A build whose layers build upon each other, by a command in the daemon's own container.
const BUILD: &str = "mkdir -p /tmp/c && cd /tmp/c && cp /bin/sh f && \
                     printf 'FROM scratch\\nCOPY f /1\\nCOPY f /2\\nCOPY f /3\\n' > Dockerfile && \
                     buildctl build --frontend dockerfile.v0 --local context=. --local dockerfile=.";

async fn start(engine: &DockerEngine, scope: &Scope, user: &UserName) -> ContainerId {
    let ours = [(labels::ROLE, labels::ROLE_BACKEND), (labels::USER, &user.to_string())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let spec = ContainerSpec {
        name: user.backend(),
        labels: scope.labels().into_iter().chain(ours).collect(),
        ..daemon(engine, scope).await
    };
    let id = engine.create(&spec).await.unwrap().id;
    engine.start(&id).await.unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while engine.exec(&id, &["buildctl", "debug", "workers"]).await.unwrap().status != 0 {
        assert!(Instant::now() < until, "the daemon does not answer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    id
}

/// The lines of a purge, in no order.
async fn purge(engine: &DockerEngine, user: &UserName, purge: &Purge, dry_run: bool) -> BTreeSet<String> {
    let screen = Screen::default();
    let (console, cancel) = (screen.console(), Cancel::never());
    let session = Session { engine, user, console: &console, cancel: &cancel, limit: None };
    cache::purge(session, purge, Manner { dry_run, ..Manner::default() }).await.unwrap();
    assert_eq!(screen.err().is_empty(), !dry_run, "{}", screen.err());
    // Ages go on meanwhile.
    let cells = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    screen.out().lines().map(cells).collect()
}

#[tokio::test]
#[ignore = "needs a docker engine and an image of buildkit"]
async fn what_is_foretold_is_what_goes() {
    let (engine, scope) = (engine(), Scope::new("purge"));
    let user = UserName::from_login(&scope.0).unwrap();
    let id = start(&engine, &scope, &user).await;
    let filter = |text: &str| Purge { filters: vec![text.to_owned()], ..Purge::default() };
    let recent = Purge { until: Some(Duration::from_secs(3600)), ..Purge::default() };
    for (what, goes) in [
        (recent, false),
        (filter("type==exec.cachemount"), false),
        (filter("type==source.local"), true),
        (filter("type!=source.local"), true),
        (Purge::default(), true),
        (Purge { all: true, ..Purge::default() }, true),
    ] {
        let built = engine.exec(&id, &["sh", "-c", BUILD]).await.unwrap();
        assert_eq!(built.status, 0, "{}", String::from_utf8_lossy(&built.output));
        let foretold = purge(&engine, &user, &what, true).await;
        assert_eq!(purge(&engine, &user, &what, true).await, foretold, "{what:?}: nothing went");
        assert_eq!(purge(&engine, &user, &what, false).await, foretold, "{what:?}");
        assert_eq!(foretold.len() > 1, goes, "{what:?}: {foretold:?}");
    }

    // More than is there may stay.
    engine.exec(&id, &["sh", "-c", BUILD]).await.unwrap();
    let limits = Limits { reserved_bytes: Some(1 << 40), ..Limits::default() };
    let kept = purge(&engine, &user, &Purge { limits, ..Purge::default() }, false).await;
    assert_eq!(kept, BTreeSet::from(["Total: 0B".to_owned()]));
}
