//! `docs/errors.md`, whose tables are printed from the types of the errors.

use std::path::Path;

use explained::Explanation;

use crate::transcript::compare;

/// A type's name and what it explains.
pub(crate) type Explained = (&'static str, &'static [Explanation]);

/// The types by their names.
#[macro_export]
macro_rules! explained {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), <$name as explained::Explained>::EXPLANATIONS)),*]
    };
}

/// Prints the tables of a program's errors into the document. Each is behind a comment that names the
/// program and the types in it: `<!-- program: ThisError, ThatError -->`. These are all the errors that its
/// sources declare.
pub(crate) fn print(program: &str, sources: &[&str], types: &[Explained]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (mut printed, mut named, mut codes) = (String::new(), Vec::new(), Vec::new());
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        printed.push_str(&format!("{line}\n"));
        let names =
            line.strip_prefix(&format!("<!-- {program}: ")).and_then(|rest| rest.strip_suffix(" -->"));
        let Some(names) = names else { continue };
        while lines.next_if(|line| line.starts_with('|')).is_some() {}
        let find = |name| types.iter().find(|(known, _)| *known == name);
        let tables: Vec<_> = names
            .split(", ")
            .map(|name| find(name).unwrap_or_else(|| panic!("no {name} is known to the test")))
            .collect();
        named.extend(tables.iter().map(|(name, _)| *name));
        let rows: Vec<_> = tables.iter().flat_map(|(_, rows)| *rows).collect();
        let hints = rows.iter().all(|row| row.advice.is_empty());
        printed.push_str(if hints { HINTS } else { ERRORS });
        for row in rows {
            assert!(!codes.contains(&row.code), "two errors have the code {}", row.code);
            codes.push(row.code);
            printed.push_str(&if hints { hint(row) } else { error(row) });
        }
    }
    let mut known: Vec<_> = types.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, known, "each type has its place in docs/errors.md, and one alone");
    let mut declared = Vec::new();
    for directory in sources {
        find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(directory), &mut declared);
    }
    declared.sort_unstable();
    assert_eq!(known, declared, "the test knows all errors");
    compare(printed, &path);
}

/// The names of the errors that are declared below a directory.
fn find(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests are at a file's end.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let declaration = |(at, _): (usize, &str)| {
                let mut words = text[at..].split(|c: char| !c.is_alphanumeric());
                words
                    .find(|word| ["enum", "struct"].contains(word))
                    .and_then(|_| words.next().map(str::to_owned))
            };
            found.extend(text.match_indices("thiserror::Error").filter_map(declaration));
        }
    }
}

const ERRORS: &str = "| error | cause | what to do | status | code |\n|---|---|---|---|---|\n";

fn error(row: &Explanation) -> String {
    let Explanation { code, words, cause, advice, status } = row;
    check(row);
    let statuses = [
        "1",
        "2",
        "3",
        "64",
        "125",
        "128 + N",
        "fail",
        "part",
        "log",
        "log, and 1 from `health`",
        "warn",
        "warning",
    ];
    assert!(statuses.contains(status), "{code}: {status}");
    format!("| `{words}` | {} | {} | {status} | {code} |\n", sentence(cause), sentence(advice))
}

const HINTS: &str = "| hint | when | code |\n|---|---|---|\n";

fn hint(row: &Explanation) -> String {
    check(row);
    format!("| `{}` | {} | {} |\n", row.words, sentence(row.cause), row.code)
}

/// What holds for all rows.
fn check(Explanation { code, words, cause, advice, .. }: &Explanation) {
    for text in [words, cause, advice] {
        assert!(!text.contains(['\n', '|']) && !text.ends_with(['.', ' ', ':']), "{code}: {text:?}");
    }
    assert!(!words.starts_with(char::is_uppercase), "{code}: begins with a capital: {words}");
}

/// With a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
