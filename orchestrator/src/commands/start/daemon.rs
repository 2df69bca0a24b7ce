//! What the daemon is told, with the files that the options name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use docker_plugin::bounded;
use explained::Explained;

use crate::desired::File;
use crate::spec::daemon::{self, Found, Mirror, Named, Registry, Settings, Space};

/// A file that an option names is no good.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "125"]
pub enum FileError {
    /// It is missing or may not be read.
    #[error("cannot read the file \"{path}\" of {option}", path = .path.display())]
    #[advice = "correct the path"]
    Read {
        /// The file.
        path: PathBuf,
        /// The option, or the key in the file of `--config`.
        option: String,
    },
    /// Another format.
    #[error("the file \"{path}\" of --registry-ca holds no certificate in PEM format", path = .path.display())]
    #[advice = "convert it"]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
}

/// The options about the daemon, not read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Daemon {
    /// The user's own `buildkitd.toml`.
    pub config: Option<PathBuf>,
    /// Registries without a trusted certificate.
    pub insecure: Vec<String>,
    /// Registries and who is asked in their place.
    pub mirrors: Vec<(String, Mirror)>,
    /// Registries and the files with their certificate authorities.
    pub authorities: Vec<(String, PathBuf)>,
    /// Limits on the cache.
    pub space: Space,
}

impl Daemon {
    /// Reads the files that were named and puts everything together, with what docker's engine has for
    /// registries.
    ///
    /// # Errors
    /// A file that cannot be read or is not what it should be, and contradictions.
    pub fn files(&self, found: BTreeMap<String, Found>) -> Result<Vec<File>> {
        let base = self.config.as_deref().map(|path| read("--config", path)).transpose()?;
        let mut brought = BTreeMap::new();
        for Named { path, key } in base.as_deref().map(daemon::named).transpose()?.into_iter().flatten() {
            // As buildx reads them: from the directory that the command is run in.
            let content = read(&format!("\"{key}\" in --config"), Path::new(&path))?;
            brought.insert(path, content);
        }
        let mut settings = Settings { base, brought, found, space: self.space, ..Settings::default() };
        let registries = &mut settings.registries;
        for host in &self.insecure {
            entry(registries, host).insecure = true;
        }
        for (host, mirror) in &self.mirrors {
            entry(registries, host).mirrors.push(mirror.clone());
        }
        for (host, path) in &self.authorities {
            let text = read("--registry-ca", path)?;
            if !text.contains("-----BEGIN CERTIFICATE-----") {
                return Err(FileError::NoCertificate { path: path.clone() }.into());
            }
            entry(registries, host).authorities.push(text);
        }
        Ok(daemon::files(&settings)?)
    }
}

fn entry<'r>(registries: &'r mut BTreeMap<String, Registry>, host: &str) -> &'r mut Registry {
    registries.entry(host.to_owned()).or_default()
}

fn read(option: &str, path: &Path) -> Result<String> {
    let failed = || FileError::Read { path: path.to_owned(), option: option.to_owned() };
    bounded::read_named(path).and_then(bounded::text).with_context(failed)
}
