//! What requests have in common: names in their paths, filters, and what an answer lacks.

use std::collections::{BTreeMap, HashMap};

use super::{AnswerError, EngineError, Operation, Result};

/// A missing object as `None`.
pub(super) fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(EngineError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the failure of an answer is that names nothing.
pub(super) fn nameless(operation: Operation) -> EngineError {
    let source = AnswerError::Nameless.into();
    EngineError::Broken { operation, source }
}

/// A name that can be a part of a request's path as it is; the engine's own rules for names are
/// narrower still.
pub(super) fn in_path<'a>(operation: &Operation, name: &'a str) -> Result<&'a str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/:@+".contains(&byte);
    let good = name.bytes().all(plain)
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if good {
        Ok(name)
    } else {
        let message = "the name is not valid".to_owned();
        Err(EngineError::Refused { operation: operation.clone(), status: 400, message })
    }
}

/// Whether all of these labels are there: to Podman 4.3 one of them is enough for a volume.
pub(super) fn has<'a>(label: impl Fn(&str) -> Option<&'a String>, all: &BTreeMap<String, String>) -> bool {
    all.iter().all(|(name, value)| label(name) == Some(value))
}

pub(super) fn label_filters(labels: &BTreeMap<String, String>) -> HashMap<String, Vec<String>> {
    let wanted = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    HashMap::from([("label".to_owned(), wanted)])
}
