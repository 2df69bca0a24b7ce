//! Contexts as docker keeps them on disk (docker/cli, `cli/context/store`).
//!
//! Read here because no crate gives a context's host and certificates: bollard has come to follow
//! contexts (fussybeaver/bollard#724), but only for connections of its own.

use std::collections::BTreeMap;
use std::path::Path;

use explained::Explained;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{EndpointError, Tls};
use crate::bounded;

/// What is wrong with the files of a context.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum ContextError {
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// They cannot be understood.
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
    /// The context is for something else.
    #[error("it names no docker engine")]
    #[advice = "name another"]
    NoEngine,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    #[serde(default)]
    name: String,
    #[serde(default)]
    endpoints: BTreeMap<String, DockerEndpoint>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DockerEndpoint {
    host: String,
    #[serde(rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The host and certificates of a context: `contexts/meta/ID/meta.json` and
/// `contexts/tls/ID/docker/*.pem` below docker's configuration, where ID is the SHA-256 of the
/// context's name.
pub(super) fn read(directory: Option<&Path>, name: &str) -> Result<(String, Option<Tls>), EndpointError> {
    let missing = || EndpointError::NoContext { name: name.to_owned() };
    let bad = |why: ContextError| EndpointError::BadContext { name: name.to_owned(), why };
    let contexts = directory.ok_or_else(missing)?.join("contexts");
    let id: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = bounded::read(contexts.join("meta").join(&id).join("meta.json")).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound { missing() } else { bad(error.into()) }
    })?;
    let meta: Meta = serde_json::from_slice(&text).map_err(|error| bad(error.into()))?;
    let endpoint = meta.endpoints.get("docker").ok_or_else(|| bad(ContextError::NoEngine))?;

    let certificates = contexts.join("tls").join(&id).join("docker");
    let file = |name: &str| Some(certificates.join(name)).filter(|path| path.exists());
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    let skip_verify = endpoint.skip_tls_verify;
    let wanted = skip_verify || ca.is_some() || cert.is_some() || key.is_some();
    Ok((endpoint.host.clone(), wanted.then_some(Tls { ca, cert, key, skip_verify })))
}

/// The names of the contexts that can be read.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory.join("contexts").join("meta"));
    let metas = entries.into_iter().flatten().flatten().filter_map(|entry| {
        let text = bounded::read(entry.path().join("meta.json")).ok()?;
        serde_json::from_slice::<Meta>(&text).ok()
    });
    metas.map(|meta| meta.name).filter(|name| !name.is_empty()).collect()
}
