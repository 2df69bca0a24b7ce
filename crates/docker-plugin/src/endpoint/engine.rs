//! Where an engine is and how to speak to it, as the caller found out.

use std::path::PathBuf;

/// The port of an engine that listens on TCP without TLS, by convention of docker's own CLI.
pub(crate) const TCP_PORT: u16 = 2375;
/// The same with TLS.
pub(crate) const TLS_PORT: u16 = 2376;

/// An engine's endpoint. Nothing in it is read from the environment here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// `unix:///path`, `tcp://host:port` or `ssh://user@host`, as in `DOCKER_HOST`.
    pub host: String,
    /// Certificates for a TCP endpoint; plain TCP when absent.
    pub tls: Option<Tls>,
    /// Headers for every request: `HttpHeaders` of docker's configuration file.
    pub headers: Vec<(String, String)>,
    /// The program, with its arguments, that joins its standard input and output to the engine: the
    /// docker command that runs this plugin, where it asks for that. The host is for messages then.
    pub through: Option<Vec<String>>,
    /// The API version to speak (`DOCKER_API_VERSION`); negotiated when absent.
    pub api_version: Option<String>,
}

impl Endpoint {
    /// An endpoint without TLS, headers or a fixed API version.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), ..Self::default() }
    }
}

/// The files that make up a TLS connection, all PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who may have signed the engine's certificate; the system's roots when absent.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Whether to take any certificate of the engine.
    pub skip_verify: bool,
}
