//! What is said of engines behind TLS, against small ones with certificates made here.

use std::error::Error as _;

use docker_assemble::engine::{CredentialSource, DockerEngine, Endpoint, Engine, EngineError, Tls};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::authority::Authority;

fn connect(host: String, tls: Tls) -> Result<DockerEngine, EngineError> {
    DockerEngine::new(&Endpoint { tls: Some(tls), ..Endpoint::new(host) }, CredentialSource::default())
}

/// The reason and the hint of an engine that cannot be reached.
async fn refused(host: String, tls: Tls) -> (String, String) {
    let error = match connect(host.clone(), tls) {
        Ok(engine) => engine.facts().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&host), "{error}");
    let reason = error.source().unwrap().to_string();
    assert!(!reason.contains('\n'), "{reason}");
    (reason, error.hint().map(|hint| hint.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn an_engine_of_somebody_else_is_not_trusted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let port = theirs.engine("127.0.0.1").await;
    let client = Tls { ca: ours.client().ca, ..theirs.client() };
    let (reason, hint) = refused(format!("tcp://127.0.0.1:{port}"), client.clone()).await;
    assert!(reason.contains("UnknownIssuer") && hint.contains("--tlscacert"), "{reason} {hint}");
    // But for those who do not want to know.
    let careless = Tls { skip_verify: true, ..client };
    connect(format!("tcp://127.0.0.1:{port}"), careless).unwrap().facts().await.unwrap();

    let port = ours.engine("elsewhere.example").await;
    let (reason, hint) = refused(format!("tcp://127.0.0.1:{port}"), ours.client()).await;
    assert!(reason.contains("not valid for name") && hint.contains("this host's"), "{reason} {hint}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_what_is_missing() {
    let authority = Authority::new("anonymous");
    let port = authority.engine("127.0.0.1").await;
    let anonymous = Tls { cert: None, key: None, ..authority.client() };
    let (reason, hint) = refused(format!("tcp://127.0.0.1:{port}"), anonymous).await;
    assert!(reason.contains("fatal alert") && hint.contains("--tlscert"), "{reason} {hint}");
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let authority = Authority::new("plain");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    });
    let (reason, hint) = refused(host, authority.client()).await;
    assert!(hint.contains("does not speak tls"), "{reason} {hint}");
}
