//! Transcripts: commands and what they print, kept in text files that are compared byte for byte.
//! With `UPDATE_GOLDEN` set, the files are written anew instead.

use std::path::Path;
use std::process::Output;

use snapbox::Data;
use snapbox::assert::{Action, Assert};

/// What was said in a session of one subject.
#[derive(Default)]
pub(crate) struct Transcript(String);

impl Transcript {
    /// A heading for what follows.
    pub(crate) fn about(&mut self, what: &str) {
        self.0.push_str(&format!("# {what}\n\n"));
    }

    /// One command: standard output as it is, lines of standard error behind "! ", and the status.
    pub(crate) fn add(&mut self, command: &str, stdout: &str, stderr: &str, status: i32) {
        self.0.push_str(&format!("$ {command}\n"));
        self.lines("", stdout);
        self.lines("! ", stderr);
        self.0.push_str(&format!("? {status}\n\n"));
    }

    /// One command that a process has run.
    pub(crate) fn add_output(&mut self, command: &str, output: &Output) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let status = output.status.code().unwrap_or_else(|| panic!("{command}: {output:?}"));
        self.add(command, &text(&output.stdout), &text(&output.stderr), status);
    }

    fn lines(&mut self, before: &str, text: &str) {
        for line in text.split_inclusive('\n') {
            self.0.push_str(before);
            self.0.push_str(line);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            self.0.push_str("\n(without a newline)\n");
        }
    }

    /// Demands that the file of this name, below `tests/golden`, says the same.
    #[track_caller]
    pub(crate) fn compare_with(self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
        // A release alone is no change of words.
        compare(self.0.replace(concat!("v", env!("CARGO_PKG_VERSION")), "vVERSION"), &path);
    }
}

/// Demands that the file holds this text to the byte.
#[track_caller]
pub(crate) fn compare(text: String, path: &Path) {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let assert = Assert::new().action(if update { Action::Overwrite } else { Action::Verify });
    assert.eq(Data::text(text).raw(), Data::read_from(path, None).raw());
}

/// A command line's words; what stands in single quotes is one.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
