//! What a relay tells about itself: one JSON object, sizes in bytes and times in milliseconds. Pure.
//!
//! It comes from a socket that any process of the network namespace could have bound first, so
//! whoever reads it takes it for a claim.

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::config::{Target, TargetSpec};
use crate::stats::Stats;

/// What every answer begins with. It is all that a health probe reads.
pub const SERVES: &[u8] = b"ok\n";

/// The longest answer that is read: many times what a relay says.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Where a relay connects to.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// As it was asked for.
    pub target: &'a Target,
    /// The addresses that this means now.
    pub addrs: &'a [String],
    /// Whether the name service told them; `None` where there is no name.
    pub resolved: Option<bool>,
    /// The address that serves while nobody here knows the name.
    pub fallback: Option<IpAddr>,
    /// The dialer that is asked, if any.
    pub dialer: Option<&'a Path>,
}

/// The object for the counters as they are at `now`; `capacity` is how many connections there are
/// descriptors for.
#[must_use]
pub fn describe(way: &Way<'_>, stats: &Stats, capacity: usize, now: Instant) -> Value {
    let last = stats.last_failure().map(|failure| {
        let age = now.saturating_duration_since(failure.at).as_millis();
        json!({
            "reason": failure.reason,
            "text": failure.text,
            "age_ms": u64::try_from(age).unwrap_or(u64::MAX),
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "target": way.target.to_string(),
        "addrs": way.addrs,
        "resolved": way.resolved,
        "fallback": way.fallback,
        "dialer": way.dialer.map(|path| path.display().to_string()),
        "capacity": capacity,
        "active": stats.active(),
        "opened": stats.accepted.get(),
        "failed": {
            "refused": stats.refused.get(),
            "unreachable": stats.unreachable.get(),
            "dialer": stats.dialer.get(),
            "unresolved": stats.unresolved.get(),
            "loop": stats.looped.get(),
            "descriptors": stats.descriptors.get(),
            "reset": stats.reset.get(),
            "idle": stats.idle.get(),
            "panic": stats.panicked.get(),
        },
        "bytes_up": stats.bytes_up.get(),
        "bytes_down": stats.bytes_down.get(),
        "splice_fallbacks": stats.fallbacks.get(),
        "accept_pauses": stats.accept_pauses.get(),
        "last_error": last,
    })
}

/// What an answer says, with what is needed to try the target oneself.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The object as it came.
    pub object: Map<String, Value>,
    /// Where the relay connects to.
    pub target: Target,
    /// The address that serves while nobody here knows the target's name.
    pub fallback: Option<IpAddr>,
    /// The dialer it asks, if any.
    pub dialer: Option<std::path::PathBuf>,
}

/// Not what a relay answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// It does not even say that it serves.
    #[error("the answer is not a relay's")]
    Stranger,
    /// It serves, and says no more: a relay from before there was a status.
    #[error("the relay is older than this program and tells nothing about itself")]
    Old,
    /// What follows is no status.
    #[error("the relay's status cannot be understood")]
    Status,
}

/// Reads a whole answer.
///
/// # Errors
/// It is not one.
pub fn read(answer: &[u8]) -> Result<Told, Nonsense> {
    let rest = answer.strip_prefix(SERVES).ok_or(Nonsense::Stranger)?;
    if rest.is_empty() {
        return Err(Nonsense::Old);
    }
    let object: Map<String, Value> = serde_json::from_slice(rest).map_err(|_| Nonsense::Status)?;
    let text = |name| object.get(name).and_then(Value::as_str);
    let spec: TargetSpec = text("target").and_then(|to| to.parse().ok()).ok_or(Nonsense::Status)?;
    // A relay writes the port out; 0 stands for one that was left out.
    let target = Some(spec.or_port(0)).filter(|target| target.port != 0).ok_or(Nonsense::Status)?;
    let dialer = text("dialer").map(Into::into);
    let fallback = text("fallback").and_then(|ip| ip.parse().ok());
    Ok(Told { target, fallback, dialer, object })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::TargetHost;
    use crate::stats::Failure;

    fn answer(value: &Value) -> Vec<u8> {
        [SERVES, value.to_string().as_bytes(), b"\n"].concat()
    }

    fn way(target: &Target) -> Way<'_> {
        Way { target, addrs: &[], resolved: None, fallback: None, dialer: None }
    }

    #[test]
    fn an_answer_is_read_as_it_was_meant() {
        let (stats, now) = (Stats::default(), Instant::now());
        stats.accepted.add(5);
        stats.closed.add(3);
        stats.refused.add(2);
        stats.bytes_up.add(70);
        let text = "a \"quoted\"\nline".to_owned();
        stats.failed(Failure { reason: "refused", text: text.clone(), at: now });
        let target = Target { host: TargetHost::Gateway, port: 5000 };
        let later = now + Duration::from_millis(1500);
        let said = describe(&way(&target), &stats, 488, later);
        let told = read(&answer(&said)).unwrap();
        assert_eq!((told.target, &told.dialer), (target, &None));
        let object = Value::Object(told.object);
        assert_eq!(object["last_error"], json!({"reason": "refused", "text": text, "age_ms": 1500}));
        assert_eq!((&object["active"], &object["opened"]), (&json!(2), &json!(5)));
        assert_eq!(object["capacity"], json!(488));
        assert_eq!((&object["failed"]["refused"], &object["bytes_up"]), (&json!(2), &json!(70)));
    }

    #[test]
    fn a_relay_that_asks_a_dialer_names_it() {
        let target = Target { host: TargetHost::Loopback, port: 9 };
        let way = Way { dialer: Some(Path::new("/run/d.sock")), ..way(&target) };
        let said = describe(&way, &Stats::default(), 1, Instant::now());
        let told = read(&answer(&said)).unwrap();
        assert_eq!((told.target, told.dialer), (target, Some("/run/d.sock".into())));
        assert_eq!(told.object["last_error"], Value::Null);
    }

    #[test]
    fn a_name_goes_with_what_serves_in_its_stead() {
        let target = Target { host: TargetHost::Name("db.internal".parse().unwrap()), port: 5432 };
        let fallback = Some([192, 0, 2, 7].into());
        let way = Way { resolved: Some(false), fallback, ..way(&target) };
        let told = read(&answer(&describe(&way, &Stats::default(), 1, Instant::now()))).unwrap();
        assert_eq!((told.target, told.fallback), (target, fallback));
        assert_eq!(told.object["resolved"], json!(false));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let table: [(&[u8], Nonsense); 10] = [
            (b"", Nonsense::Stranger),
            (b"ok", Nonsense::Stranger),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Nonsense::Stranger),
            (b"ok\n", Nonsense::Old),
            (b"ok\n\n", Nonsense::Status),
            (b"ok\n[]", Nonsense::Status),
            (b"ok\n{}", Nonsense::Status),
            (b"ok\n{\"target\":\"gateway\"}", Nonsense::Status),
            (b"ok\n{\"target\":\"db/internal:5\"}", Nonsense::Status),
            (b"ok\n{\"target\":\"gateway:5000\"", Nonsense::Status),
        ];
        for (bytes, want) in table {
            assert_eq!(read(bytes), Err(want), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        /// Garbage is refused, and never a panic; nesting included, which parsers die of.
        #[test]
        fn garbage_is_no_answer(tail in prop::collection::vec(any::<u8>(), 0..256), deep in 0..5000_usize) {
            let nested = [b"ok\n{\"target\":".as_slice(), &b"[".repeat(deep), &tail].concat();
            prop_assert!(read(&nested).is_err() || deep == 0);
            let _ = read(&tail);
            let _ = read(&[SERVES, &tail].concat());
        }
    }
}
