//! `backend manifest`: the backend for a cluster, as a text or as a base for kustomize. Needs no engine.

mod options;

pub use options::ManifestOptionError;
pub(super) use options::Options;

use std::path::{Path, PathBuf};

use anyhow::Result;
use docker_plugin::output::Console;
use explained::Explained;

use crate::files;
use crate::manifest::{KUSTOMIZATION, MANIFEST_FILE, Wish, builder_command, builder_notes, text};

/// What kustomize takes for its file, the usual name first.
const KUSTOMIZATION_FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A file of `--kustomize` cannot be written.
#[derive(Debug, thiserror::Error, Explained)]
#[error("cannot write the file \"{path}\" of --kustomize: {error}", path = .path.display())]
#[advice = "name a directory of yours"]
pub struct Unwritten {
    /// The file.
    path: PathBuf,
    /// Why.
    error: std::io::Error,
}

/// Prints the manifest, and beside it how the builder is used.
///
/// # Errors
/// Only an output that is closed.
pub fn print(console: &Console, wish: &Wish) -> Result<()> {
    console.raw(text(wish).as_bytes())?;
    tell(console, wish, "-f -");
    Ok(())
}

/// Writes the manifest into the directory, and a kustomization unless there is one, whose patches
/// then apply to the new manifest.
///
/// # Errors
/// Those of the file system.
pub fn write(console: &Console, wish: &Wish, directory: &Path) -> Result<()> {
    let keep = |name, text: &str| {
        let path = directory.join(name);
        files::write(&path, text).map_err(|error| Unwritten { path, error })
    };
    keep(MANIFEST_FILE, &text(wish))?;
    let [usual, ..] = KUSTOMIZATION_FILES;
    match KUSTOMIZATION_FILES.into_iter().find(|name| directory.join(name).exists()) {
        None => keep(usual, KUSTOMIZATION)?,
        Some(name) => console
            .note(format_args!("\"{name}\" stays as it is; \"{MANIFEST_FILE}\" must be among its resources")),
    }
    let directory = directory.to_string_lossy();
    tell(console, wish, &format!("-k {}", shlex::try_quote(&directory).unwrap_or_default()));
    Ok(())
}

fn tell(console: &Console, wish: &Wish, from: &str) {
    console
        .note(format_args!("Once 'kubectl apply {from}' has taken the manifest, this makes it a builder:"));
    console.note(format_args!("  {}", builder_command(wish)));
    for line in builder_notes(wish).lines() {
        console.note(line);
    }
}
