//! Single values as docker's options write them, and as the engine's API has them.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::csv;

/// The policy of a backend whose start names none.
pub(super) const USUAL_POLICY: &str = "unless-stopped";

/// `NAME:ADDRESS` as the engine takes it: docker also writes `=`, and brackets around the address.
pub(super) fn host(text: &str) -> Option<String> {
    let (name, addr) = text.split_once('=').or_else(|| text.split_once(':'))?;
    let bare = addr.strip_prefix('[').and_then(|addr| addr.strip_suffix(']')).unwrap_or(addr);
    let is_address = bare == "host-gateway" || bare.parse::<IpAddr>().is_ok();
    (!name.is_empty() && !name.contains(':') && is_address).then(|| format!("{name}:{bare}"))
}

/// A decimal number in thousand millionths.
pub(super) fn cpus(text: &str) -> Option<u64> {
    const DIGITS: usize = 9;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if text == "." || !digits(whole) || !digits(fraction) || fraction.len() > DIGITS {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<DIGITS$}").parse().ok()?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(1_000_000_000)?.checked_add(nanos).filter(|nanos| i64::try_from(*nanos).is_ok())
}

pub(super) fn in_cpus(nanos: u64) -> String {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A size in the largest unit of which it is a whole number.
pub(super) fn in_units(size: u64) -> String {
    let units = ["", "k", "m", "g", "t"];
    let at = (1..units.len()).take_while(|at| size != 0 && size.is_multiple_of(1 << (10 * at))).last();
    let at = at.unwrap_or_default();
    format!("{}{}", size >> (10 * at), units[at])
}

/// As the kernel lists processors (cpuset(7), "List format").
pub(super) fn is_set(text: &str) -> bool {
    text.split(',').all(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
        number(first).zip(number(last)).is_some_and(|(first, last)| first <= last)
    })
}

pub(super) fn policy(text: &str) -> Option<Value> {
    let (name, most) = text.split_once(':').map_or((text, None), |(name, most)| (name, Some(most)));
    let most = match most {
        Some(most) if name == "on-failure" => most.parse::<u32>().ok()?,
        Some(_) => return None,
        None => 0,
    };
    let known = ["no", "always", USUAL_POLICY, "on-failure"].contains(&name);
    known.then(|| json!({"Name": name, "MaximumRetryCount": most}))
}

/// A request of devices: a number, or `KEY=VALUE` with commas between them.
pub(super) fn gpus(text: &str) -> Option<Value> {
    let count = |text: &str| if text == "all" { Some(-1) } else { text.parse::<i32>().ok() };
    let mut request = Map::new();
    for field in csv::fields(text)? {
        let (key, value) = match field.split_once('=') {
            None => ("Count", count(&field)?.into()),
            Some(("count", value)) => ("Count", count(value)?.into()),
            Some(("driver", value)) => ("Driver", value.into()),
            Some(("device", value)) => ("DeviceIDs", value.split(',').collect()),
            Some(("capabilities", value)) => {
                let all: Value = value.split(',').chain(["gpu"]).collect();
                ("Capabilities", json!([all]))
            }
            Some(("options", value)) => {
                let pairs = csv::fields(value)?;
                let pair =
                    |text: &String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.into()));
                ("Options", Value::Object(pairs.iter().map(pair).collect::<Option<_>>()?))
            }
            Some(_) => return None,
        };
        if request.insert(key.to_owned(), value).is_some() {
            return None;
        }
    }
    if !request.contains_key("Count") && !request.contains_key("DeviceIDs") {
        request.insert("Count".to_owned(), 1.into());
    }
    request.entry("Capabilities").or_insert_with(|| json!([["gpu"]]));
    Some(json!([request]))
}

pub(super) fn request_words(request: &Value) -> String {
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut fields = Vec::new();
    if let Some(driver) = request["Driver"].as_str() {
        fields.push(format!("driver={driver}"));
    }
    match request["Count"].as_i64() {
        Some(-1) => fields.push("all".to_owned()),
        Some(count) => fields.push(count.to_string()),
        None => {}
    }
    let devices = texts(&request["DeviceIDs"]);
    if !devices.is_empty() {
        fields.push(format!("device={}", devices.join(",")));
    }
    let mut capabilities = texts(&request["Capabilities"][0]);
    capabilities.retain(|capability| capability != "gpu");
    if !capabilities.is_empty() {
        fields.push(format!("capabilities={}", capabilities.join(",")));
    }
    if let Some(options) = request["Options"].as_object().filter(|options| !options.is_empty()) {
        let pair = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
        fields.push(format!("options={}", csv::line(options.iter().map(pair))));
    }
    csv::line(fields)
}
