//! How the values of settings are written, by docker's rules, and how the engine's API has them. A value is
//! kept as the API has it, in one form; null is what a container has where nobody has named anything.

use docker_plugin::cli::values::bytes;
use serde_json::{Value, json};

use super::choice_error::ChoiceError;
use super::values::{USUAL_POLICY, cpus, gpus, host, in_cpus, in_units, is_set, policy, request_words};

/// The entitlement that a daemon gives builds unless others are named.
pub const NETWORK_HOST: &str = "network.host";

/// The least that engines take for a limit on memory, in bytes.
const LEAST_MEMORY: u64 = 6 << 20;

/// What the labels of this program begin with.
const OWN_LABELS: &str = "io.github.docker-assemble.";

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// `NAME:ADDRESS`, a list.
    Hosts,
    /// Words, a list.
    Entitlements,
    /// Words as in a shell.
    Flags,
    /// Whatever.
    Text,
    /// A whole number.
    Number,
    /// Processors, in thousand millionths.
    Cpus,
    /// Numbers and ranges.
    Set,
    /// `NAME=VALUE`, a list. Null stands for a variable without a value.
    Variables,
    /// `KEY=VALUE`, a list.
    Labels,
    /// Requests of devices.
    Gpus,
    /// Bytes.
    Memory,
    /// Bytes, or -1.
    Swap,
    /// A name.
    Network,
    /// A policy.
    Restart,
}

impl Grammar {
    /// Whether an option may be repeated, each time with one more.
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::Hosts | Self::Entitlements | Self::Variables | Self::Labels | Self::Gpus)
    }

    /// Whether there may be secrets among the values: names alone are for people to see.
    pub(super) const fn is_secret(self) -> bool {
        matches!(self, Self::Variables | Self::Labels)
    }

    /// What there is where nobody has named anything.
    pub(super) const fn usual(self) -> &'static str {
        match self {
            Self::Entitlements => NETWORK_HOST,
            Self::Network => "bridge",
            Self::Restart => USUAL_POLICY,
            _ => "none",
        }
    }

    /// Reads what an option is given; nothing takes back what was named before.
    pub(super) fn read(self, text: &str) -> Result<Value, ChoiceError> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let value = match self {
            Self::Hosts => json!([host(text).ok_or(ChoiceError::Host)?]),
            Self::Entitlements => {
                let known = [NETWORK_HOST, "security.insecure", "device"].contains(&text);
                if !known && !text.starts_with("device=") {
                    return Err(ChoiceError::Entitlement);
                }
                json!([text])
            }
            Self::Flags => flags(text)?,
            Self::Text => text.into(),
            Self::Number => text.parse::<i64>().map_err(|_| ChoiceError::Number)?.into(),
            Self::Cpus => cpus(text).ok_or(ChoiceError::Cpus)?.into(),
            Self::Set if is_set(text) => text.into(),
            Self::Set => return Err(ChoiceError::Set),
            Self::Variables => {
                let (name, value) = text.split_once('=').map_or((text, None), |(name, it)| (name, Some(it)));
                if name.is_empty() {
                    return Err(ChoiceError::Variable);
                }
                json!({ name: value })
            }
            Self::Labels => {
                let (key, value) = text.split_once('=').unwrap_or((text, ""));
                let key = key.trim_start_matches([' ', '\t']);
                if key.is_empty() || key.contains([' ', '\t']) {
                    return Err(ChoiceError::Label);
                }
                if key.starts_with(OWN_LABELS) {
                    return Err(ChoiceError::OwnLabel);
                }
                json!({ key: value })
            }
            Self::Gpus => gpus(text).ok_or(ChoiceError::Gpus)?,
            Self::Memory => {
                let size = bytes(text).map_err(|_| ChoiceError::Memory)?;
                if size != 0 && size < LEAST_MEMORY {
                    return Err(ChoiceError::Memory);
                }
                size.into()
            }
            Self::Swap if text == "-1" => json!(-1),
            Self::Swap => bytes(text).map_err(|_| ChoiceError::Swap)?.into(),
            Self::Network if ["host", "none"].contains(&text) || text.starts_with("container:") => {
                return Err(ChoiceError::NoOwnNetwork);
            }
            Self::Network => text.into(),
            Self::Restart => policy(text).ok_or(ChoiceError::Policy)?,
        };
        // What one value of a list comes to is known when all are.
        Ok(if self.is_list() { value } else { self.canonical(value) })
    }

    /// The one form of a value that the engine tells.
    pub(super) fn canonical(self, told: Value) -> Value {
        match (self, told) {
            (Self::Hosts, Value::Array(mut hosts)) => {
                hosts.sort_by_key(Value::to_string);
                hosts.dedup();
                if hosts.is_empty() { Value::Null } else { hosts.into() }
            }
            (Self::Entitlements, Value::Array(mut words)) => {
                words.sort_by_key(Value::to_string);
                words.dedup();
                words.into()
            }
            (Self::Network, Value::String(name)) => {
                // Those of engines whose own default it is.
                let usual =
                    ["", "default", "bridge", "podman", "pasta", "slirp4netns"].contains(&name.as_str());
                if usual { Value::Null } else { name.into() }
            }
            (Self::Restart, Value::Object(policy)) => {
                let name = policy.get("Name").and_then(Value::as_str).filter(|name| !name.is_empty());
                let name = name.unwrap_or("no").to_owned();
                match policy.get("MaximumRetryCount").and_then(Value::as_i64) {
                    _ if name == USUAL_POLICY => Value::Null,
                    Some(most) if most > 0 => json!({"Name": name, "MaximumRetryCount": most}),
                    _ => json!({ "Name": name }),
                }
            }
            (Self::Gpus, Value::Array(requests)) => {
                let is_any =
                    |request: &Value| ["Count", "DeviceIDs"].iter().any(|key| !request[*key].is_null());
                let requests = requests.into_iter().map(|request| full(request, is_void));
                let requests: Vec<Value> = requests.filter(is_any).collect();
                if requests.is_empty() { Value::Null } else { requests.into() }
            }
            (_, value) if is_void(&value) => Value::Null,
            (_, value) => value,
        }
    }

    /// Two values of an option that was given twice: of a list both, else the last.
    pub(super) fn both(self, one: Value, other: Value) -> Value {
        match (one, other) {
            (Value::Array(mut all), Value::Array(more)) if self.is_list() => {
                all.extend(more);
                all.into()
            }
            (Value::Object(mut all), Value::Object(more)) if self.is_list() => {
                all.extend(more);
                all.into()
            }
            (_, other) => other,
        }
    }

    /// What an option would be given to have this value. Of what is secret the names.
    pub(super) fn words(self, value: &Value) -> Vec<String> {
        let texts = |list: &[Value]| list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        match (self, value) {
            (_, Value::Null) => Vec::new(),
            (Self::Flags, Value::Array(words)) => {
                let words = words.iter().filter_map(Value::as_str);
                shlex::try_join(words).ok().into_iter().collect()
            }
            (Self::Gpus, Value::Array(requests)) => requests.iter().map(request_words).collect(),
            (_, Value::Array(list)) => texts(list),
            (Self::Restart, Value::Object(policy)) => {
                let name = policy["Name"].as_str().unwrap_or_default();
                let most = policy.get("MaximumRetryCount").map(|most| format!(":{most}"));
                vec![format!("{name}{}", most.unwrap_or_default())]
            }
            (_, Value::Object(map)) => map.keys().cloned().collect(),
            (_, Value::String(text)) => vec![text.clone()],
            (Self::Memory | Self::Swap, value) => {
                vec![value.as_u64().map_or_else(|| value.to_string(), in_units)]
            }
            (Self::Cpus, value) => vec![in_cpus(value.as_u64().unwrap_or_default())],
            (_, value) => vec![value.to_string()],
        }
    }
}

/// Whether it says no more than nothing would.
fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) => false,
    }
}

fn full(value: Value, is_void: impl Fn(&Value) -> bool) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !is_void(value)).collect(),
        other => other,
    }
}

fn flags(text: &str) -> Result<Value, ChoiceError> {
    const OWN: [&str; 3] = ["addr", "config", "root"];
    let words = shlex::split(text).ok_or(ChoiceError::Words)?;
    let is_own = |word: &&String| {
        let name = word.strip_prefix('-').map(|word| word.trim_start_matches('-'));
        name.is_some_and(|name| OWN.contains(&name.split('=').next().unwrap_or_default()))
    };
    match words.iter().find(is_own) {
        Some(flag) => Err(ChoiceError::OwnFlag { flag: flag.clone() }),
        None => Ok(words.into()),
    }
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
