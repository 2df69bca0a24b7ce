//! Engines behind TLS, against small ones with certificates made here.

use docker_plugin::connect::Connector;
use docker_plugin::endpoint::{Endpoint, Tls};
use docker_plugin::output::causes;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::authority::Authority;

/// What the engine answers, or why it does not.
async fn ask(host: String, tls: Tls) -> Result<String, String> {
    let endpoint = Endpoint { tls: Some(tls), ..Endpoint::new(host) };
    let connector = Connector::new(&endpoint).map_err(|error| causes(&error))?;
    let version = format!("{}/version", connector.base_uri()).parse().unwrap();
    let client: Client<_, String> = Client::builder(TokioExecutor::new()).build(connector);
    let answer = client.get(version).await.map_err(|error| causes(&error))?;
    let body = answer.into_body().collect().await.map_err(|error| causes(&error))?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn those_who_know_each_other_talk() {
    let authority = Authority::new("talk");
    for name in ["127.0.0.1", "localhost"] {
        let port = authority.engine(name).await;
        let answer = ask(format!("tcp://{name}:{port}"), authority.client()).await.unwrap();
        assert!(answer.contains("\"ApiVersion\":\"1.41\""), "{answer}");
    }
}

#[tokio::test]
async fn an_engine_of_somebody_else_is_for_those_who_do_not_want_to_know() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let host = format!("tcp://127.0.0.1:{}", theirs.engine("127.0.0.1").await);
    let client = Tls { ca: ours.client().ca, ..theirs.client() };
    let error = ask(host.clone(), client.clone()).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    ask(host, Tls { skip_verify: true, ..client }).await.unwrap();
}

#[test]
fn files_that_are_no_good_are_named() {
    let authority = Authority::new("files");
    let good = authority.client();
    let empty = authority.directory.join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    // As openssl writes keys with a password, now and in earlier days.
    let key = |name: &str, kind: &str, head: &str| {
        let path = authority.directory.join(name);
        let text =
            format!("-----BEGIN {kind}-----\n{head}MIIBAgMEBQYHCAkKCwwNDg8QERITFBUW\n-----END {kind}-----\n");
        std::fs::write(&path, text).unwrap();
        path
    };
    let encrypted = key("encrypted.pem", "ENCRYPTED PRIVATE KEY", "");
    let head = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n";
    let older = key("older.pem", "RSA PRIVATE KEY", head);
    let cases = [
        (Tls { ca: Some(empty.clone()), ..good.clone() }, "holds no certificate"),
        (Tls { cert: Some(empty.clone()), ..good.clone() }, "holds no certificate"),
        (Tls { key: Some(empty.clone()), ..good.clone() }, "holds no private key"),
        (Tls { key: Some(encrypted), ..good.clone() }, "encrypted.pem\" has a password"),
        (Tls { key: Some(older), ..good.clone() }, "older.pem\" has a password"),
        (Tls { key: None, ..good.clone() }, "no key"),
        (Tls { ca: Some("/nonexistent/ca.pem".into()), ..good }, "/nonexistent/ca.pem"),
    ];
    for (tls, words) in cases {
        let endpoint = Endpoint { tls: Some(tls), ..Endpoint::new("tcp://127.0.0.1:1") };
        let reason = causes(&Connector::new(&endpoint).err().unwrap());
        assert!(reason.contains(words), "{reason}");
    }
}
