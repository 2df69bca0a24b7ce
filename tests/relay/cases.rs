//! The table of cases, `docs/cases.md`, names tests that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const DOCUMENT: &str = include_str!("../../docs/cases.md");

/// The tests of this binary by `file::name`, and whether each is a long one.
fn tests() -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut rest = vec![(String::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/relay"))];
    while let Some((above, path)) = rest.pop() {
        if path.is_dir() {
            let within = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
            rest.extend(within.map(|path| {
                let name = path.file_stem().unwrap().to_string_lossy();
                (if above.is_empty() { name.into_owned() } else { format!("{above}::{name}") }, path)
            }));
            continue;
        }
        let mut long = false;
        for line in fs::read_to_string(&path).unwrap().lines().map(str::trim) {
            if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                found.insert(format!("{above}::{name}"), long);
            }
            // Attributes stand right before what they are about.
            long = line.starts_with("#[ignore") || long && line.starts_with("#[");
        }
    }
    found
}

/// What stands between single backticks and is a test's name.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|word| word.contains("::"))
}

/// The cells of each case's row.
fn rows() -> Vec<Vec<&'static str>> {
    let row = |line: &'static str| {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix('|')?.split('|').map(str::trim).collect();
        cells[0].parse::<u32>().is_ok().then_some(cells)
    };
    DOCUMENT.lines().filter_map(row).collect()
}

#[test]
fn every_case_names_tests_that_exist() {
    let tests = tests();
    assert_eq!(rows().len(), 40);
    for (cells, case) in rows().iter().zip(1..) {
        let [number, _, _, _, short, long] = cells[..] else { panic!("a row has six cells: {cells:?}") };
        assert_eq!(number, case.to_string());
        assert!(names(short).next().is_some(), "case {case} has no test that is always run");
        for (cell, is_long) in [(short, false), (long, true)] {
            for name in names(cell) {
                assert_eq!(tests.get(name), Some(&is_long), "case {case}: {name}");
            }
        }
    }
}

#[test]
fn every_long_test_is_named() {
    let named: Vec<_> = names(DOCUMENT).collect();
    for name in &named {
        assert!(tests().contains_key(*name), "{name} does not exist");
    }
    for (name, _) in tests().iter().filter(|(_, long)| **long) {
        assert!(named.contains(&name.as_str()), "docs/cases.md does not name {name}");
    }
}
