//! What a relay tells about itself, from its counters and its way to the target. Pure.

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use assemble_contract::Target;
use assemble_contract::status::{LastError, PortStatus, Status};

use crate::service::{self, Service};
use crate::stats::Stats;

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
    Status {
        accept_pauses: stats.accept_pauses.get(),
        active: stats.active(),
        addrs: way.addrs.to_vec(),
        bytes_down: stats.bytes_down.get(),
        bytes_up: stats.bytes_up.get(),
        capacity: u64::try_from(capacity).ok(),
        dialer: way.dialer.map(|path| path.display().to_string()),
        failed: failed(&stats).collect(),
        fallback: way.fallback,
        kernel: None,
        last_error: last_error(&stats, now),
        opened: stats.accepted.get(),
        ports: match services {
            [_] => Vec::new(),
            _ => services.iter().filter(|service| service.is_known()).map(|it| port(it, now)).collect(),
        },
        probe: None,
        resolved: way.resolved,
        splice_fallbacks: stats.fallbacks.get(),
        target: way.target.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// One port of a range.
fn port(Service { port, stats, .. }: &Service, now: Instant) -> PortStatus {
    PortStatus {
        active: stats.active(),
        bytes_down: stats.bytes_down.get(),
        bytes_up: stats.bytes_up.get(),
        failed: failed(stats).filter(|(_, count)| *count > 0).collect(),
        last_error: last_error(stats, now),
        opened: stats.accepted.get(),
        port: *port,
        probe: None,
    }
}

fn failed(stats: &Stats) -> impl Iterator<Item = (String, u64)> {
    stats.failures().into_iter().map(|(reason, count)| (reason.word().to_owned(), count))
}

fn last_error(stats: &Stats, now: Instant) -> Option<LastError> {
    stats.last_failure().map(|failure| {
        let age = now.saturating_duration_since(failure.at).as_millis();
        LastError {
            age_ms: u64::try_from(age).unwrap_or(u64::MAX),
            reason: failure.outcome.word().to_owned(),
            text: failure.text,
        }
    })
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
    fn a_range_tells_of_all_together_and_of_each_that_had_a_connection() {
        let target = "gateway:9000".parse().unwrap();
        let way = Way { target: &target, addrs: &[], resolved: None, fallback: None, dialer: None };
        let services = [8000, 8001, 8002].map(|port| Service::new(port, port + 1000));
        let now = Instant::now();
        for (service, outcome) in services[..2].iter().zip([Outcome::Refused, Outcome::TimedOut]) {
            service.stats.accepted.add(2);
            service.stats.closed.add(1);
            service.stats.refused.increment();
            let at = now - Duration::from_secs(if outcome == Outcome::Refused { 1 } else { 2 });
            service.stats.failed(Failure { outcome, text: String::new(), at });
        }
        let status = describe(&way, &services, 9, now);
        assert_eq!((status.opened, status.active, status.failures()), (4, 2, 2));
        assert_eq!(status.last_error.unwrap().reason, "refused");
        let told = status.ports.iter().map(|port| (port.port, port.opened, port.failed["refused"]));
        assert_eq!(told.collect::<Vec<_>>(), [(8000, 2, 1), (8001, 2, 1)]);
        assert_eq!(status.ports[1].last_error.as_ref().unwrap().reason, "timed_out");
    }

    /// Each of as many as one relay serves has failed, for a reason with long words.
    #[test]
    fn the_longest_answer_is_read() {
        let target = "gateway:1".parse().unwrap();
        let way = Way { target: &target, addrs: &[], resolved: None, fallback: None, dialer: None };
        let services: Vec<Service> = (1..=4096).map(|port| Service::new(port, port)).collect();
        for Service { stats, .. } in &services {
            for counter in [&stats.accepted, &stats.bytes_up, &stats.bytes_down, &stats.unresolved] {
                counter.add(u64::MAX / 2);
            }
            let text = "x".repeat(1000);
            stats.failed(Failure { outcome: Outcome::NameService, text, at: Instant::now() });
        }
        let answer = answer::write(&describe(&way, &services, 9, Instant::now()));
        assert!(answer.len() < answer::LONGEST, "{}", answer.len());
        assert_eq!(answer::read(&answer).unwrap().ports.len(), 4096);
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
