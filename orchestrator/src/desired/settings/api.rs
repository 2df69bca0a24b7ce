//! The settings in the words of the engine's API.

use serde_json::{Map, Value, json};

use super::chosen::{Chosen, NANOS_OF_QUOTA, USUAL_PERIOD, take_entitlements, usual_swap};
use super::table::{Choice, Place};
use crate::labels;

/// The last argument of the daemon that is this program's own: those behind it are the user's.
pub(crate) const LAST_OWN_ARGUMENT: &str = "--oci-worker-labels=com.docker.assemble.commit=";

/// The argument that gives builds an entitlement.
const ENTITLEMENT: &str = "--allow-insecure-entitlement=";

impl Chosen {
    /// Adds them to the body of `POST /containers/create`.
    pub(crate) fn put(&self, body: &mut Value) {
        for (choice, value) in self.iter() {
            match choice.row().place {
                Place::Host(field) => body["HostConfig"][field] = value.clone(),
                Place::Env => put_variables(body, value),
                Place::Labels => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        body["Labels"][key] = value.clone();
                    }
                    body["Labels"][labels::LABELS] = names(value).into();
                }
                Place::Args => {
                    let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                    let before = if choice == Choice::Entitlements { ENTITLEMENT } else { "" };
                    let words = words.map(|word| format!("{before}{word}").into());
                    let mut all = taken(body, "Cmd");
                    all.extend(words);
                    body["Cmd"] = all.into();
                }
            }
        }
    }

    /// Those of a container, from the `Config` and the `HostConfig` of its inspection.
    pub(crate) fn seen(config: &Value, host: &Value) -> Self {
        let seen = |choice: Choice| {
            let value = match choice.row().place {
                Place::Host(field) => host[field].clone(),
                Place::Env => variables(config),
                Place::Labels => {
                    let all = &config["Labels"];
                    let named = named(all, labels::LABELS);
                    named
                        .into_iter()
                        .map(|key| (key.clone(), all[&key].clone()))
                        .collect::<Map<_, _>>()
                        .into()
                }
                Place::Args => arguments(config, choice),
            };
            (choice, choice.row().grammar.canonical(value))
        };
        let seen: Self = Choice::all().map(seen).filter(|(_, value)| !value.is_null()).collect();
        seen.without_usual_swap()
    }

    /// Those of `named` that a container with these has not come to have, when it was told to have `wanted`.
    pub(crate) fn ignored(&self, named: &Self, wanted: Self) -> Vec<&'static str> {
        let wanted = wanted.without_usual_swap();
        let differs =
            |choice: &Choice| self.get(*choice) != wanted.get(*choice) && !self.agrees(&wanted, *choice);
        named.iter().map(|(choice, _)| choice).filter(differs).map(|choice| choice.row().name).collect()
    }

    fn without_usual_swap(self) -> Self {
        let memory = self.get(Choice::Memory).and_then(Value::as_i64);
        let is_usual = memory.is_some_and(|memory| self.get(Choice::MemorySwap) == Some(&usual_swap(memory)));
        let swap = |choice: &Choice| *choice == Choice::MemorySwap && is_usual;
        let kept: Vec<_> = Choice::all().filter(|choice| !swap(choice)).collect();
        self.only(&kept)
    }

    /// The body of `POST /containers/{id}/update` for a container that is to have `wanted` then.
    pub(crate) fn update(&self, wanted: &Self, podman: bool) -> Value {
        let policy = |value: &Value| match value {
            Value::Null => json!({"Name": Choice::Restart.told(value)}),
            named => named.clone(),
        };
        let mut body = json!({});
        for (choice, value) in self.iter() {
            if let Place::Host(field) = choice.row().place {
                body[field] = if choice == Choice::Restart { policy(value) } else { value.clone() };
            }
        }
        if let (Some(memory), None) = (body["Memory"].as_i64(), body.get("MemorySwap")) {
            body["MemorySwap"] = usual_swap(memory);
        }
        if podman {
            // It takes a policy that is not in the body for none, and passes over this field.
            body["RestartPolicy"] = policy(wanted.get(Choice::Restart).unwrap_or(&Value::Null));
            if let Some(cpus) = body["NanoCpus"].take().as_u64() {
                body["CpuPeriod"] = USUAL_PERIOD.into();
                body["CpuQuota"] = (cpus / NANOS_OF_QUOTA).into();
            }
        }
        body
    }
}

/// A list of an object, to be put back.
fn taken(body: &mut Value, key: &str) -> Vec<Value> {
    match body[key].take() {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

fn put_variables(body: &mut Value, value: &Value) {
    let Some(variables) = value.as_object() else { return };
    let mut env = taken(body, "Env");
    env.retain(|line| line.as_str().is_none_or(|line| !variables.contains_key(name(line))));
    // Without a value the engine takes the one of the image away.
    let line = |(name, value): (&String, &Value)| match value.as_str() {
        Some(value) => format!("{name}={value}").into(),
        None => Value::from(name.as_str()),
    };
    env.extend(variables.iter().map(line));
    body["Env"] = env.into();
    body["Labels"][labels::ENV] = names(value).into();
}

fn variables(config: &Value) -> Value {
    let lines = || config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let value = |wanted: &str| lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix('='));
    let named = named(&config["Labels"], labels::ENV);
    named.into_iter().map(|name| (name.clone(), value(&name).into())).collect::<Map<_, _>>().into()
}

/// The user's own arguments of a daemon; the entitlements among them, or the others. A configuration that an
/// earlier version named behind its last argument is its own.
fn arguments(config: &Value, choice: Choice) -> Value {
    let all = config["Cmd"].as_array().cloned().unwrap_or_default();
    let is_last = |word: &Value| word.as_str().is_some_and(|word| word.starts_with(LAST_OWN_ARGUMENT));
    let Some(last) = all.iter().position(is_last) else { return Value::Null };
    if choice == Choice::Entitlements {
        let of = |words: &[Value]| take_entitlements(&mut words.to_vec());
        // What stands among this program's own is what a backend has where nobody named any.
        let (own, named) = (of(&all[..last]), of(&all[last..]));
        return if own.is_empty() || !named.is_empty() { named.into() } else { Value::Null };
    }
    let is_own = |word: &Value| word.as_str().is_some_and(|word| word.starts_with("--config="));
    let mut words = all[last + 1..].iter().filter(|word| !is_own(word)).cloned().collect();
    take_entitlements(&mut words);
    words.into()
}

fn name(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

/// What stands in a label for names: any letter may be in one.
fn names(value: &Value) -> String {
    let names: Vec<_> = value.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!(names).to_string()
}

fn named(all: &Value, label: &str) -> Vec<String> {
    let text = all[label].as_str().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}
