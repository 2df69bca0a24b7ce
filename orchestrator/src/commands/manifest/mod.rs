//! `backend manifest`: the backend for a cluster, as a text. Needs no engine.

mod options;

pub use options::ManifestOptionError;
pub(super) use options::Options;

use anyhow::Result;
use docker_plugin::output::Console;

use crate::manifest::{Wish, builder_command, builder_notes, text};

/// Prints the manifest, and beside it how the builder is used.
///
/// # Errors
/// Only an output that is closed.
pub fn run(console: &Console, wish: &Wish) -> Result<()> {
    console.raw(text(wish).as_bytes())?;
    console.note("Once 'kubectl apply -f -' has taken the manifest, this makes it a builder:");
    console.note(format_args!("  {}", builder_command(wish)));
    for line in builder_notes(wish).lines() {
        console.note(line);
    }
    Ok(())
}
