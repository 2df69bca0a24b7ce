//! The daemon's own configuration: what was asked for by options, laid over the file that the
//! user brought, if any.
//!
//! The keys are those of BuildKit's `docs/buildkitd.toml.md`. A daemon passes over keys that it
//! does not know, so that the file can speak to older and newer ones at once.

mod certificates;
mod settings;

pub use certificates::{Found, Named, named};
pub(super) use settings::fingerprint;
pub use settings::{Differences, certificates, differences, is_asked_for};

use std::collections::BTreeMap;
use std::fmt;

use explained::Explained;
use toml::{Table, Value};

use super::STATE_DIRECTORY;
use crate::desired::File;
use certificates::{add, bring, put};

/// Where the configuration goes.
pub const CONFIG_FILE: &str = "/etc/buildkit/buildkitd.toml";

/// Where the certificates go that it names.
const CERTIFICATES: &str = "/etc/buildkit/certs";

/// Where BuildKit's clients in the image look for the daemon.
const SOCKET: &str = "unix:///run/buildkit/buildkitd.sock";

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The user's own `buildkitd.toml`.
    pub base: Option<String>,
    /// What the files say that it names, by their paths in it.
    pub brought: BTreeMap<String, String>,
    /// What was said of registries, by `host[:port]`.
    pub registries: BTreeMap<String, Registry>,
    /// What docker's engine has for registries, for those of which nothing else is said.
    pub found: BTreeMap<String, Found>,
    /// How much cache is kept.
    pub space: Space,
}

/// How a registry is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Without a trusted certificate, or without TLS.
    pub insecure: bool,
    /// Instead of it these are asked first, in order.
    pub mirrors: Vec<Mirror>,
    /// Its certificate authorities, PEM.
    pub authorities: Vec<String>,
}

/// A registry that is asked in place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// `host[:port]`.
    pub host: String,
    /// The path below it, with its leading slash; empty when there is none.
    pub path: String,
    /// Whether TLS was asked for or declined.
    pub tls: Option<bool>,
}

/// As `--registry-mirror` has it behind its `=`.
impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.tls {
            Some(true) => "https://",
            Some(false) => "http://",
            None => "",
        };
        write!(f, "{scheme}{}{}", self.host, self.path)
    }
}

/// Limits on the build cache, in bytes, at which the daemon cleans up by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// This much is never cleaned up.
    pub reserved_bytes: Option<u64>,
    /// No more than this is kept.
    pub max_used_bytes: Option<u64>,
    /// This much of the disk is left free.
    pub min_free_bytes: Option<u64>,
}

/// Why there is no configuration that says all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum ConfigError {
    /// It is not TOML.
    #[error("cannot understand the file of --config: {why}")]
    #[advice = "correct it"]
    Syntax {
        /// Where and what.
        why: String,
    },
    /// Two options, or an option and the file, disagree.
    #[error("conflicting settings: {asked} and {stands}")]
    #[advice = "leave one out"]
    Conflict {
        /// What was asked for by an option.
        asked: String,
        /// What stands against it.
        stands: String,
    },
    /// The backend relies on that setting.
    #[error("the file of --config sets \"{key}\", but {why}")]
    #[advice = "take it out of the file"]
    Unsuitable {
        /// The key.
        key: &'static str,
        /// What the backend needs instead.
        why: Need,
    },
}

/// What the backend needs of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum Need {
    /// `root` is set.
    #[error("the cache volume is at \"{path}\"", path = STATE_DIRECTORY)]
    #[advice = "take it out"]
    Root,
    /// `grpc.address` is set.
    #[error("\"{socket}\" has to be among its addresses", socket = SOCKET)]
    #[advice = "add it"]
    Socket,
}

/// The files that a backend with these settings is given; none when nothing was asked for.
///
/// # Errors
/// Contradictions, and a file that the backend cannot work with.
pub fn files(settings: &Settings) -> Result<Vec<File>, ConfigError> {
    if *settings == Settings::default() {
        return Ok(Vec::new());
    }
    let mut document = parse(settings.base.as_deref().unwrap_or_default())?;
    suitable(&document)?;
    let mut certificates = Vec::new();
    bring(&mut document, &settings.brought, &mut certificates);
    let mut said = Said::new();
    for (host, registry) in &settings.registries {
        describe(&mut document, host, registry, &mut said, &mut certificates)?;
    }
    add(&mut document, &settings.found, &mut certificates);
    limit(&mut document, settings.space, &mut said)?;
    // A table of plain values always has a form.
    let text = toml::to_string(&document).unwrap_or_default();
    let mut files = vec![File { path: CONFIG_FILE.to_owned(), content: text }];
    files.append(&mut certificates);
    Ok(files)
}

fn parse(text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        why: error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

/// Whether the configuration says which entitlements builds are given.
pub(super) fn names_entitlements(files: &[File]) -> bool {
    let config = files.iter().find(|file| file.path == CONFIG_FILE);
    let document = config.and_then(|config| config.content.parse::<Table>().ok());
    document.is_some_and(|document| document.contains_key("insecure-entitlements"))
}

/// What this program relies on has to stay where it is.
fn suitable(document: &Table) -> Result<(), ConfigError> {
    if document.get("root").is_some_and(|root| root.as_str() != Some(STATE_DIRECTORY)) {
        return Err(ConfigError::Unsuitable { key: "root", why: Need::Root });
    }
    let addresses = document.get("grpc").and_then(|grpc| grpc.get("address")?.as_array());
    if addresses.is_some_and(|list| !list.iter().any(|address| address.as_str() == Some(SOCKET))) {
        return Err(ConfigError::Unsuitable { key: "grpc.address", why: Need::Socket });
    }
    Ok(())
}

fn describe(
    document: &mut Table,
    host: &str,
    registry: &Registry,
    said: &mut Said,
    certificates: &mut Vec<File>,
) -> Result<(), ConfigError> {
    let ca = format!("--registry-ca for \"{host}\"");
    let insecure = format!("--registry-insecure for \"{host}\"");
    if !registry.authorities.is_empty() {
        // A registry on localhost would be spoken to without TLS unless told otherwise.
        set(document, &["registry", host], "http", Value::Boolean(false), &ca, said)?;
    }
    if registry.insecure {
        // Both: TLS with whatever certificate, and plain HTTP where nobody speaks TLS. This is
        // what docker's engine does with its `insecure-registries`.
        let path = ["registry", host];
        set(document, &path, "insecure", Value::Boolean(true), &insecure, said)?;
        set(document, &path, "http", Value::Boolean(true), &insecure, said)?;
    }
    for authority in &registry.authorities {
        let path = put(CERTIFICATES, authority, certificates);
        append(document, host, "ca", &path, &ca)?;
    }
    for asked in &registry.mirrors {
        let Mirror { host: mirror, path, tls } = asked;
        let asked = format!("--registry-mirror {host}={asked}");
        append(document, host, "mirrors", &format!("{mirror}{path}"), &asked)?;
        if let Some(tls) = tls {
            set(document, &["registry", mirror], "http", Value::Boolean(!tls), &asked, said)?;
        }
    }
    Ok(())
}

fn limit(document: &mut Table, space: Space, said: &mut Said) -> Result<(), ConfigError> {
    let Space { reserved_bytes, max_used_bytes, min_free_bytes } = space;
    if space == Space::default() {
        return Ok(());
    }
    if let (Some(reserved), Some(most)) = (reserved_bytes, max_used_bytes)
        && reserved > most
    {
        return Err(ConfigError::Conflict {
            asked: format!("--cache-reserved of {reserved} bytes"),
            stands: format!("--cache-max-used of {most} bytes"),
        });
    }
    let path = ["worker", "oci"];
    let worker = table(document, &path).ok_or_else(|| no_table(&path, "a limit on the cache"))?;
    // With these the daemon takes no notice of the limits.
    for (key, idle) in [("gcpolicy", None), ("gc", Some(true))] {
        if worker.get(key).is_some_and(|value| idle.is_none() || value.as_bool() != idle) {
            let stands = format!("\"worker.oci.{key}\" in the file of --config");
            return Err(ConfigError::Conflict { asked: "a limit on the cache".to_owned(), stands });
        }
    }
    // BuildKit before 0.17 knows one limit only, and later ones take no notice of it beside
    // theirs.
    let old = max_used_bytes.or(reserved_bytes);
    for (key, option, bytes) in [
        ("reservedSpace", "--cache-reserved", reserved_bytes),
        ("maxUsedSpace", "--cache-max-used", max_used_bytes),
        ("minFreeSpace", "--cache-min-free", min_free_bytes),
        ("gckeepstorage", "a limit on the cache", old),
    ] {
        if let Some(bytes) = bytes {
            let value = Value::Integer(i64::try_from(bytes).unwrap_or(i64::MAX));
            set(document, &path, key, value, option, said)?;
        }
    }
    Ok(())
}

/// The options that have set keys, by where these are.
type Said = BTreeMap<(String, String), String>;

/// Sets a key that may already say the same.
fn set(
    document: &mut Table,
    path: &[&str],
    key: &str,
    value: Value,
    asked: &str,
    said: &mut Said,
) -> Result<(), ConfigError> {
    let table = table(document, path).ok_or_else(|| no_table(path, asked))?;
    let place = (path.join("."), key.to_owned());
    match table.get(key) {
        Some(stands) if *stands != value => Err(ConfigError::Conflict {
            asked: asked.to_owned(),
            stands: said.remove(&place).unwrap_or_else(|| format!("\"{key} = {stands}\" of \"{}\"", place.0)),
        }),
        _ => {
            said.entry(place).or_insert_with(|| asked.to_owned());
            table.insert(key.to_owned(), value);
            Ok(())
        }
    }
}

/// Adds to a list of a registry, behind what is there.
fn append(document: &mut Table, host: &str, key: &str, value: &str, asked: &str) -> Result<(), ConfigError> {
    let path = ["registry", host];
    let table = table(document, &path).ok_or_else(|| no_table(&path, asked))?;
    let list = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().ok_or_else(|| no_table(&["registry", host, key], asked))?;
    let value = Value::String(value.to_owned());
    if !list.contains(&value) {
        list.push(value);
    }
    Ok(())
}

/// The table at `path`, made when it is missing; `None` when something else is there.
fn table<'d>(document: &'d mut Table, path: &[&str]) -> Option<&'d mut Table> {
    path.iter().try_fold(document, |table, part| {
        table.entry(*part).or_insert_with(|| Value::Table(Table::new())).as_table_mut()
    })
}

fn no_table(path: &[&str], asked: &str) -> ConfigError {
    let stands = format!("a \"{}\" of another kind in the file of --config", path.join("."));
    ConfigError::Conflict { asked: asked.to_owned(), stands }
}

#[cfg(test)]
#[path = "daemon_tests.rs"]
mod tests;
