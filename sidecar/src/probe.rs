//! The target tried once, by a process beside the relay: a stranger in the namespace cannot make
//! the relay itself connect to anything that way.

use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use assemble_contract::status::{PortStatus, Probe, Speaks};
use assemble_contract::{AllowList, Mapping, Outcome, Port, Ports, Status};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::sys::Socket;
use crate::upstream::{Upstream, UpstreamError};

/// How many ports are tried at once.
const AT_ONCE: usize = 64;

/// Connects to the target of a relay that told this, and asks it for its front page where there is `speak`:
/// behind each port, or behind these; what came of it is told beside the rest. Each port of a range is tried,
/// as far as the time goes that a single one may take with both. Nothing is told where the relay named no
/// target. Needs a runtime.
pub async fn attempt(told: &mut Status, ports: Ports, timeout: Duration, speak: Option<Option<AllowList>>) {
    let Some(mapping) = told.target().and_then(|target| Mapping::new(ports, target).ok()) else { return };
    let upstream = Upstream::new(
        &Config {
            fallback: told.fallback,
            dialer: told.dialer.as_ref().map(Into::into),
            connect_timeout: timeout,
            // No gateway is an answer.
            wait_for_gateway: true,
            ..Config::new(mapping.clone())
        },
        None,
    );
    let upstream = upstream.map_err(|error| {
        let outcome = match error {
            UpstreamError::Routes { .. } => Outcome::NoGateway,
            UpstreamError::Names { .. } => Outcome::NameService,
            _ => Outcome::Loop,
        };
        (outcome, error.to_string())
    });
    let trial = Trial { upstream, timeout, speak };
    if ports.is_one() {
        told.probe = Some(trial.reach(ports.first(), mapping.outside().first()).await);
        return;
    }
    let mut all: Vec<_> =
        ports.iter().map(|port| PortStatus { port: port.get(), ..Default::default() }).collect();
    for known in told.ports.drain(..) {
        let place = known.port.checked_sub(ports.first().get());
        if let Some(port) = place.and_then(|place| all.get_mut(usize::from(place))) {
            *port = known;
        }
    }
    for (port, probe) in all.iter_mut().zip(trial.reach_all(&mapping).await) {
        port.probe = Some(probe);
    }
    told.ports = all;
}

/// A target that is tried.
struct Trial {
    /// Or why there is none, in a word and in more.
    upstream: Result<Upstream, (Outcome, String)>,
    timeout: Duration,
    speak: Option<Option<AllowList>>,
}

/// Ports that are still to be tried, and what came of the others.
struct Round {
    trial: Trial,
    pairs: Vec<(Port, Port)>,
    next: AtomicUsize,
    probes: Mutex<Vec<Option<Probe>>>,
}

impl Trial {
    fn speaks_to(&self, port: Port) -> bool {
        self.speak.as_ref().is_some_and(|some| some.as_ref().is_none_or(|some| some.allows(port.get())))
    }

    /// Tries the port `outside`, to which `port` leads.
    async fn reach(&self, port: Port, outside: Port) -> Probe {
        let began = Instant::now();
        let mut addrs = Vec::new();
        let connected = match &self.upstream {
            Ok(upstream) => {
                let connected = upstream.connect(outside.get()).await;
                if upstream.resolved() == Some(true) {
                    addrs = upstream.addrs_at(outside.get()).iter().map(ToString::to_string).collect();
                }
                connected.map_err(|error| (error.outcome(), error.to_string()))
            }
            Err(failure) => Err(failure.clone()),
        };
        let latency_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        match connected {
            Ok(target) => {
                let speaks = match self.speaks_to(port) {
                    true => Some(greet(&target, port, self.timeout).await),
                    false => None,
                };
                target.finish();
                Probe { result: Outcome::Accepted, addrs, latency_us, text: None, speaks }
            }
            Err((result, text)) => Probe { result, addrs, latency_us, text: Some(text), speaks: None },
        }
    }

    /// Tries them all, some at once.
    async fn reach_all(self, mapping: &Mapping) -> impl Iterator<Item = Probe> + use<> {
        let limit = self.timeout * 2;
        let pairs: Vec<_> = mapping.ports().iter().zip(mapping.outside().iter()).collect();
        let probes = Mutex::new(vec![None; pairs.len()]);
        let round = Arc::new(Round { trial: self, pairs, next: AtomicUsize::new(0), probes });
        let mut trying = JoinSet::new();
        for _ in 0..AT_ONCE {
            trying.spawn(Arc::clone(&round).go_on());
        }
        let _ = tokio::time::timeout(limit, async { while trying.join_next().await.is_some() {} }).await;
        let probes = mem::take(&mut *round.probes.lock().unwrap_or_else(PoisonError::into_inner));
        probes.into_iter().map(move |probe| {
            probe.unwrap_or_else(|| Probe {
                result: Outcome::NotTried,
                text: Some(format!("not tried within {} s", limit.as_secs_f32())),
                ..Probe::default()
            })
        })
    }
}

impl Round {
    /// Tries one after the other that nobody else does.
    async fn go_on(self: Arc<Self>) {
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((port, outside)) = self.pairs.get(place) else { return };
            let probe = self.trial.reach(*port, *outside).await;
            let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
            // None where the time is over.
            if let Some(slot) = probes.get_mut(place) {
                *slot = Some(probe);
            }
        }
    }
}

/// As much of an answer as tells its kind.
const ANSWER_BYTES: usize = 8 * 1024;

async fn greet(target: &Socket, port: Port, timeout: Duration) -> Speaks {
    let request = format!(
        "GET /v2/ HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: assemble-proxy/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut answer = Vec::new();
    let exchange = async {
        let mut rest = request.as_bytes();
        while !rest.is_empty() {
            let Ok(sent) = poll_fn(|cx| target.poll_send(cx, rest)).await else { break };
            rest = &rest[sent..];
        }
        let mut piece = [0; 2048];
        while answer.len() < ANSWER_BYTES {
            match poll_fn(|cx| target.poll_recv(cx, &mut piece)).await {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&piece[..n]),
            }
            // A server need not close after its answer.
            if is_whole(&answer) {
                break;
            }
        }
    };
    let in_time = tokio::time::timeout(timeout, exchange).await.is_ok();
    classify(&answer, in_time)
}

/// Whether more would not change what [`classify`] says.
fn is_whole(answer: &[u8]) -> bool {
    !answer.starts_with(b"HTTP/") || (status(answer) != Some(400) && head_end(answer).is_some())
}

fn head_end(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|end| end == b"\r\n\r\n")
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let code = line.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// What an answer to a plain request shows. Pure; `ended` when nothing more would have come.
#[must_use]
pub fn classify(answer: &[u8], ended: bool) -> Speaks {
    /// The first byte of a TLS alert (RFC 8446, B.1).
    const ALERT: u8 = 21;
    match answer {
        [] if ended => Speaks::Closed,
        [] => Speaks::Silent,
        [ALERT, 3, ..] => Speaks::Tls,
        _ if answer.starts_with(b"HTTP/") => {
            let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
            let Some(status) = status(answer) else { return Speaks::Other };
            // Go's net/http, nginx, Apache and HAProxy, in this order of their words.
            let refusals =
                ["http request to an https server", "http request was sent to https", "speaking plain http"];
            if status == 400 && refusals.iter().any(|words| text.contains(words)) {
                return Speaks::Tls;
            }
            let head = &text[..text.find("\r\n\r\n").unwrap_or(text.len())];
            Speaks::Http { status, registry: head.contains("\r\ndocker-distribution-api-version:") }
        }
        _ => Speaks::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_of_a_server_tell_what_it_speaks() {
        let table: [(&[u8], bool, Speaks); 12] = [
            (b"", true, Speaks::Closed),
            (b"", false, Speaks::Silent),
            (b"\x15\x03\x01\x00\x02\x02\x46", true, Speaks::Tls),
            (b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", true, Speaks::Tls),
            (
                b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<h1>400</h1>The plain HTTP request was sent to HTTPS port",
                true,
                Speaks::Tls,
            ),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", true, Speaks::Http { status: 400, registry: false }),
            (
                b"HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n{}",
                true,
                Speaks::Http { status: 200, registry: true },
            ),
            (
                b"HTTP/1.1 401 Unauthorized\r\ndocker-distribution-api-version: registry/2.0\r\n\r\n",
                false,
                Speaks::Http { status: 401, registry: true },
            ),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", true, Speaks::Http { status: 404, registry: false }),
            (b"SSH-2.0-OpenSSH_9.2\r\n", false, Speaks::Other),
            (b"HTTP/", true, Speaks::Other),
            (b"HTTP/1.1 many\r\n", true, Speaks::Other),
        ];
        for (answer, ended, want) in table {
            assert_eq!(classify(answer, ended), want, "{}", answer.escape_ascii());
        }
    }

    #[test]
    fn a_refusal_is_read_to_its_words() {
        assert!(!is_whole(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nServer: x"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\n"));
        assert!(is_whole(b"\x15\x03"));
    }
}
