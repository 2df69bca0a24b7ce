//! The target tried once, by a process beside the relay: a stranger in the namespace cannot make
//! the relay itself connect to anything that way.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::Config;
use crate::status::Told;
use crate::sys::Socket;
use crate::upstream::{Reason, Upstream, UpstreamError};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `accepted`, or the reason in one word.
    pub result: &'static str,
    /// The addresses that the target's name, if it has one, was found to have.
    pub addrs: Vec<SocketAddr>,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, in the words of whoever refused.
    pub text: Option<String>,
    /// What the target speaks, where that was asked.
    pub speaks: Option<Speaks>,
}

/// What a target makes of a request in plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP, with this status; `registry` when it says that it is one.
    Http {
        /// The status of its answer.
        status: u16,
        /// Whether it says of itself that it is a registry.
        registry: bool,
    },
    /// TLS: it refuses the request for being plain.
    Tls,
    /// Something else.
    Other,
    /// It ended the connection without a word.
    Closed,
    /// It said nothing in time.
    Silent,
}

impl Attempt {
    /// As JSON; times in microseconds.
    #[must_use]
    pub fn object(&self) -> Value {
        json!({
            "result": self.result,
            "addrs": self.addrs,
            "latency_us": u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            "text": self.text,
            "speaks": self.speaks.map(|speaks| match speaks {
                Speaks::Http { status, registry } => json!({"protocol": "http", "status": status, "registry": registry}),
                Speaks::Tls => json!({"protocol": "tls"}),
                Speaks::Other => json!({"protocol": "other"}),
                Speaks::Closed => json!({"protocol": "closed"}),
                Speaks::Silent => json!({"protocol": "silent"}),
            }),
        })
    }
}

/// Connects to the target of a relay, and asks it for its front page when `speak`. Needs a runtime.
pub async fn attempt(told: &Told, port: u16, timeout: Duration, speak: bool) -> Attempt {
    let config = Config {
        fallback: told.fallback,
        dialer: told.dialer.clone(),
        connect_timeout: timeout,
        // No gateway is an answer.
        wait_for_gateway: true,
        ..Config::new(port, told.target.clone())
    };
    let began = Instant::now();
    let mut addrs = Vec::new();
    let connected = match Upstream::new(&config, None) {
        Ok(upstream) => {
            let connected = upstream.connect().await;
            if upstream.resolved() == Some(true) {
                addrs.extend_from_slice(&upstream.addrs());
            }
            connected.map_err(|error| (error.reason().word(), error.to_string()))
        }
        Err(error @ UpstreamError::Routes { .. }) => Err((Reason::NoGateway.word(), error.to_string())),
        Err(error @ UpstreamError::Names { .. }) => Err((Reason::NameService.word(), error.to_string())),
        Err(error) => Err((Reason::Loop.word(), error.to_string())),
    };
    let took = began.elapsed();
    match connected {
        Ok(target) => {
            let speaks = if speak { Some(greet(&target, port, timeout).await) } else { None };
            target.finish();
            Attempt { result: "accepted", addrs, took, text: None, speaks }
        }
        Err((result, text)) => Attempt { result, addrs, took, text: Some(text), speaks: None },
    }
}

/// As much of an answer as tells its kind.
const ANSWER_BYTES: usize = 8 * 1024;

async fn greet(target: &Socket, port: u16, timeout: Duration) -> Speaks {
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
