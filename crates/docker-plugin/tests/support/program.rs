//! Programs that a test writes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Puts a program of this name and text into a directory.
///
/// Another process writes it: while a file is open for writing nobody can run it, and a test that
/// forks at that moment would hold ours open until its child has become another program.
#[track_caller]
pub(crate) fn program(directory: &Path, name: &str, text: &str) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(directory.join(name)).stdin(Stdio::piped());
    let mut install = install.spawn().unwrap();
    install.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(install.wait().unwrap().success(), "\"{name}\" cannot be written");
}
