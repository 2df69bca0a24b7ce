//! Pulls: what is asked of the engine, what it tells on the way, and how they end.

use docker_assemble::desired::ImageRef;
use docker_assemble::engine::{Amount, CredentialSource, DockerEngine, Engine, EngineError};
use futures_util::{StreamExt, TryStreamExt};

use crate::scripted_engine::{Deed, ScriptedEngine};

#[tokio::test]
async fn an_error_in_a_pull_is_an_error() {
    let lines = concat!(
        r#"{"status":"Pulling from library/a","id":"latest"}"#,
        "\r\n",
        r#"{"status":"Downloading","progressDetail":{"current":1,"total":2},"id":"l1"}"#,
        "\r\n",
    );
    let failed = format!(r#"{lines}{{"errorDetail":{{"message":"unauthorized"}},"error":"unauthorized"}}"#);
    for (deed, is_refused) in [
        (Deed::ok(failed), true),
        (Deed::Unfinished(lines.into()), false),
        (Deed::CutShort(lines.into()), false),
    ] {
        let scripted = ScriptedEngine::start(vec![("/images/create", vec![deed.clone()])]);
        let mut pull = scripted.client().pull(&ImageRef("a".into()));
        assert_eq!(pull.next().await.unwrap().unwrap().id, "latest");
        assert_eq!(pull.next().await.unwrap().unwrap().amount, Some(Amount::Bytes(1, 2)));
        let error = pull.next().await.unwrap().unwrap_err();
        assert_eq!(matches!(error, EngineError::Refused { .. }), is_refused, "{deed:?}: {error:?}");
        assert!(error.to_string().starts_with("pull image \"a\""), "{error}");
        let request = &scripted.requests()[1];
        assert!(request.contains("fromImage=docker.io%2Flibrary%2Fa&tag=latest"), "{request}");
        assert!(!request.to_lowercase().contains("x-registry-auth"), "{request}");
    }
}

#[tokio::test]
async fn a_pull_that_says_nothing_is_an_error() {
    let scripted = ScriptedEngine::start(vec![("/images/create", vec![Deed::ok("")])]);
    let mut pull = scripted.client().pull(&ImageRef("a".into()));
    let error = pull.next().await.unwrap().unwrap_err();
    assert!(matches!(error, EngineError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_told_of_extracting_is_read_of_either_kind_of_engine() {
    // Of its own store, of containerd's, and before anything is known.
    for (detail, amount) in [
        (r#"{"current":3,"total":9}"#, Some(Amount::Bytes(3, 9))),
        (r#"{"current":3,"units":"s"}"#, Some(Amount::Seconds(3))),
        ("{}", None),
    ] {
        let line = format!(r#"{{"status":"Extracting","progressDetail":{detail},"id":"l1"}}"#);
        let scripted = ScriptedEngine::start(vec![("/images/create", vec![Deed::ok(line)])]);
        let mut pull = scripted.client().pull(&ImageRef("a".into()));
        assert_eq!(pull.next().await.unwrap().unwrap().amount, amount, "{detail}");
    }
}

#[tokio::test]
async fn credentials_are_sent_as_the_engine_reads_them() {
    // These give both letters in which the two alphabets differ.
    let auths = r#"{"auths":{"h:5000":{"username":"u","password":"??>>~~ÿÿ"}}}"#;
    let credentials = CredentialSource { config_dir: None, auth_config: Some(auths.into()) };
    let scripted = ScriptedEngine::start(vec![("/images/create", vec![Deed::ok(r#"{"status":"x"}"#)])]);
    let engine = DockerEngine::new(&scripted.endpoint(), credentials).unwrap();
    let lines: Vec<_> = engine.pull(&ImageRef("h:5000/a".into())).try_collect().await.unwrap();
    assert_eq!(lines.len(), 1);
    let request = scripted.requests().remove(1);
    let header = request.lines().find_map(|line| line.strip_prefix("x-registry-auth: ")).unwrap();
    assert!(!header.contains(['+', '/']) && header.contains(['-', '_']), "{header}");
}
