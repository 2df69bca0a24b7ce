//! Words of an engine that the client's models do not know, such as the state `stopped` of Podman:
//! they never end a command.

use std::future::Future;

use bollard::errors::Error as BollardError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How many unknown words of one answer are put aside.
const MOST: usize = 64;

/// What a container does whose state is none that is known. One that ended is the safest to take it
/// for: whoever wants it to run starts it.
const ENDED: &str = "exited";

/// The answer to a call, read once more without the words that its model does not know.
pub(super) async fn leniently<T: DeserializeOwned>(
    call: impl Future<Output = Result<T, BollardError>>,
) -> Result<T, BollardError> {
    match call.await {
        Err(BollardError::JsonDataError { message, contents, column }) => {
            read(&contents).ok_or(BollardError::JsonDataError { message, contents, column })
        }
        other => other,
    }
}

fn read<T: DeserializeOwned>(contents: &str) -> Option<T> {
    let mut answer: Value = serde_json::from_str(contents).ok()?;
    for _ in 0..MOST {
        match <T as Deserialize>::deserialize(&answer) {
            Ok(read) => return Some(read),
            Err(error) => put_aside(&mut answer, unknown(&error.to_string())?),
        }
    }
    None
}

/// The word in an error of serde's for an enum.
fn unknown(error: &str) -> Option<&str> {
    error.strip_prefix("unknown variant `")?.split_once('`').map(|(word, _)| word)
}

/// Takes a word out of an answer, wherever it stands; a state has another one in its place.
fn put_aside(answer: &mut Value, word: &str) {
    match answer {
        Value::Array(values) => values.iter_mut().for_each(|value| put_aside(value, word)),
        Value::Object(fields) => {
            // The health of a container has a status, too.
            let is_container = fields.contains_key("StartedAt") || fields.contains_key("ImageID");
            for (name, value) in fields {
                if value.as_str() == Some(word) {
                    let is_state = is_container && matches!(name.as_str(), "State" | "Status");
                    *value = if is_state { ENDED.into() } else { Value::Null };
                } else {
                    put_aside(value, word);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary};

    use super::*;

    #[test]
    fn unknown_words_are_put_aside() {
        let text = r#"{"Id": "a", "Name": "/b", "State": {"Status": "stopped", "StartedAt": "2024",
            "Health": {"Status": "dubious"}}, "HostConfig": {"Isolation": "perfect", "Privileged": true}}"#;
        assert!(serde_json::from_str::<ContainerInspectResponse>(text).is_err());
        let read: ContainerInspectResponse = read(text).unwrap();
        let state = read.state.unwrap();
        assert_eq!((read.id.as_deref(), state.status), (Some("a"), Some(ContainerStateStatusEnum::EXITED)));
        assert_eq!(state.health.unwrap().status, None);
        assert_eq!(read.host_config.unwrap().privileged, Some(true));
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        let text = r#"[{"Id": "a", "ImageID": "i", "State": "stopped"}, {"Id": "b", "ImageID": "i", "State": "odd"}]"#;
        let read: Vec<ContainerSummary> = read(text).unwrap();
        assert_eq!(read.iter().filter_map(|found| found.id.as_deref()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_answer_stays_none() {
        for text in ["", "[", r#"{"State": 1}"#, r#"[{"Id": 1}]"#] {
            assert!(read::<Vec<ContainerSummary>>(text).is_none(), "{text}");
        }
    }
}
