//! TLS to an engine that listens on TCP, with the certificates that docker's configuration names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use explained::Explained;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore, SignatureScheme,
};

use crate::bounded;
use crate::endpoint::Tls;

/// What is wrong with certificates or keys.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum TlsError {
    /// They do not fit together, or are of a kind that is not known.
    #[error(transparent)]
    Rustls(#[from] RustlsError),
    /// They cannot be checked.
    #[error(transparent)]
    Verifier(#[from] VerifierBuilderError),
    /// `key.pem` or `--tlskey` is missing.
    #[error("there is a client certificate and no key for it")]
    #[advice = "add it"]
    NoKey,
    /// `cert.pem` or `--tlscert` is missing.
    #[error("there is a client key and no certificate for it")]
    #[advice = "add it"]
    NoCertificate,
    /// A certificate cannot be for it.
    #[error("\"{host}\" is no host name")]
    #[advice = "correct the host"]
    Host {
        /// As it was given.
        host: String,
    },
    /// A certificate or key cannot be read.
    #[error("cannot use \"{path}\": {error}", path = .path.display())]
    #[advice = "correct the file or its rights"]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// No system store was found.
    #[error("this system trusts no certificates; name a CA with --tlscacert")]
    #[advice = "name one"]
    NoRoots,
    /// The file is not PEM, or empty.
    #[error("\"{path}\" holds no certificate", path = .path.display())]
    #[advice = "name the right file"]
    HoldsNoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file is not PEM, or empty.
    #[error("\"{path}\" holds no private key", path = .path.display())]
    #[advice = "name the right file"]
    HoldsNoKey {
        /// The file.
        path: PathBuf,
    },
    /// An encrypted key.
    #[error(
        "the key in \"{path}\" has a password, which docker does not take either; \
         'openssl pkey -in FILE' writes it without",
        path = .path.display()
    )]
    #[advice = "write it without"]
    LockedKey {
        /// The file.
        path: PathBuf,
    },
}

/// Makes TLS connections to one engine.
#[derive(Clone)]
pub(super) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Reads the files; `host` is who is connected to.
    ///
    /// # Errors
    /// A file that is missing or not what it should be, and a host that no certificate can name.
    pub(super) fn new(tls: &Tls, host: &str) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = if tls.skip_verify {
            config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            let roots = Arc::new(roots(tls.ca.as_deref())?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build()?;
            config.with_webpki_verifier(verifier)
        };
        let config = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => {
                config.with_client_auth_cert(certificates(cert)?, private_key(key)?)?
            }
            (None, None) => config.with_no_client_auth(),
            (Some(_), None) => return Err(TlsError::NoKey),
            (None, Some(_)) => return Err(TlsError::NoCertificate),
        };
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host { host: host.to_owned() })?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Puts TLS over a connection.
    pub(super) async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// Who may have signed the engine's certificate: those in the file, else whom the system trusts.
fn roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match file {
        Some(path) => {
            for certificate in certificates(path)? {
                store.add(certificate).map_err(|error| unusable(path, &error))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(TlsError::NoRoots);
            }
        }
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = bounded::read_named(path).map_err(|error| unusable(path, &error))?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::HoldsNoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = bounded::read_named(path).map_err(|error| unusable(path, &error))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        _ if is_locked(&text) => TlsError::LockedKey { path: path.to_owned() },
        pem::Error::NoItemsFound => TlsError::HoldsNoKey { path: path.to_owned() },
        error => unusable(path, &error),
    })
}

/// Whether a key has a password: as PKCS #8 has it in its label, and as RFC 1421 had it in a line of its own.
fn is_locked(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), error: error.to_string() }
}

/// Takes any certificate, as `--tls` without `--tlsverify` asks for. That its owner holds the key
/// is checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
