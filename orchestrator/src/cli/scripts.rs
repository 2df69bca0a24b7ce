//! What is made from the tree of commands for the program standing alone: completion scripts
//! and manual pages.

use std::io;
use std::path::Path;

use clap_complete::Shell;

use super::UsageError;
use super::tree::tree;

/// The program's file, by which shells know it.
const FILE: &str = "docker-assemble";

/// The completion script for the shell that `words` name.
///
/// # Errors
/// Words that name no shell, or more than one.
pub(super) fn completion(words: &[&str]) -> Result<String, UsageError> {
    let shell = match words {
        ["bash"] => Shell::Bash,
        ["zsh"] => Shell::Zsh,
        ["fish"] => Shell::Fish,
        ["powershell"] => Shell::PowerShell,
        _ => {
            let words = "completion wants one shell: \"bash\", \"zsh\", \"fish\" or \"powershell\"";
            return Err(UsageError::option(&tree(), &[], words));
        }
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tree(), FILE, &mut script);
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Writes a manual page for each command into `directory`, which is made when it is missing.
///
/// # Errors
/// Those of the file system.
pub fn manual(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(tree().name(FILE), directory)
}
