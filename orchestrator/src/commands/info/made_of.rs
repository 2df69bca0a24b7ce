//! What a start has asked for that the backend has: its settings, by the names of their options, and the
//! configuration that came of options about the daemon.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::commands::start::{Options, more_options};
use crate::desired::{Choice, Chosen, File};
use crate::digest;
use crate::labels;
use crate::observed::Observed;

/// By the names of their options, in the words of these; of what may be a secret the names alone.
pub(super) fn settings(observed: &Observed) -> Map<String, Value> {
    let chosen = observed.backend.as_ref().map(|backend| &backend.settings.chosen);
    let more = more_options(observed).into_iter();
    let more = more.map(|(name, words)| (name, value(words, Options::is_list(name))));
    chosen
        .into_iter()
        .flat_map(choices)
        .chain(more)
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn choices(chosen: &Chosen) -> impl Iterator<Item = (&'static str, Option<Value>)> {
    let named = Choice::all().filter(|choice| chosen.get(*choice).is_some());
    named.map(|choice| (choice.row().name, value(chosen.words(choice), choice.is_list())))
}

fn value(words: Vec<String>, is_list: bool) -> Option<Value> {
    if is_list { Some(words.into()) } else { words.into_iter().next().map(Value::from) }
}

/// The same in a line for people.
pub(super) fn settings_line(observed: &Observed) -> String {
    let chosen = observed.backend.as_ref().map(|backend| backend.settings.chosen.to_string());
    let more = more_options(observed).into_iter();
    let more = more.flat_map(|(name, words)| words.into_iter().map(move |it| format!("{name} \"{it}\"")));
    chosen.into_iter().filter(|told| !told.is_empty()).chain(more).collect::<Vec<_>>().join(", ")
}

/// The configuration that the daemon was given.
pub(super) struct Configuration<'a> {
    /// Stands for what it was made with.
    digest: &'a str,
    /// The files that its container has of it, by their paths, with what stands for each; none where that
    /// is not known.
    files: Option<Vec<(&'a str, String)>>,
}

impl<'a> Configuration<'a> {
    pub(super) fn of(observed: &'a Observed) -> Option<Self> {
        let digest = observed.backend.as_ref()?.labels.get(labels::CONFIG)?;
        let files = observed.files.as_ref().map(|files| {
            let file = |file: &'a File| (file.path.as_str(), digest::hex(&file.content, digest::WHOLE));
            files.iter().map(file).collect()
        });
        Some(Self { digest, files })
    }

    pub(super) fn object(&self) -> Value {
        let file = |(path, digest): &(&str, String)| json!({"Path": path, "SHA256": digest});
        let files = self.files.as_ref().map(|files| files.iter().map(file).collect::<Vec<_>>());
        json!({ "Digest": self.digest, "Files": files })
    }
}

impl fmt::Display for Configuration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digest)?;
        match self.files.as_ref().map(Vec::len) {
            None | Some(1) => Ok(()),
            Some(0) => f.write_str(", which the container has lost"),
            Some(all) => write!(f, ", with {} file(s) that it names", all - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Container;

    #[test]
    fn the_options_of_the_daemon_are_among_the_settings_and_what_came_of_them_is_told() {
        let options = "--config '/c/my own.toml' --memory 2g --registry-ca r=/c/ca.pem --cache-reserved 5";
        let mut backend = Container::running("b");
        backend.labels.insert(labels::CONFIG.to_owned(), "v1:1".to_owned());
        backend.labels.insert(labels::CONFIG_OPTIONS.to_owned(), options.to_owned());
        backend.settings.chosen =
            [(Choice::Memory, Choice::Memory.read("1g").unwrap())].into_iter().collect();
        let file = |path: &str| File { path: path.to_owned(), content: "abc".to_owned() };
        let mut observed = Observed {
            backend: Some(backend),
            files: Some(vec![file("/c.toml"), file("/1.pem")]),
            ..Observed::default()
        };
        assert_eq!(
            Value::Object(settings(&observed)),
            json!({
                "cache-reserved": "5", "config": "/c/my own.toml", "memory": "1g", "registry-ca": ["r=/c/ca.pem"],
            })
        );
        assert_eq!(
            settings_line(&observed),
            "memory \"1g\", cache-reserved \"5\", config \"/c/my own.toml\", registry-ca \"r=/c/ca.pem\""
        );
        let told = Configuration::of(&observed).unwrap();
        assert_eq!(told.to_string(), "v1:1, with 1 file(s) that it names");
        assert_eq!(told.object()["Digest"], "v1:1");
        assert_eq!(told.object()["Files"][1]["Path"], "/1.pem");
        assert!(told.object()["Files"][1]["SHA256"].as_str().unwrap().starts_with("ba7816bf"));
        observed.files = Some(Vec::new());
        let lost = Configuration::of(&observed).unwrap();
        assert_eq!(
            (lost.to_string(), &lost.object()["Files"]),
            ("v1:1, which the container has lost".to_owned(), &json!([]))
        );
        observed.files = None;
        let unknown = Configuration::of(&observed).unwrap();
        assert_eq!((unknown.to_string(), &unknown.object()["Files"]), ("v1:1".to_owned(), &Value::Null));
        observed.backend.as_mut().unwrap().labels.clear();
        assert!(Configuration::of(&observed).is_none());
    }
}
