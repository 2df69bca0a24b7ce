//! Engines behind TLS, against small ones with certificates made here.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker_assemble::engine::{CredentialSource, DockerEngine, Endpoint, Engine, EngineError, Tls};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Somebody who signs certificates, with a directory for what he made.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    directory: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        // Two of one name would be taken for one that signs badly.
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), certificate, directory }
    }

    fn sign(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// The files of a client whom this authority vouches for.
    fn client(&self) -> Tls {
        let (certificate, key) = self.sign("client");
        let file = |name: &str| Some(self.directory.join(name));
        std::fs::write(self.directory.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(self.directory.join("key.pem"), key.serialize_pem()).unwrap();
        Tls { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem"), skip_verify: false }
    }

    /// An engine that lets in only clients of this authority; gives its port.
    async fn engine(&self, name: &str) -> u16 {
        let (certificate, key) = self.sign(name);
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream).await;
                }
            }
        });
        port
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

/// Answers one request with what all of them accept.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let body = r#"{"Version":"1","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

fn connect(host: String, tls: Tls) -> Result<DockerEngine, EngineError> {
    DockerEngine::new(&Endpoint { tls: Some(tls), ..Endpoint::new(host) }, CredentialSource::default())
}

/// The reason and the hint of an engine that cannot be reached.
async fn refused(host: String, tls: Tls) -> (String, String) {
    let began = Instant::now();
    let error = match connect(host.clone(), tls) {
        Ok(engine) => engine.facts().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&host), "{error}");
    let reason = error.source().unwrap().to_string();
    assert!(!reason.contains('\n'), "{reason}");
    (reason, error.hint().unwrap_or_default())
}

#[tokio::test]
async fn those_who_know_each_other_talk() {
    let authority = Authority::new("talk");
    for name in ["127.0.0.1", "localhost"] {
        let port = authority.engine(name).await;
        let facts =
            connect(format!("tcp://{name}:{port}"), authority.client()).unwrap().facts().await.unwrap();
        assert_eq!((facts.arch.as_str(), facts.api_version.as_str()), ("amd64", "1.41"));
    }
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

#[tokio::test]
async fn files_that_are_no_good_are_named() {
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
        let (reason, _) = refused("tcp://127.0.0.1:1".to_owned(), tls).await;
        assert!(reason.contains(words), "{reason}");
    }
}
