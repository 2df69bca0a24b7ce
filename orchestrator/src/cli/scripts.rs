//! What is made from the tree of commands for the program standing alone: completion scripts
//! and manual pages.

use std::io;
use std::path::Path;

use clap::Command;
use clap::builder::Resettable;
use clap_complete::Shell;
use clap_mangen::Man;

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
    let mut root = tree().name(FILE);
    // Gives each command its full name.
    root.build();
    pages(&root, directory)
}

/// The page of a command and those of its commands.
fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    for sub in command.get_subcommands() {
        pages(sub, directory)?;
    }
    let examples = command.get_after_help().map(ToString::to_string);
    // What comes last would be filled as prose, under a heading that says nothing.
    let page = Man::new(command.clone().after_help(Resettable::Reset));
    let mut text = Vec::new();
    page.render(&mut text)?;
    if let Some(examples) = examples {
        let lines = examples.lines().map(verbatim).collect::<Vec<_>>().join("\n");
        text.extend_from_slice(format!(".SH EXAMPLES\n.nf\n{lines}\n.fi\n").as_bytes());
    }
    text.extend_from_slice(EXIT_STATUS.as_bytes());
    std::fs::write(directory.join(page.get_filename()), text)
}

/// How all commands end.
const EXIT_STATUS: &str = ".SH \"EXIT STATUS\"\n\
    0 on success, 1 on an error, 64 for a template of one object that cannot be understood, 125 for\n\
    wrong usage, 128 and N when signal N ended it.\n";

/// A line as it is, for roff: no request, no escape, and hyphens that can be copied.
fn verbatim(line: &str) -> String {
    format!("\\&{}", line.trim_start().replace('\\', "\\e").replace('-', "\\-"))
}
