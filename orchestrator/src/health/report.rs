//! What `assemble-proxy status` prints, and what it means that it printed something else.
//!
//! The relay's answer comes from a socket that a build may have taken first: all of it is a claim.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use super::plain;
use crate::forward::can_be_followed;

/// What came of asking a sidecar.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It told.
    Told(Box<Report>),
    /// Its program is from before it could tell.
    Old,
    /// Its image has another program.
    Foreign,
    /// Nothing came within this time.
    Silent(Duration),
    /// Its program, or the engine, says why not.
    Failed(String),
}

/// What a relay has done since it started, and what was found beside it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The program's version.
    pub version: String,
    /// Where it connects to, as `gateway:5000`.
    pub target: String,
    /// The addresses that this means now.
    pub addrs: Vec<String>,
    /// Whether the name service of the backend's network told them; none where there is no name.
    pub resolved: Option<bool>,
    /// For how many connections it has descriptors.
    pub capacity: Option<u64>,
    /// Connections open now.
    pub active: u64,
    /// Connections accepted.
    pub opened: u64,
    /// Connections that did not end well, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Bytes from builds to the target.
    pub bytes_up: u64,
    /// Bytes from the target to builds.
    pub bytes_down: u64,
    /// How often the kernel gave no pipe.
    pub splice_fallbacks: u64,
    /// The last connection for which the target was not reached.
    pub last_error: Option<LastError>,
    /// An attempt made just now.
    pub probe: Option<Attempt>,
    /// Limits of the kernel.
    pub kernel: Kernel,
}

/// A failure to reach the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LastError {
    /// In one word.
    pub reason: String,
    /// In the kernel's or the dialer's words.
    pub text: String,
    /// How long ago, in milliseconds.
    pub age_ms: u64,
}

/// An attempt to connect to the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// What came of it.
    pub result: Outcome,
    /// The addresses that the target's name, if it has one, was found to have.
    pub addrs: Vec<String>,
    /// How long that took, in microseconds.
    pub latency_us: u64,
    /// Why it failed.
    pub text: Option<String>,
    /// What the target speaks, where it was asked.
    pub speaks: Option<Speaks>,
}

/// What comes of connecting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The target accepts.
    Accepted,
    /// Its host says that nothing listens.
    Refused,
    /// The network says that there is no way.
    Unreachable,
    /// Nobody says anything.
    TimedOut,
    /// The backend's network has no gateway.
    NoGateway,
    /// The relay met itself.
    Loop,
    /// The name service of the backend's network knows no such name.
    NoSuchName,
    /// That name service does not tell.
    NameService,
    /// The dialer did not help.
    Dialer,
    /// A word that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Outcome {
    /// The word, as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::NoGateway => "no_gateway",
            Self::Loop => "loop",
            Self::NoSuchName => "no_such_name",
            Self::NameService => "name_service",
            Self::Dialer => "dialer",
            Self::Unknown => "unknown",
        }
    }
}

/// What a target makes of a request in plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "protocol")]
pub enum Speaks {
    /// HTTP.
    Http {
        /// The status of its answer.
        status: u16,
        /// Whether it says that it is a registry.
        registry: bool,
    },
    /// TLS.
    Tls,
    /// It closed without a word.
    Closed,
    /// It said nothing.
    Silent,
    /// Something else.
    #[serde(other)]
    Other,
}

/// Limits of the kernel, as the sidecar sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// Pages that the pipes of one user may take before they shrink; 0 for no limit.
    pub pipe_user_pages_soft: Option<u64>,
    /// Ports for outgoing connections.
    pub ports: Option<u64>,
    /// Sockets in `TIME_WAIT`, each on such a port.
    pub time_wait: Option<u64>,
}

/// The way a relay takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via<'a> {
    /// The gateway of the backend's network.
    Gateway,
    /// A dialer on the host's loopback.
    Loopback,
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(&'a str),
}

impl Report {
    /// The way it takes and the port there; `None` for words that are no target.
    #[must_use]
    pub fn way(&self) -> Option<(Via<'_>, u16)> {
        let (host, port) = self.target.rsplit_once(':')?;
        let via = match (host, host.trim_matches(['[', ']']).parse()) {
            ("gateway", _) => Via::Gateway,
            ("loopback", _) => Via::Loopback,
            (_, Ok(ip)) => Via::Address(ip),
            (name, Err(_)) if can_be_followed(name) => Via::Name(name),
            _ => return None,
        };
        Some((via, port.parse().ok()?))
    }

    /// The first address it connects to.
    #[must_use]
    pub fn addr(&self) -> Option<IpAddr> {
        self.addrs_now().next()
    }

    /// The addresses it connects to. An attempt has looked a name up just now; the relay did so for
    /// its last connection.
    pub fn addrs_now(&self) -> impl Iterator<Item = IpAddr> {
        let tried = self.probe.iter().flat_map(|probe| &probe.addrs);
        let known = if self.probe.as_ref().is_some_and(|probe| !probe.addrs.is_empty()) {
            &[]
        } else {
            self.addrs.as_slice()
        };
        // A scope (`%3`) is of no use outside its namespace.
        tried.chain(known).filter_map(|addr| addr.parse().ok()).map(|addr: SocketAddr| addr.ip())
    }

    /// The target in words: a name with the addresses that it has now.
    #[must_use]
    pub fn target_now(&self) -> String {
        let Some((Via::Name(_), _)) = self.way() else { return self.target.clone() };
        let addrs: Vec<String> = self.addrs_now().map(|ip| ip.to_string()).collect();
        let here = self.probe.as_ref().is_some_and(|probe| !probe.addrs.is_empty());
        let source = match self.resolved {
            Some(false) if !here => ", as the last start found it, unknown to the backend's network",
            _ => "",
        };
        match addrs.is_empty() {
            true => self.target.clone(),
            false => format!("{} ({}{source})", self.target, addrs.join(", ")),
        }
    }

    /// How many connections did not end well.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The same with texts that can be shown.
    fn cleaned(mut self) -> Self {
        for text in [&mut self.version, &mut self.target] {
            *text = plain(text);
        }
        if let Some(last) = &mut self.last_error {
            *last = LastError { reason: plain(&last.reason), text: words(&last.text), ..*last };
        }
        if let Some(Attempt { text: Some(text), .. }) = &mut self.probe {
            *text = words(text);
        }
        self
    }
}

/// The text of an error, without the number that Rust puts behind the kernel's words.
fn words(text: &str) -> String {
    let text = plain(text);
    match text.split_once(" (os error ").and_then(|(words, rest)| Some((words, rest.split_once(')')?))) {
        Some((words, (number, rest))) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{words}{rest}")
        }
        _ => text,
    }
}

/// What a command in a sidecar said, by its exit status and its output.
#[must_use]
pub fn read(status: i64, output: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(output);
    let told = || {
        let line = text.lines().find(|line| line.starts_with('{'))?;
        serde_json::from_str::<Report>(line).ok()
    };
    match status {
        0 => told().map_or_else(
            || Answer::Failed("its status cannot be understood".to_owned()),
            |report| Answer::Told(Box::new(report.cleaned())),
        ),
        // What clap says of a verb or an option that it does not know.
        2 if text.contains("unrecognized subcommand") || text.contains("unexpected argument") => Answer::Old,
        // As shells and engines have it: found but not executable, not found.
        126 | 127 => Answer::Foreign,
        _ if text.contains("is older than this program") => Answer::Old,
        _ => {
            let words = plain(&text);
            let words = words.strip_prefix("assemble-proxy: ").unwrap_or(&words);
            Answer::Failed(if words.is_empty() { format!("status {status}") } else { words.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"version":"0.1.0","target":"gateway:5000","addrs":["172.17.0.1:5000"],"dialer":null,
        "capacity":9976,"active":1,"opened":7,"failed":{"refused":2,"reset":1},"bytes_up":10,"bytes_down":20,
        "splice_fallbacks":3,"accept_pauses":0,"last_error":{"reason":"refused","text":"no\u001b[2J","age_ms":4},
        "probe":{"result":"accepted","latency_us":90,"text":null,"speaks":{"protocol":"http","status":200,"registry":true}},
        "kernel":{"pipe_user_pages_soft":16384,"ports":55001,"time_wait":null}}"#;

    fn told(json: &str) -> Report {
        match read(0, json.replace('\n', " ").as_bytes()) {
            Answer::Told(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_status_is_read() {
        let report = told(FULL);
        assert_eq!(report.way(), Some((Via::Gateway, 5000)));
        assert_eq!(report.addr(), Some([172, 17, 0, 1].into()));
        assert_eq!((report.active, report.opened, report.failures()), (1, 7, 3));
        assert_eq!(report.capacity, Some(9976));
        assert_eq!((report.bytes_up, report.bytes_down, report.splice_fallbacks), (10, 20, 3));
        let last = LastError { reason: "refused".to_owned(), text: "no[2J".to_owned(), age_ms: 4 };
        assert_eq!(report.last_error, Some(last));
        let probe = report.probe.unwrap();
        assert_eq!((probe.result, probe.latency_us), (Outcome::Accepted, 90));
        assert_eq!(probe.speaks, Some(Speaks::Http { status: 200, registry: true }));
        assert_eq!(
            report.kernel,
            Kernel { pipe_user_pages_soft: Some(16384), ports: Some(55001), time_wait: None }
        );
    }

    #[test]
    fn words_of_a_later_version_do_no_harm() {
        let report = told(
            r#"{"target":"x","news":1,"probe":{"result":"melted","speaks":{"protocol":"gopher","hole":7}}}"#,
        );
        let probe = report.probe.clone().unwrap();
        assert_eq!((probe.result, probe.speaks), (Outcome::Unknown, Some(Speaks::Other)));
        assert_eq!(report.way(), None);
    }

    #[test]
    fn ways_are_told_apart() {
        let report = |target: &str| Report { target: target.to_owned(), ..Report::default() };
        assert_eq!(report("loopback:6000").way(), Some((Via::Loopback, 6000)));
        assert_eq!(report("192.0.2.7:80").way(), Some((Via::Address([192, 0, 2, 7].into()), 80)));
        assert_eq!(
            report("[2001:db8::7]:80").way(),
            Some((Via::Address("2001:db8::7".parse().unwrap()), 80))
        );
        assert_eq!(report("db.internal:80").way(), Some((Via::Name("db.internal"), 80)));
        for bad in ["", "gateway", "gateway:", "db/internal:80", "gateway:99999"] {
            assert_eq!(report(bad).way(), None, "{bad}");
        }
    }

    #[test]
    fn a_name_is_told_with_the_addresses_of_now() {
        let report = |addrs: &[&str], resolved, probed: Option<&[&str]>| Report {
            target: "db:5432".to_owned(),
            addrs: addrs.iter().map(|addr| format!("{addr}:5432")).collect(),
            resolved,
            probe: probed.map(|addrs| Attempt {
                addrs: addrs.iter().map(|addr| format!("{addr}:5432")).collect(),
                ..Attempt::default()
            }),
            ..Report::default()
        };
        let known = report(&["192.0.2.7"], Some(true), None);
        assert_eq!(known.target_now(), "db:5432 (192.0.2.7)");
        let moved = report(&["192.0.2.7"], Some(true), Some(&["192.0.2.8", "192.0.2.9"]));
        assert_eq!(moved.target_now(), "db:5432 (192.0.2.8, 192.0.2.9)");
        assert_eq!(moved.addr(), Some([192, 0, 2, 8].into()));
        let fallback = report(&["192.0.2.7"], Some(false), Some(&[]));
        let words = "db:5432 (192.0.2.7, as the last start found it, unknown to the backend's network)";
        assert_eq!(fallback.target_now(), words);
        assert_eq!(report(&[], Some(false), Some(&[])).target_now(), "db:5432");
        let plain = Report { target: "gateway:5000".to_owned(), ..known };
        assert_eq!(plain.target_now(), "gateway:5000");
    }

    #[test]
    fn numbers_of_errors_are_nothing_for_people() {
        for (text, want) in [
            ("Connection refused (os error 111)", "Connection refused"),
            (
                "no dialer at \"/d\": Connection refused (os error 111), twice",
                "no dialer at \"/d\": Connection refused, twice",
            ),
            ("an (os error of no number)", "an (os error of no number)"),
            ("cut (os error 11", "cut (os error 11"),
            ("", ""),
        ] {
            assert_eq!(words(text), want);
        }
    }

    #[test]
    fn what_is_no_status_is_told_apart() {
        let failed = |text: &str| Answer::Failed(text.to_owned());
        let table = [
            (2, "error: unrecognized subcommand 'status'\n\nUsage: assemble-proxy", Answer::Old),
            (2, "error: unexpected argument '--speak' found", Answer::Old),
            (1, "assemble-proxy: the relay is older than this program and tells nothing", Answer::Old),
            (126, "OCI runtime exec failed: no such file or directory", Answer::Foreign),
            (127, "", Answer::Foreign),
            (
                1,
                "assemble-proxy: no relay of port 5000 answers here: timed out\n",
                failed("no relay of port 5000 answers here: timed out"),
            ),
            (137, "", failed("status 137")),
            (0, "", failed("its status cannot be understood")),
            (0, "{\"active\":-1}", failed("its status cannot be understood")),
            (0, "{", failed("its status cannot be understood")),
        ];
        for (status, output, want) in table {
            assert_eq!(read(status, output.as_bytes()), want, "{output}");
        }
    }
}
