//! What a relay tells about itself, from its counters and its way to the target. Pure.

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use assemble_contract::Target;
use assemble_contract::status::{LastError, Status};

use crate::service::{self, Service};

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

/// The status for the counters as they are at `now`; `capacity` is how many connections there are
/// descriptors for.
#[must_use]
pub fn describe(way: &Way<'_>, services: &[Service], capacity: usize, now: Instant) -> Status {
    let stats = service::total(services);
    let last_error = stats.last_failure().map(|failure| {
        let age = now.saturating_duration_since(failure.at).as_millis();
        LastError {
            age_ms: u64::try_from(age).unwrap_or(u64::MAX),
            reason: failure.outcome.word().to_owned(),
            text: failure.text,
        }
    });
    Status {
        accept_pauses: stats.accept_pauses.get(),
        active: stats.active(),
        addrs: way.addrs.to_vec(),
        bytes_down: stats.bytes_down.get(),
        bytes_up: stats.bytes_up.get(),
        capacity: u64::try_from(capacity).ok(),
        dialer: way.dialer.map(|path| path.display().to_string()),
        failed: stats.failures().map(|(reason, count)| (reason.word().to_owned(), count)).into(),
        fallback: way.fallback,
        kernel: None,
        last_error,
        opened: stats.accepted.get(),
        ports: Vec::new(),
        probe: None,
        resolved: way.resolved,
        splice_fallbacks: stats.fallbacks.get(),
        target: way.target.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::slice;
    use std::time::Duration;

    use assemble_contract::{Outcome, answer};

    use super::*;
    use crate::stats::Failure;

    fn said(way: &Way<'_>, service: &Service, now: Instant) -> String {
        let answer = answer::write(&describe(way, slice::from_ref(service), 488, now));
        let status = answer::read(&answer).unwrap();
        assert_eq!(status.target(), Some(way.target.clone()));
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn a_relay_answers_in_these_words() {
        let (service, now) = (Service::new(5000, 5000), Instant::now());
        let stats = &service.stats;
        stats.accepted.add(5);
        stats.closed.add(3);
        stats.refused.add(2);
        stats.bytes_up.add(70);
        let text = "a \"quoted\"\nline".to_owned();
        stats.failed(Failure { outcome: Outcome::Refused, text, at: now });
        let target = "gateway:5000".parse().unwrap();
        let addrs = ["172.17.0.1:5000".to_owned()];
        let way = Way { target: &target, addrs: &addrs, resolved: None, fallback: None, dialer: None };
        let want = concat!(
            "ok\n",
            r#"{"accept_pauses":0,"active":2,"addrs":["172.17.0.1:5000"],"bytes_down":0,"bytes_up":70,"#,
            r#""capacity":488,"dialer":null,"failed":{"descriptors":0,"dialer":0,"idle":0,"loop":0,"#,
            r#""panic":0,"refused":2,"reset":0,"unreachable":0,"unresolved":0},"fallback":null,"#,
            r#""last_error":{"age_ms":1500,"reason":"refused","text":"a \"quoted\"\nline"},"opened":5,"#,
            r#""resolved":null,"splice_fallbacks":0,"target":"gateway:5000","version":"VERSION"}"#,
            "\n"
        );
        let later = now + Duration::from_millis(1500);
        assert_eq!(said(&way, &service, later), want.replace("VERSION", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn what_stands_between_a_relay_and_its_target_is_told() {
        let said = |way: &Way<'_>| said(way, &Service::new(5000, 5000), Instant::now());
        let target = "loopback:9".parse().unwrap();
        let way = Way { target: &target, addrs: &[], resolved: None, fallback: None, dialer: None };
        let asks = said(&Way { dialer: Some(Path::new("/run/d.sock")), ..way });
        assert!(
            asks.contains(r#""dialer":"/run/d.sock""#) && asks.contains(r#""last_error":null"#),
            "{asks}"
        );
        let target = "db.internal:5432".parse().unwrap();
        let fallback = Some([192, 0, 2, 7].into());
        let named = said(&Way { target: &target, resolved: Some(false), fallback, ..way });
        assert!(
            named.contains(r#""fallback":"192.0.2.7""#) && named.contains(r#""resolved":false"#),
            "{named}"
        );
    }
}
