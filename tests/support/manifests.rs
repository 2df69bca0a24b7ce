//! What is written down for other machinery than an engine, read back.

use docker_assemble::commands::{Command, Offline, parse};
use docker_assemble::manifest::{builder_command, text};
use docker_plugin::cli::{Invocation, UsageError};
use serde::Deserialize;
use serde_norway::{Deserializer, Value};

pub(crate) const COMPOSE: &str = include_str!("../../images/compose.yaml");

pub(crate) fn parsed(options: &str) -> Result<Command, UsageError> {
    let line = format!("assemble backend manifest {options}");
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    parse(&words).map(|invocation| match invocation {
        Invocation::Run(request) => request.command,
        other => panic!("{line}: {other:?}"),
    })
}

/// The manifest's text and the command for buildx.
pub(crate) fn made(options: &str) -> (String, String) {
    match parsed(&format!("--kubernetes {options}")) {
        Ok(Command::Offline(Offline::Manifest(wish, None))) => (text(&wish), builder_command(&wish)),
        other => panic!("{options}: {other:?}"),
    }
}

/// The network policy and the stateful set, read back.
pub(crate) fn documents(options: &str) -> [Value; 2] {
    let (text, _) = made(options);
    let documents = Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
    documents.collect::<Vec<_>>().try_into().unwrap()
}

/// The value at a path such as `spec.containers.0.image`; null where there is none.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, part| match part.parse::<usize>() {
        Ok(index) => value.get(index).unwrap_or(&Value::Null),
        Err(_) => value.get(part).unwrap_or(&Value::Null),
    })
}

pub(crate) fn yaml(text: &str) -> Value {
    serde_norway::from_str(text).unwrap()
}

pub(crate) fn strings(list: &Value) -> Vec<String> {
    list.as_sequence().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

pub(crate) fn pod(options: &str) -> Value {
    at(&documents(options)[1], "spec.template.spec").clone()
}
