//! The part of docker's `config.json` that is about this program.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

/// What `config.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The context in use, as `docker context use` sets it.
    pub current_context: Option<String>,
    /// Headers for every request.
    pub headers: Vec<(String, String)>,
    /// Filters for every purge.
    pub prune_filters: Vec<String>,
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
}

impl Config {
    /// Reads `config.json` in `directory`. A file that cannot be read or understood counts as
    /// empty, with a line that says so, as it does for docker.
    pub(super) fn read(directory: &Path) -> (Self, Option<String>) {
        let path = directory.join("config.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return (Self::default(), None);
            }
            Err(error) => return bad(&path, &error),
        };
        match serde_json::from_slice::<File>(&text) {
            Ok(file) => {
                let current_context = Some(file.current_context).filter(|name| !name.is_empty());
                let headers = file.headers.into_iter().collect();
                (Self { current_context, headers, prune_filters: file.prune_filters }, None)
            }
            Err(error) => bad(&path, &error),
        }
    }
}

fn bad(path: &Path, error: &dyn std::error::Error) -> (Config, Option<String>) {
    (Config::default(), Some(format!("cannot read \"{}\": {error}", path.display())))
}
