//! A command line as a test writes it.

use docker_assemble::commands::parse;
use docker_plugin::exit::Exit;

/// Its words; `''` is an empty one.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
}

/// What is said of one that is wrong, and how that exits.
pub(crate) fn refused(line: &str) -> (String, Exit) {
    let error = parse(&words(line)).unwrap_err();
    (error.text, error.exit)
}
