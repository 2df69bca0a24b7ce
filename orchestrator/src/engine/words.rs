//! What an engine says in other words than the client's models have, such as the state `stopped` of
//! Podman: it never ends a command.

use std::future::Future;

use bollard::errors::Error as BollardError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// An answer without what its model cannot hold.
pub(super) struct Understood<T> {
    pub(super) answer: T,
    /// The state of a container, where it is no word of the model.
    pub(super) state: Option<String>,
}

/// The answer to a call, read once more without what its model cannot hold.
pub(super) async fn leniently<T: DeserializeOwned>(
    call: impl Future<Output = Result<T, BollardError>>,
) -> Result<Understood<T>, BollardError> {
    match call.await {
        Err(BollardError::JsonDataError { message, contents, column }) => {
            read(&contents).ok_or(BollardError::JsonDataError { message, contents, column })
        }
        other => other.map(|answer| Understood { answer, state: None }),
    }
}

/// The same of an answer that is there as it was written.
pub(super) fn understood<T: DeserializeOwned>(contents: String) -> Result<Understood<T>, BollardError> {
    match serde_json::from_str(&contents) {
        Ok(answer) => Ok(Understood { answer, state: None }),
        Err(error) => read(&contents).ok_or_else(|| BollardError::JsonDataError {
            message: error.to_string(),
            contents,
            column: error.column(),
        }),
    }
}

fn read<T: DeserializeOwned>(contents: &str) -> Option<Understood<T>> {
    let mut answer: Value = serde_json::from_str(contents).ok()?;
    let state = answer["State"]["Status"].as_str().map(str::to_owned);
    // Each round takes a value that is there, so it comes to an end.
    loop {
        match serde_path_to_error::deserialize(&answer) {
            Ok(read) => {
                let state = state.filter(|_| answer["State"]["Status"].is_null());
                return Some(Understood { answer: read, state });
            }
            // What is missing is missed in the place around it.
            Err(error) => {
                let place = place(&mut answer, error.path()).filter(|place| !place.is_null())?;
                place.take();
            }
        }
    }
}

/// The value at this place; none for the whole.
fn place<'a>(answer: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    let mut place = Some(answer);
    let mut any = false;
    for segment in path {
        any = true;
        place = match segment {
            Segment::Seq { index } => place?.get_mut(index),
            Segment::Map { key } => place?.get_mut(key),
            // The variant of an enum is no place of its own.
            Segment::Enum { .. } | Segment::Unknown => place,
        };
    }
    place.filter(|_| any)
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerInspectResponse, ContainerSummary};

    use super::*;

    #[test]
    fn unknown_words_are_put_aside() {
        let text = r#"{"Id": "a", "Name": "/b", "State": {"Status": "stopped", "StartedAt": "2024",
            "Health": {"Status": "dubious"}}, "HostConfig": {"Isolation": "perfect", "Privileged": true}}"#;
        assert!(serde_json::from_str::<ContainerInspectResponse>(text).is_err());
        let Understood::<ContainerInspectResponse> { answer, state } = read(text).unwrap();
        assert_eq!((answer.id.as_deref(), state.as_deref()), (Some("a"), Some("stopped")));
        assert_eq!(answer.state.unwrap().health.unwrap().status, None);
        assert_eq!(answer.host_config.unwrap().privileged, Some(true));
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        let text = r#"[{"Id": "a", "ImageID": "i", "State": "stopped"}, {"Id": "b", "ImageID": "i", "State": "odd"}]"#;
        let read: Vec<ContainerSummary> = read(text).unwrap().answer;
        assert_eq!(read.iter().filter_map(|found| found.id.as_deref()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_list_may_be_full_of_unknown_words() {
        let one = r#"{"Id": "a", "ImageID": "i", "State": "stopped"}"#;
        let text = format!("[{}]", [one; 100].join(","));
        assert_eq!(read::<Vec<ContainerSummary>>(&text).unwrap().answer.len(), 100);
    }

    #[test]
    fn what_is_no_answer_stays_none() {
        for text in ["", "[", r#"{"State": 1}"#, "[1]"] {
            assert!(read::<Vec<ContainerSummary>>(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_what_cannot_be_held_is_put_aside() {
        let text = r#"{"Id": "a", "State": {"Status": "stopped", "Pid": "none"},
            "Config": {"Cmd": ["stopped"], "Labels": {"stopped": "stopped"}}}"#;
        let read: ContainerInspectResponse = read(text).unwrap().answer;
        let config = read.config.unwrap();
        assert_eq!(config.cmd.unwrap(), ["stopped"]);
        assert_eq!(config.labels.unwrap()["stopped"], "stopped");
        assert_eq!(read.state.unwrap().pid, None);
    }
}
