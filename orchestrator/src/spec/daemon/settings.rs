//! A daemon's configuration taken apart again, setting by setting, to tell in which two differ.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::certificates::unasked;
use super::{CERTIFICATES, CONFIG_FILE};
use crate::desired::File;
use crate::digest;
use crate::spec::canonical::{Canonical, netstring};

/// Most certificates that are looked for: what names them comes out of a container in which
/// builds run.
const MOST: usize = 64;

/// The keys of a registry and of the cache that options set, with the option.
const REGISTRY: [(&str, &str); 3] =
    [("ca", "registry-ca"), ("insecure", "registry-insecure"), ("mirrors", "registry-mirror")];
const SPACE: [(&str, &str); 3] = [
    ("reservedSpace", "cache-reserved"),
    ("maxUsedSpace", "cache-max-used"),
    ("minFreeSpace", "cache-min-free"),
];

/// Each value that is no table, by its path.
type Values = BTreeMap<Vec<String>, String>;

/// The files beside the configuration that it names, of those that this program puts there.
#[must_use]
pub fn certificates(config: &str) -> Vec<String> {
    let mut paths = BTreeSet::new();
    let mut rest: Vec<Value> = config.parse::<Table>().map(Value::Table).into_iter().collect();
    while let Some(value) = rest.pop() {
        match value {
            Value::String(text) if text.starts_with(CERTIFICATES) => {
                paths.insert(text);
            }
            Value::Array(values) => rest.extend(values),
            Value::Table(table) => rest.extend(table.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    paths.into_iter().take(MOST).collect()
}

/// The settings in which two configurations differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Those that somebody asked for.
    pub asked: Vec<String>,
    /// The certificates that docker's engine has, and the builder takes from there by itself.
    pub found: Vec<String>,
}

/// The names of the settings in which two configurations differ, in the words of the options
/// where these set them; none when they mean the same. Values are not told: there may be secrets
/// among them.
#[must_use]
pub fn differences(one: &[File], other: &[File]) -> Differences {
    let ((found, asked), (others, other_asked)) = (registries(one), registries(other));
    let unasked = &(&found | &others) - &(&asked | &other_asked);
    let (one, other) = (values(one), values(other));
    let paths: BTreeSet<&Vec<String>> = one.keys().chain(other.keys()).collect();
    let differing: BTreeSet<&Vec<String>> =
        paths.into_iter().filter(|path| one.get(*path) != other.get(*path)).collect();
    let told = differing.iter().filter(|path| !follows(path, &differing));
    let (found, asked): (BTreeSet<_>, BTreeSet<_>) = told
        .map(|path| (is_of(path, &unasked), name(path, &[&one, &other])))
        .partition(|(is_found, _)| *is_found);
    let names = |side: BTreeSet<(bool, String)>| side.into_iter().map(|(_, name)| name).collect();
    Differences { asked: names(asked), found: names(found) }
}

/// The registries of which nothing is said but what docker's engine has, and the others.
fn registries(files: &[File]) -> (BTreeSet<String>, BTreeSet<String>) {
    let config = files.iter().find(|file| file.path == CONFIG_FILE);
    let document = config.and_then(|file| file.content.parse().ok());
    document.map(|mut document| unasked(&mut document)).unwrap_or_default()
}

/// Whether a setting is one of these registries'.
fn is_of(path: &[String], registries: &BTreeSet<String>) -> bool {
    matches!(path, [first, host, ..] if first == "registry" && registries.contains(host))
}

/// What stands for a configuration in a label. What nobody asked for makes no other backend.
pub(in crate::spec) fn fingerprint(files: &[File]) -> String {
    let mut canonical = Canonical::default();
    for (path, value) in asked(files) {
        let path: String = path.iter().map(|part| netstring(part)).collect();
        canonical.add(&path, [value]);
    }
    canonical.fingerprint()
}

/// Whether there is more in them than what docker's engine has.
#[must_use]
pub fn is_asked_for(files: &[File]) -> bool {
    !asked(files).is_empty()
}

fn asked(files: &[File]) -> Values {
    let (unasked, _) = registries(files);
    let mut values = values(files);
    values.retain(|path, _| !is_of(path, &unasked));
    values
}

fn values(files: &[File]) -> Values {
    let mut values = Values::new();
    if let Some(config) = files.iter().find(|file| file.path == CONFIG_FILE) {
        match config.content.parse() {
            Ok(document) => collect(&document, &mut Vec::new(), files, &mut values),
            // Not ours, then, and as a whole another one.
            Err(_) => drop(values.insert(Vec::new(), config.content.clone())),
        }
    }
    values
}

fn collect(table: &Table, path: &mut Vec<String>, files: &[File], values: &mut Values) {
    for (key, value) in table {
        path.push(key.clone());
        match value {
            Value::Table(table) => collect(table, path, files, values),
            value => drop(values.insert(path.clone(), written(value, files))),
        }
        path.pop();
    }
}

/// A value in a form of its own. A file that comes with the configuration counts by what it says:
/// where it is put is this program's business.
fn written(value: &Value, files: &[File]) -> String {
    match value {
        Value::String(text) => match files.iter().find(|file| file.path == *text) {
            Some(file) => format!("file {}", digest::hex(&file.content, digest::WHOLE)),
            None => netstring(text),
        },
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| written(value, files)).collect();
            format!("[{}]", values.join(","))
        }
        Value::Table(table) => {
            let sorted: BTreeMap<_, _> = table.iter().collect();
            let line =
                |(key, value): (&String, &Value)| format!("{}{}", netstring(key), written(value, files));
            format!("{{{}}}", sorted.into_iter().map(line).collect::<Vec<_>>().join(","))
        }
    }
}

/// Whether a setting differs only since another one does, that an option sets along with it.
fn follows(path: &[String], differing: &BTreeSet<&Vec<String>>) -> bool {
    let beside = |keys: &[(&str, &str)]| {
        let parent = &path[..path.len() - 1];
        keys.iter().any(|(key, _)| {
            let beside: Vec<String> = parent.iter().cloned().chain([(*key).to_owned()]).collect();
            differing.contains(&beside)
        })
    };
    match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["registry", _, "http"] => beside(&REGISTRY[..2]),
        ["worker", "oci", "gckeepstorage"] => beside(&SPACE),
        _ => false,
    }
}

/// The registry that has another one for a mirror.
fn mirrored<'v>(mirror: &str, sides: &[&'v Values]) -> Option<&'v String> {
    let is_it =
        |text: &str| text == mirror || text.strip_prefix(mirror).is_some_and(|it| it.starts_with('/'));
    let mut lists = sides.iter().flat_map(|values| values.iter());
    lists.find_map(|(path, list)| match &path[..] {
        [first, host, key] if first == "registry" && key == "mirrors" => {
            let mut texts = list.trim_matches(['[', ']']).split(',').filter_map(|text| text.split_once(':'));
            texts.any(|(_, text)| is_it(text)).then_some(host)
        }
        _ => None,
    })
}

fn name(path: &[String], sides: &[&Values]) -> String {
    let of = |options: [(&'static str, &'static str); 3], key: &str| {
        options.iter().find(|(own, _)| *own == key).map(|(_, option)| *option)
    };
    let option = match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some("config".to_owned()),
        ["registry", mirror, "http"] => mirrored(mirror, sides).map(|host| format!("registry-mirror {host}")),
        ["registry", host, key] => of(REGISTRY, key).map(|option| format!("{option} {host}")),
        ["worker", "oci", key] => of(SPACE, key).map(str::to_owned),
        _ => None,
    };
    let name = option.unwrap_or_else(|| format!("config {}", path.join(".")));
    // One side comes out of a container in which builds run, and goes to terminals.
    name.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Vec<File> {
        vec![File { path: CONFIG_FILE.to_owned(), content: text.to_owned() }]
    }

    #[test]
    fn what_differs_is_told_by_its_name() {
        let base = "debug = true\n[registry.\"docker.io\"]\nmirrors = [\"m\"]\n";
        for (other, names) in [
            ("", &["config debug", "registry-mirror docker.io"][..]),
            ("debug = true\n[registry.\"docker.io\"]\nmirrors = [\"n\"]", &["registry-mirror docker.io"]),
            ("debug = false\n[registry.\"docker.io\"]\nmirrors = [\"m\"]", &["config debug"]),
            (
                "debug = true\n[registry.\"docker.io\"]\nmirrors = [\"m\"]\n[registry.\"r:1\"]\nhttp = true\n\
                 insecure = true\n[worker.oci]\nmaxUsedSpace = 1\ngckeepstorage = 1",
                &["cache-max-used", "registry-insecure r:1"],
            ),
            (
                "debug = true\n[registry.\"docker.io\"]\nmirrors = [\"m\"]\nhttp = true\n\
                 [[worker.oci.gcpolicy]]\nall = true",
                &["config registry.docker.io.http", "config worker.oci.gcpolicy"],
            ),
            // How a mirror is spoken to comes with the mirror.
            (
                "debug = true\n[registry.\"docker.io\"]\nmirrors = [\"m\"]\n[registry.m]\nhttp = true",
                &["registry-mirror docker.io"],
            ),
            (
                "debug = true\n[registry.\"docker.io\"]\nmirrors = [\"n/p\"]\n[registry.n]\nhttp = true",
                &["registry-mirror docker.io"],
            ),
            ("debug = [", &["config", "config debug", "registry-mirror docker.io"]),
        ] {
            assert_eq!(differences(&config(base), &config(other)).asked, names, "{other}");
            assert_eq!(differences(&config(other), &config(base)).asked, names, "{other}");
        }
        assert_eq!(differences(&[], &config("debug = true")).asked, ["config debug"]);
    }

    #[test]
    fn how_it_is_written_down_does_not_count() {
        let (one, other) = (
            "a = 1\nb = 'x'\n[t]\nc = [1, 2]\n[[p]]\nx = 1\ny = 2",
            "# why\nt.c = [ 1,2 ]\nb = \"x\"\na = 0x1\np = [{ y = 2, x = 1 }]",
        );
        assert_eq!(differences(&config(one), &config(other)), Differences::default());
        assert_eq!(fingerprint(&config(one)), fingerprint(&config(other)));
        assert_ne!(fingerprint(&config(one)), fingerprint(&config("a = 2")));
        // The same on every machine and in every version.
        assert_eq!(fingerprint(&config("a = 1")), "v1:c70de7891d1ce1d9");
    }

    #[test]
    fn a_certificate_counts_by_what_it_says() {
        let trusted = |name: &str, content: &str| {
            let path = format!("{CERTIFICATES}/{name}.pem");
            let text = format!("[registry.r]\nhttp = false\nca = [\"{path}\"]");
            assert_eq!(certificates(&text), [path.as_str()]);
            let mut files = config(&text);
            files.push(File { path, content: content.to_owned() });
            files
        };
        assert_eq!(differences(&trusted("1", "one"), &trusted("2", "one")), Differences::default());
        assert_eq!(differences(&trusted("1", "one"), &trusted("1", "two")).asked, ["registry-ca r"]);
        assert_eq!(differences(&trusted("1", "one"), &config("")).asked, ["registry-ca r"]);
        assert_eq!(certificates("ca = \"/etc/ssl/x.pem\""), [""; 0]);
    }

    #[test]
    fn names_do_nothing_to_a_terminal() {
        let names = differences(&config("\"\\u001b[2J\" = 1"), &[]).asked;
        assert!(names.iter().all(|name| !name.contains('\u{1b}')), "{names:?}");
    }
}
