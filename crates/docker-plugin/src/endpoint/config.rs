//! The part of docker's `config.json` that is about this program.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use explained::Explained;
use serde::Deserialize;

use crate::bounded;

/// What `config.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The context in use, as `docker context use` sets it.
    pub current_context: Option<String>,
    /// Headers for every request.
    pub headers: Vec<(String, String)>,
    /// Filters for every purge.
    pub prune_filters: Vec<String>,
    /// The plugin that `docker build` is an alias of, as `docker buildx install` sets it.
    pub builder_alias: Option<String>,
    /// Proxies for containers, by the engine's host or `default`.
    proxies: BTreeMap<String, Proxies>,
}

/// The proxies for containers of one engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Proxies {
    http_proxy: String,
    https_proxy: String,
    no_proxy: String,
    ftp_proxy: String,
    all_proxy: String,
}

/// Docker's `config.json` is damaged or may not be read.
#[derive(Debug, thiserror::Error, Explained)]
#[error("cannot read \"{path}\": {error}", path = .path.display())]
#[advice = "correct it; it counts as empty until then"]
#[status = "warning"]
pub struct ConfigWarning {
    path: PathBuf,
    error: io::Error,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(rename = "currentContext")]
    current_context: String,
    #[serde(rename = "HttpHeaders")]
    headers: BTreeMap<String, String>,
    #[serde(rename = "pruneFilters")]
    prune_filters: Vec<String>,
    proxies: BTreeMap<String, Proxies>,
    aliases: BTreeMap<String, String>,
}

impl Config {
    /// The variables, `NAME=value`, that docker sets in containers of the engine at `host`: both
    /// spellings, since programs differ in which one they look at.
    pub(super) fn proxy_variables(&self, host: &str) -> Vec<String> {
        let Some(found) = self.proxies.get(host).or_else(|| self.proxies.get("default")) else {
            return Vec::new();
        };
        [
            ("HTTP_PROXY", &found.http_proxy),
            ("HTTPS_PROXY", &found.https_proxy),
            ("NO_PROXY", &found.no_proxy),
            ("FTP_PROXY", &found.ftp_proxy),
            ("ALL_PROXY", &found.all_proxy),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .flat_map(|(name, value)| [format!("{name}={value}"), format!("{}={value}", name.to_lowercase())])
        .collect()
    }

    /// Reads `config.json` in `directory`. A file that cannot be read or understood counts as
    /// empty, with a warning, as it does for docker.
    pub(super) fn read(directory: &Path) -> (Self, Option<ConfigWarning>) {
        let path = directory.join("config.json");
        let text = match bounded::read(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return (Self::default(), None);
            }
            Err(error) => return (Self::default(), Some(ConfigWarning { path, error })),
        };
        match serde_json::from_slice::<File>(&text) {
            Ok(mut file) => {
                let current_context = Some(file.current_context).filter(|name| !name.is_empty());
                let headers = file.headers.into_iter().collect();
                (
                    Self {
                        current_context,
                        headers,
                        prune_filters: file.prune_filters,
                        builder_alias: file.aliases.remove("builder"),
                        proxies: file.proxies,
                    },
                    None,
                )
            }
            Err(error) => (Self::default(), Some(ConfigWarning { path, error: error.into() })),
        }
    }
}
