//! What becomes of the ways in which an engine can fail, against scripted ones.

mod pulls;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::pin::pin;

use docker_assemble::buildkit::Client;
use docker_assemble::commands::explain;
use docker_assemble::desired::{ContainerName, ImageRef, VolumeName};
use docker_assemble::engine::{CredentialSource, DockerEngine, Endpoint, Engine, EngineError, LogOptions};
use docker_assemble::observed::{ContainerId, State};
use futures_util::StreamExt;

use crate::scripted_engine::{Deed, ScriptedEngine};

async fn reach(host: &str) -> EngineError {
    let engine = DockerEngine::new(&Endpoint::new(host), CredentialSource::default()).unwrap();
    let error = engine.facts().await.unwrap_err();
    assert!(error.to_string().contains(host), "{error}");
    error
}

fn hint(error: &EngineError) -> String {
    error.hint().map(|hint| hint.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn a_missing_socket_is_unreachable() {
    let error = reach("unix:///nonexistent/docker.sock").await;
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    assert!(hint(&error).contains("installed and running"), "{error:?}");
}

#[tokio::test]
async fn a_socket_that_nobody_serves_is_unreachable() {
    let path = std::env::temp_dir().join(format!("assemble-orphan-{}.sock", std::process::id()));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = reach(&format!("unix://{}", path.display())).await;
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("refused"), "{error:?}");
    assert_eq!(hint(&error), "is the docker engine running?");
}

#[tokio::test]
async fn a_closed_tcp_port_is_unreachable() {
    // Nobody else gets it, and who has it does not listen.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let host = format!("tcp://{}", socket.local_addr().unwrap());
    let error = reach(&host).await;
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
}

/// An address of TEST-NET-1 (RFC 5737): dropped, or refused by a router on the way.
#[tokio::test]
async fn an_address_that_drops_everything_is_unreachable() {
    let error = reach("tcp://192.0.2.1:2375").await;
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
}

/// What becomes of this once the engine has left it waiting: from then on the clock goes to the limit by itself.
async fn kept_waiting<T>(scripted: &ScriptedEngine, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    tokio::select! {
        _ = &mut call => panic!("it does not wait"),
        () = scripted.has_hung() => {}
    }
    tokio::time::pause();
    let outcome = call.await;
    tokio::time::resume();
    outcome
}

#[tokio::test]
async fn a_silent_engine_is_given_up() {
    let scripted = ScriptedEngine::start(vec![("/version", vec![Deed::Silence])]);
    let error = kept_waiting(&scripted, reach(&scripted.endpoint().host)).await;
    assert!(matches!(error, EngineError::Timeout { seconds: 20, .. }), "{error:?}");
    // Streams too: they settle the version first.
    let mut pull = scripted.client().pull(&ImageRef("a".into()));
    let error = kept_waiting(&scripted, pull.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, EngineError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn broken_answers_are_told_from_refusals() {
    let listing = |deed| ScriptedEngine::start(vec![("/containers/json", vec![deed])]);
    for deed in [
        Deed::HangUp,
        Deed::CutShort("[{}".into()),
        Deed::CutShort("[]".into()),
        Deed::Unfinished("[{".into()),
        Deed::ok(r#"[{"Id":"a"#),
        Deed::ok("{}"),
        Deed::ok("<html>"),
    ] {
        let scripted = listing(deed.clone());
        let error = scripted.client().containers(&BTreeMap::new()).await.unwrap_err();
        assert!(matches!(error, EngineError::Broken { .. }), "{deed:?}: {error:?}");
        assert_eq!(error.to_string(), "list containers");
        let source = error.source().unwrap().to_string();
        assert!(!source.is_empty() && !source.contains('\n'), "{deed:?}: {source}");
    }
    for (status, body, words) in [
        (500, r#"{"message":"out of\nspace"}"#, "list containers: out of space"),
        (
            502,
            "<html><head><title>No\nway</title></head><body><h1>There &amp; back</h1></body></html>",
            "answered with http status 502 (bad gateway) and the page \"No way\"",
        ),
        (403, "<html></html>", "answered with http status 403 (forbidden) and no reason"),
        (503, "", "answered with http status 503 (service unavailable) and no reason"),
        (599, r#"{"message":""}"#, "answered with http status 599 (unknown) and no reason"),
    ] {
        let scripted = listing(Deed::Answer(status, body.into()));
        let error = scripted.client().containers(&BTreeMap::new()).await.unwrap_err();
        assert!(matches!(error, EngineError::Refused { status: seen, .. } if seen == status), "{error:?}");
        let line = error.to_string();
        assert!(line.starts_with("list containers: ") && line.ends_with(words), "{line}");
        let is_silent = words.starts_with("answered with");
        assert_eq!(line.contains(&scripted.endpoint().host), is_silent, "{line}");
    }
}

/// As from a filter in front of the engine that keeps the connection.
#[tokio::test]
async fn a_refusal_whose_words_have_no_end_is_one() {
    let words = || Deed::Endless(403, "forbidden".to_owned());
    let scripted = ScriptedEngine::start(vec![("/containers/json", vec![words()]), ("/exec", vec![words()])]);
    let refused = scripted.client().containers(&BTreeMap::new()).await.unwrap_err();
    let no_exec = scripted.client().exec(&ContainerId("c".to_owned()), &["true"]).await.unwrap_err();
    for error in [refused, no_exec] {
        assert!(matches!(error, EngineError::Refused { status: 403, .. }), "{error:?}");
        assert!(error.to_string().ends_with("403 Forbidden and words without an end"), "{error}");
    }
    // Others may take the time that they need.
    let scripted = ScriptedEngine::start(vec![("/version", vec![Deed::Endless(200, "{".to_owned())])]);
    let client = scripted.client();
    let error = kept_waiting(&scripted, client.facts()).await.unwrap_err();
    assert!(matches!(error, EngineError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_kept() {
    let listing = vec![("/containers/json", vec![Deed::Flood("[\"".to_owned() + &"x".repeat(1 << 16))])];
    let scripted = ScriptedEngine::start(listing);
    let error = scripted.client().containers(&BTreeMap::new()).await.unwrap_err();
    assert!(matches!(error, EngineError::Broken { .. }), "{error:?}");
    assert_eq!(explain(&error.into()), "list containers: the answer has more than 64 MiB");
}

/// As from a filter in front of the engine that does not pass the request for it on.
#[tokio::test]
async fn a_command_needs_an_upgrade() {
    let scripted = ScriptedEngine::start(vec![
        ("/exec", vec![Deed::Answer(201, r#"{"Id":"e"}"#.to_owned())]),
        ("/exec/e/start", vec![Deed::ok("")]),
    ]);
    let (engine, container) = (scripted.client(), ContainerId("c".to_owned()));
    let error = engine.exec(&container, &["true"]).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { status: 426, .. }), "{error:?}");
    assert!(error.to_string().ends_with(": the connection was not upgraded to the streams of the command"));
    assert!(hint(&error).starts_with("a proxy in front of the engine "), "{error:?}");
    // What goes through one says so too.
    let through = Client::connect(&engine, &container).await.err().unwrap();
    let line = explain(&through.into());
    assert!(line.ends_with(&format!("; {}", hint(&error))), "{line}");
}

#[tokio::test]
async fn a_state_that_nobody_knows_ends_no_command() {
    let list = r#"[{"Id": "a", "ImageID": "i", "State": "stopped"}]"#;
    let container =
        r#"{"Id": "a", "Name": "/b", "State": {"Status": "stopped", "StartedAt": "2024-05-01T10:00:00Z"}}"#;
    let scripted = ScriptedEngine::start(vec![
        ("/containers/json", vec![Deed::ok(list)]),
        ("/containers/a/json", vec![Deed::ok(container)]),
    ]);
    let found = scripted.client().containers(&BTreeMap::new()).await.unwrap();
    let states: Vec<_> =
        found.iter().map(|container| (container.name.0.as_str(), &container.state)).collect();
    assert_eq!(states, [("b", &State::Other("stopped".to_owned()))]);
}

/// Podman 4.3 lists a volume that has one of the labels.
#[tokio::test]
async fn only_what_has_every_label_counts() {
    let volumes = r#"{"Volumes": [
        {"Name": "mine", "Driver": "", "Mountpoint": "", "Scope": "local", "Options": {}, "Labels": {"a": "1", "b": "2"}},
        {"Name": "another", "Driver": "", "Mountpoint": "", "Scope": "local", "Options": {}, "Labels": {"b": "2"}}
    ]}"#;
    let scripted = ScriptedEngine::start(vec![("/volumes", vec![Deed::ok(volumes)])]);
    let labels = [("a", "1"), ("b", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(scripted.client().volumes(&labels).await.unwrap(), [VolumeName("mine".to_owned())]);
}

#[tokio::test]
async fn podman_is_known_by_its_parts() {
    let version = |component: &str| {
        format!(r#"{{"ApiVersion": "1.41", "Components": [{{"Name": "{component}", "Version": "4.3.1"}}]}}"#)
    };
    for (component, podman) in [("Podman Engine", true), ("Engine", false)] {
        let scripted = ScriptedEngine::start(vec![
            ("/version", vec![Deed::ok(version(component)), Deed::ok(version(component))]),
            ("/info", vec![Deed::ok(r#"{"SecurityOptions": ["name=rootless"], "Isolation": "perfect"}"#)]),
        ]);
        let facts = scripted.client().facts().await.unwrap();
        assert_eq!((facts.podman, facts.security_options), (podman, vec!["name=rootless".to_owned()]));
    }
}

#[tokio::test]
async fn no_answer_to_the_version_is_no_engine() {
    for deed in [Deed::ok("{}"), Deed::ok("[]"), Deed::ok(r#"{"ApiVersion":"x"}"#), Deed::HangUp] {
        let scripted = ScriptedEngine::start(vec![("/version", vec![deed.clone()])]);
        let error = scripted.client().facts().await.unwrap_err();
        assert!(matches!(error, EngineError::Broken { .. }), "{deed:?}: {error:?}");
    }
}

#[tokio::test]
async fn the_version_is_negotiated_once_and_put_into_paths() {
    for (newest, lowest, asked, spoken) in [
        ("1.41", "1.12", None, "1.41"),
        ("1.24", "1.12", None, "1.24"),
        ("1.53", "1.44", None, "1.51"),
        ("1.70", "1.60", None, "1.60"),
        ("1.53", "1.44", Some("1.45"), "1.45"),
    ] {
        let version = format!(r#"{{"ApiVersion":"{newest}","MinAPIVersion":"{lowest}"}}"#);
        let list = ("/containers/json", vec![Deed::ok("[]")]);
        let scripted = ScriptedEngine::start(vec![("/version", vec![Deed::ok(version)]), list]);
        let endpoint = Endpoint { api_version: asked.map(str::to_owned), ..scripted.endpoint() };
        let engine = DockerEngine::new(&endpoint, CredentialSource::default()).unwrap();
        for _ in 0..2 {
            assert_eq!(engine.containers(&BTreeMap::new()).await.unwrap(), []);
        }
        let requests = scripted.requests();
        let paths: Vec<_> = requests.iter().map(|head| head.split(['?', ' ']).nth(1).unwrap()).collect();
        let listed = format!("/v{spoken}/containers/json");
        assert_eq!(paths, ["/version", &listed, &listed]);
        assert!(requests[1].contains("docker-assemble/"), "{}", requests[1]);
    }
    let endpoint = Endpoint { api_version: Some("new".into()), ..Endpoint::new("unix:///x") };
    assert!(DockerEngine::new(&endpoint, CredentialSource::default()).is_err());
}

#[tokio::test]
async fn a_container_that_vanishes_is_not_listed() {
    let seen = r#"{"Id":"b2","Name":"/b","State":{"Status":"running"}}"#;
    let scripted = ScriptedEngine::start(vec![
        ("/containers/json", vec![Deed::ok(r#"[{"Id":"a1"},{"Id":"b2"}]"#)]),
        ("/containers/a1/json", vec![Deed::error(404, "No such container: a1")]),
        ("/containers/b2/json", vec![Deed::ok(seen)]),
    ]);
    let containers = scripted.client().containers(&BTreeMap::new()).await.unwrap();
    let names: Vec<_> = containers.into_iter().map(|container| container.name).collect();
    assert_eq!(names, [ContainerName("b".into())]);
}

#[tokio::test]
async fn a_removal_by_another_is_waited_for() {
    let seen = r#"{"Id":"a1","Name":"/a","State":{"Status":"removing"}}"#;
    let busy = "removal of container a1 is already in progress";
    let scripted = ScriptedEngine::start(vec![
        ("/containers/a1/json", vec![Deed::ok(seen), Deed::ok(seen), Deed::error(404, "gone")]),
        ("/containers/a1", vec![Deed::error(409, busy)]),
    ]);
    scripted.client().remove(&ContainerId("a1".into())).await.unwrap();
    assert_eq!(scripted.requests().len(), 5);
}

#[tokio::test]
async fn a_log_that_breaks_off_is_an_error() {
    // A frame's head that promises five bytes, and two of them.
    let frame = "\u{1}\0\0\0\0\0\0\u{5}ab";
    let scripted = ScriptedEngine::start(vec![("/logs", vec![Deed::Unfinished(frame.into())])]);
    let mut log = scripted.client().logs(&ContainerId("a1".into()), LogOptions::default());
    let error = log.next().await.unwrap().unwrap_err();
    assert!(matches!(error, EngineError::Broken { .. }), "{error:?}");
}
