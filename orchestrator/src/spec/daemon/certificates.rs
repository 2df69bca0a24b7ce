//! Certificates and keys of registries that are files of this machine: those that the user's own
//! configuration names, and those that docker's engine would take.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{CERTIFICATES, ConfigError, parse};
use crate::desired::File;

/// Where those of docker's engine go, apart from those that somebody asked for.
const FOUND: &str = "/etc/buildkit/certs/docker";

/// What docker's engine has for a registry, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its certificate authorities.
    pub authorities: Vec<String>,
    /// The certificates that it wants to see, with their keys.
    pub pairs: Vec<(String, String)>,
}

/// A file that the user's configuration names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// As it is written there.
    pub path: String,
    /// Where it stands.
    pub key: String,
}

/// The files of this machine that a configuration names: `ca` and `keypair` of its registries.
///
/// # Errors
/// When it is not TOML.
pub fn named(config: &str) -> Result<BTreeSet<Named>, ConfigError> {
    let mut names = BTreeSet::new();
    each(&mut parse(config)?, &mut |host, part, path| {
        names.insert(Named { path: path.clone(), key: format!("registry.{host}.{part}") });
    });
    Ok(names)
}

/// Puts the files of this machine into `files`, and into the document where they are in the container.
pub(super) fn bring(document: &mut Table, brought: &BTreeMap<String, String>, files: &mut Vec<File>) {
    each(document, &mut |_, _, path| {
        if let Some(content) = brought.get(path) {
            *path = put(CERTIFICATES, content, files);
        }
    });
}

/// Adds what was found for registries of which neither the document nor an option says a word.
pub(super) fn add(document: &mut Table, found: &BTreeMap<String, Found>, files: &mut Vec<File>) {
    let registries = document.entry("registry").or_insert_with(|| Value::Table(Table::new()));
    let Some(registries) = registries.as_table_mut() else { return };
    for (host, Found { authorities, pairs }) in found {
        if registries.contains_key(host) {
            continue;
        }
        let mut put = |content: &String| Value::String(put(FOUND, content, files));
        let authorities: Vec<_> = authorities.iter().map(&mut put).collect();
        let mut pair = |(cert, key): &(String, String)| {
            Value::Table([("cert".to_owned(), put(cert)), ("key".to_owned(), put(key))].into_iter().collect())
        };
        let pairs: Vec<_> = pairs.iter().map(&mut pair).collect();
        let mut registry = Table::new();
        // A registry on localhost would be spoken to without TLS unless told otherwise.
        registry.insert("http".to_owned(), Value::Boolean(false));
        for (key, values) in [("ca", authorities), ("keypair", pairs)] {
            if !values.is_empty() {
                registry.insert(key.to_owned(), Value::Array(values));
            }
        }
        registries.insert(host.clone(), Value::Table(registry));
    }
    if registries.is_empty() {
        document.remove("registry");
    }
}

/// The registries of which nothing is said but what docker's engine has, and the others.
pub(super) fn unasked(document: &mut Table) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut found, mut asked) = (BTreeSet::new(), BTreeSet::new());
    each(document, &mut |host, _, path| {
        let side = if path.starts_with(FOUND) { &mut found } else { &mut asked };
        side.insert(host.to_owned());
    });
    let found = &found - &asked;
    let all = document.get("registry").and_then(Value::as_table).into_iter().flat_map(Table::keys);
    let others = all.filter(|host| !found.contains(*host)).cloned().collect();
    (found, others)
}

/// Puts a text into a file of its own among the others, and gives its path.
pub(super) fn put(directory: &str, content: &str, files: &mut Vec<File>) -> String {
    let path = format!("{directory}/{}.pem", files.len() + 1);
    files.push(File { path: path.clone(), content: content.to_owned() });
    path
}

/// Shows each path of a registry's certificate or key: the registry, the key of the path, the path.
fn each(document: &mut Table, visit: &mut impl FnMut(&str, &str, &mut String)) {
    let Some(Value::Table(registries)) = document.get_mut("registry") else { return };
    for (host, registry) in registries.iter_mut() {
        for (key, values) in registry.as_table_mut().into_iter().flatten() {
            for value in values.as_array_mut().into_iter().flatten() {
                match (key.as_str(), value) {
                    ("ca", Value::String(path)) => visit(host, "ca", path),
                    ("keypair", Value::Table(pair)) => {
                        for (part, value) in pair {
                            if let ("key" | "cert", Value::String(path)) = (part.as_str(), value) {
                                visit(host, &format!("keypair.{part}"), path);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
