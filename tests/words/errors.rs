//! The errors of both programs and `docs/errors.md` say the same.
//!
//! Errors are found where the sources make them: the literals of `#[error]`, `anyhow!`, `bail!`,
//! `context`, `Err` and their like, and warnings where they are given. A message put together elsewhere is not seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

const DOCUMENT: &str = include_str!("../../docs/errors.md");

/// What `doctor` finds is its result and no error of it.
const RESULTS: &str = "orchestrator/src/commands/doctor/checks";

/// What stands before the literal of an error.
const BEFORE: [&str; 13] = [
    r"#\[error\(\s*",
    r"(?:anyhow|bail)!\(\s*",
    r"context\((?:\|\| )?(?:\{\s*)?(?:format!\(\s*)?",
    r"(?:Err|ok_or|ok_or_else|map_err)\(\s*(?:\|\w*\| )?(?:format!\(\s*)?",
    r"(?:Self|UsageError)::option\(\s*[&\w()]+,\s*[&\w\[\]]+,\s*&?(?:format!\(\s*)?",
    r"\} else(?: if [^{;]*)? \{\n\s*format!\(\s*",
    r#"(?:Error::other|bad)\(\s*(?:"-[^"]*",\s*)?(?:format!\(\s*)?"#,
    r"ErrorKind::\w+,\s*(?:format!\(\s*)?",
    r"(?:unsupported|unreachable)\(\s*(?:\w+,\s*)?&?(?:format!\(\s*)?",
    r"message = format!\(\s*",
    r"\.warning\(format_args!\(\s*",
    r"tracing::warn!\(\s*(?:[\w.= %]+,\s*)*",
    r"let (?:words|why) = (?:if [^{;]*\{\s*)?(?:\|\| )?(?:format!\(\s*)?",
];

static ERROR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!(r#"(?s)(?:{})"((?:[^"\\]|\\.)*)""#, BEFORE.join("|"))).unwrap());

/// Those that become errors by a conversion.
static CONVERTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?s)format!\(\s*"((?:[^"\\]|\\.)*)"[^;{}]{0,60}?\)\s*\.into\(\)"#).unwrap()
});

/// A literal's line that goes on in the next one.
static CONTINUED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\\n\s*").unwrap());

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{[^}]*\}").unwrap());

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.to_string_lossy().ends_with("_tests.rs")
        {
            found.push(path);
        }
    }
}

/// Every error's message as it is written, with the place where it was found first.
fn messages() -> BTreeMap<String, String> {
    let (root, mut files, mut found) = (root(), Vec::new(), BTreeMap::new());
    for member in ["crates/contract/src", "crates/docker-plugin/src", "orchestrator/src", "sidecar/src"] {
        sources(&root.join(member), &mut files);
    }
    files.retain(|file| !file.with_extension("").starts_with(root.join(RESULTS)));
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // Tests are at a file's end.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for error in ERROR.captures_iter(code).chain(CONVERTED.captures_iter(code)) {
            let literal = error.get(1).unwrap();
            let line = code[..literal.start()].lines().count();
            let place = format!("{}:{line}", file.strip_prefix(&root).unwrap().display());
            found.entry(unescape(literal.as_str())).or_insert(place);
        }
    }
    found
}

/// What the compiler makes of a literal, as far as ours go: quotes, and lines that go on.
fn unescape(literal: &str) -> String {
    CONTINUED.replace_all(literal, "").replace("\\\"", "\"").replace("\\\\", "\\")
}

/// A message without the names of what stands in it: those of the document are for people.
fn nameless(message: &str) -> String {
    PLACEHOLDER.replace_all(message, "{}").into_owned()
}

/// The rows of the document: the message and its other cells.
fn rows() -> Vec<(String, Vec<String>)> {
    let row = |line: &str| {
        let (message, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let cells = rest.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        Some((message.to_owned(), cells))
    };
    DOCUMENT.lines().filter_map(row).collect()
}

#[test]
fn every_error_has_its_row_and_every_row_its_error() {
    let messages = messages();
    assert!(messages.len() > 50, "the sources are read: {}", messages.len());
    let documented: Vec<String> = rows().iter().map(|(message, _)| nameless(message)).collect();
    let existing: Vec<String> = messages.keys().map(|message| nameless(message)).collect();
    let mut complaints = String::new();
    for (message, place) in &messages {
        if !documented.contains(&nameless(message)) {
            complaints.push_str(&format!("add to docs/errors.md, for {place}:\n"));
            complaints.push_str(&format!("| `{message}` | CAUSE | WHAT TO DO | 1, 125, part or log |\n"));
        }
    }
    for (message, _) in rows() {
        if !existing.contains(&nameless(&message)) {
            complaints
                .push_str(&format!("take out of docs/errors.md, no source says so any more:\n`{message}`\n"));
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn each_row_says_the_cause_and_the_status_once() {
    let mut seen = Vec::new();
    for (message, cells) in rows() {
        assert!([3, 4].contains(&cells.len()), "cause, what to do and status of `{message}`: {cells:?}");
        assert!(!cells[0].is_empty(), "no cause of `{message}`");
        let statuses =
            ["1", "2", "3", "125", "128 + N", "part", "log", "log, and 1 from `health`", "warning"];
        assert!(statuses.contains(&cells[2].as_str()), "status of `{message}`: {}", cells[2]);
        assert!(!seen.contains(&message), "two rows of `{message}`");
        seen.push(message);
    }
}

#[test]
fn errors_are_one_line_in_lower_case_without_a_full_stop() {
    for (message, place) in messages() {
        assert!(
            !message.contains(['\n', '\t']) && !message.contains("\\n"),
            "{place}: several lines: {message}"
        );
        assert!(!message.ends_with(['.', ' ', ':']), "{place}: ends badly: {message}");
        let first = message.chars().next().unwrap();
        assert!(!first.is_uppercase(), "{place}: begins with a capital: {message}");
    }
}
