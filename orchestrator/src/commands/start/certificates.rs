//! The certificates that docker's engine on this machine takes for registries on localhost, which are
//! those that builds reach through forwards.
//!
//! Its directories are those of `docker push`: one for each registry, named `HOST:PORT`, with authorities
//! in `*.crt`, and certificates of the client in `*.cert` with their keys in `*.key`
//! (docs.docker.com/engine/security/certificates).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use docker_plugin::authority::Authority;
use docker_plugin::bounded;

use super::StartWarning;
use crate::spec::daemon::Found;

/// What is there, by registry; the first directory that knows a registry counts. What cannot be read is
/// told to `warn`, and its registry left out.
pub fn certificates_of_the_engine(
    directories: &[PathBuf],
    warn: impl Fn(StartWarning),
) -> BTreeMap<String, Found> {
    let mut all = BTreeMap::new();
    for directory in directories {
        for host in names(directory).unwrap_or_default().into_iter().filter(|name| is_local(name)) {
            if all.contains_key(&host) {
                continue;
            }
            match of_registry(&directory.join(&host)) {
                Ok(found) if found == Found::default() => {}
                Ok(found) => drop(all.insert(host, found)),
                Err((path, error)) => warn(StartWarning::Certificate { path, host, error }),
            }
        }
    }
    all
}

fn of_registry(directory: &Path) -> Result<Found, (PathBuf, io::Error)> {
    let mut found = Found::default();
    let read = |name: &str| {
        let path = directory.join(name);
        bounded::read_to_string(&path).map_err(|error| (path, error))
    };
    for name in names(directory).map_err(|error| (directory.to_owned(), error))? {
        if name.ends_with(".crt") {
            found.authorities.push(read(&name)?);
        } else if let Some(name) = name.strip_suffix(".cert") {
            found.pairs.push((read(&format!("{name}.cert"))?, read(&format!("{name}.key"))?));
        }
    }
    Ok(found)
}

/// In the order of their letters, so that every start finds the same.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Whether a registry of this name is one that forwards lead to.
fn is_local(registry: &str) -> bool {
    let is_local = |Authority { host, .. }: Authority| {
        let is_loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        is_loopback || host == "localhost" || host.ends_with(".localhost")
    };
    registry.parse().is_ok_and(is_local)
}
