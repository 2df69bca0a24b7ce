//! Arrows between rooms go down: the map in each crate's first file names every room, a room uses only
//! those that the map names after it, and within a room no two files use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module from the crate's root, such as `engine`, `ssh`.
type Module = Vec<String>;

/// A crate, read: its modules, their files and the paths that these name.
struct Crate {
    map: Vec<String>,
    rooms: BTreeSet<String>,
    files: BTreeMap<Module, PathBuf>,
    /// What the root calls by a shorter name.
    exports: BTreeMap<String, Module>,
}

impl Crate {
    /// By its first file.
    fn read(root: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(root);
        let (source, root) = (path.parent().unwrap(), fs::read_to_string(&path).unwrap());
        let declared = |line: &str| {
            let name = line.trim_start_matches("pub ").strip_prefix("mod ")?;
            Some(name.trim_end_matches(';').to_owned())
        };
        let rooms: BTreeSet<String> = root.lines().filter_map(declared).collect();
        let cells = root.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next());
        let named = |cell: &str| {
            cell.split("[`")
                .skip(1)
                .map(|name| name.split('`').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let map = cells.flat_map(named).collect();
        let mut files = BTreeMap::new();
        find(source, &mut vec![], &mut files);
        files.retain(|module, _| module.first().is_some_and(|room| rooms.contains(room)));
        let exports = paths(&code(&root), &[])
            .filter(|(_, path)| path.len() > 1 && rooms.contains(&path[0]))
            .map(|(_, path)| (path.last().unwrap().clone(), path))
            .collect();
        Self { map, rooms, files, exports }
    }

    /// Each use of another module: where, by which and of which.
    fn uses(&self) -> Vec<(String, Module, Module)> {
        let mut uses = vec![];
        for (module, path) in &self.files {
            let text = code(&fs::read_to_string(path).unwrap());
            for (line, mut used) in paths(&text, module) {
                if let Some(export) = self.exports.get(&used[0]) {
                    used.clone_from(export);
                }
                while !used.is_empty() && !self.files.contains_key(&used) {
                    used.pop();
                }
                if !used.is_empty() && used != *module {
                    uses.push((format!("{}:{line}", path.display()), module.clone(), used));
                }
            }
        }
        uses
    }

    /// The rooms that the map does not name, the names in it that are no rooms, and the arrows up.
    fn faults(&self) -> String {
        let mut faults = BTreeSet::new();
        let mapped: BTreeSet<String> = self.map.iter().cloned().collect();
        for room in self.rooms.symmetric_difference(&mapped) {
            faults.insert(format!("the map and the modules differ in \"{room}\""));
        }
        let floor = |module: &Module| self.map.iter().position(|room| *room == module[0]);
        let uses = self.uses();
        for (place, by, of) in &uses {
            if by[0] != of[0] && floor(by) > floor(of) {
                faults
                    .insert(format!("{place}: \"{}\" uses \"{}\", which the map has above it", by[0], of[0]));
            }
        }
        let arrows: BTreeSet<(&Module, &Module)> = uses
            .iter()
            .map(|(_, by, of)| (by, of))
            // What holds others hands them its own and calls them: that is one thing in several files.
            .filter(|(by, of)| by[0] == of[0] && !by.starts_with(of) && !of.starts_with(by))
            .collect();
        for (place, by, of) in &uses {
            if arrows.contains(&(by, of)) && leads(&arrows, of, by, &mut BTreeSet::new()) {
                faults.insert(format!("{place}: {} and {} use each other", by.join("::"), of.join("::")));
            }
        }
        faults.into_iter().collect::<Vec<_>>().join("\n")
    }
}

/// Whether arrows lead from one module to another.
fn leads<'a>(
    arrows: &BTreeSet<(&'a Module, &'a Module)>,
    from: &Module,
    to: &Module,
    seen: &mut BTreeSet<&'a Module>,
) -> bool {
    from == to
        || arrows
            .iter()
            .filter(|(by, _)| *by == from)
            .any(|(_, of)| seen.insert(of) && leads(arrows, of, to, seen))
}

/// The files under a directory, by the module that each is; those of tests are none.
fn find(directory: &Path, module: &mut Module, files: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            find(&path, module, files);
            module.pop();
        } else if name == "mod" {
            files.insert(module.clone(), path);
        } else if !name.ends_with("tests") {
            files.insert([module.as_slice(), &[name]].concat(), path);
        }
    }
}

/// A source without its comments and its tests at the end; lines stay where they are.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect()
}

/// The paths into this crate that the code of a module names, from the crate's root, with their lines.
/// In the root, `use` without `crate` means its modules too.
fn paths(text: &str, module: &[String]) -> impl Iterator<Item = (usize, Module)> {
    let mut found = vec![];
    let starts: &[&str] = if module.is_empty() { &["pub use "] } else { &["crate::", "super::", "self::"] };
    for start in starts {
        for (at, _) in text.match_indices(start) {
            if text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
            {
                continue;
            }
            let rest = if module.is_empty() { &text[at + start.len()..] } else { &text[at..] };
            let line = text[..at].matches('\n').count() + 1;
            for path in tree(&mut rest.trim_start()) {
                let mut from = module.to_vec();
                let mut path = path.into_iter().peekable();
                while let Some(word) =
                    path.next_if(|word| ["crate", "super", "self"].contains(&word.as_str()))
                {
                    match word.as_str() {
                        "crate" => from.clear(),
                        "super" => drop(from.pop()),
                        _ => {}
                    }
                }
                from.extend(path);
                if !from.is_empty() {
                    found.push((line, from));
                }
            }
        }
    }
    found.into_iter()
}

/// The paths of a tree such as `a::{b, c::D}`, which stands at the beginning of the text and is taken
/// from it.
fn tree(text: &mut &str) -> Vec<Module> {
    let word = |text: &mut &str| {
        let end = text.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        *text = rest;
        word.to_owned()
    };
    let mut stem = vec![];
    loop {
        if let Some(rest) = text.strip_prefix('{') {
            *text = rest.trim_start();
            let mut all = vec![];
            while !text.starts_with('}') && !text.is_empty() {
                all.extend(tree(text).into_iter().map(|path| [stem.clone(), path].concat()));
                // To the next one, past `as` and its name.
                let next = text.find([',', '}']).unwrap_or(text.len());
                *text = text[next..].trim_start_matches(',').trim_start();
            }
            *text = text.strip_prefix('}').unwrap_or(text);
            return all;
        }
        let next = word(text);
        if !next.is_empty() && (next != "self" || stem.is_empty()) {
            stem.push(next);
        }
        match text.strip_prefix("::") {
            Some(rest) => *text = rest,
            None => return vec![stem],
        }
    }
}

#[track_caller]
fn demand_downward(root: &str) {
    let faults = Crate::read(root).faults();
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn the_plugins_rooms_use_only_those_below() {
    demand_downward("orchestrator/src/lib.rs");
}

#[test]
fn the_sidecars_rooms_use_only_those_below() {
    demand_downward("sidecar/src/lib.rs");
}

#[test]
fn the_contracts_rooms_use_only_those_below() {
    demand_downward("crates/contract/src/lib.rs");
}

#[test]
fn dockers_ways_use_only_those_below() {
    demand_downward("crates/docker-plugin/src/lib.rs");
}

#[test]
fn the_benchmarks_files_use_only_those_below() {
    demand_downward("benches/compare/main.rs");
    demand_downward("benches/push/main.rs");
}

#[test]
fn an_arrow_up_is_seen_however_it_is_written() {
    let text = "use crate::{a::{B, c::D as E}, f};\nfn g() { super::h::i(); } // crate::no\n";
    let module = ["x".to_owned(), "y".to_owned()];
    let seen: Vec<String> =
        paths(&code(text), &module).map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
    assert_eq!(seen, ["1 a::B", "1 a::c::D", "1 f", "2 x::h::i"]);
}
