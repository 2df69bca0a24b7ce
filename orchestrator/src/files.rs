//! Files of the user's that this program writes.

use std::io;
use std::path::Path;

/// Writes the file whole or not at all, and makes the directories that it is in.
///
/// # Errors
/// Those of the file system; the file is then as it was.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    // Beside it, since a file is moved within one file system only.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    written.inspect_err(|_| {
        std::fs::remove_file(&new).ok();
    })
}
