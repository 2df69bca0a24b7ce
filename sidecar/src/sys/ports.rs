//! The ports that outgoing connections get.

use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long what was read is believed.
const FRESH: Duration = Duration::from_secs(1);

/// `net.ipv4.ip_local_port_range` of the network namespace this was opened in, for IPv6 as well
/// (ip-sysctl). It stays open, so that it can be read again where no file can be opened any more.
#[derive(Debug)]
pub struct LocalPorts {
    table: Option<File>,
    known: Mutex<Option<(Instant, Option<RangeInclusive<u16>>)>>,
}

impl LocalPorts {
    /// Opens it. Where that fails any port may be given.
    #[must_use]
    pub fn open() -> Self {
        Self { table: File::open("/proc/sys/net/ipv4/ip_local_port_range").ok(), known: Mutex::default() }
    }

    /// Whether the kernel may give this port to a connection that names none itself, as it was
    /// within the last second.
    pub fn may_be(&self, port: u16) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let range = match &*known {
            Some((read, range)) if now.duration_since(*read) < FRESH => range,
            _ => &known.insert((now, self.read())).1,
        };
        range.as_ref().is_none_or(|range| range.contains(&port))
    }

    fn read(&self) -> Option<RangeInclusive<u16>> {
        let mut text = [0; 32];
        let n = self.table.as_ref()?.read_at(&mut text, 0).ok()?;
        parse(text.get(..n)?)
    }
}

/// Reads two numbers apart, the first port and the last.
fn parse(text: &[u8]) -> Option<RangeInclusive<u16>> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace().map(str::parse);
    match (words.next()?, words.next()?, words.next()) {
        (Ok(first), Ok(last), None) => Some(first..=last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_anything_else_is_none() {
        assert_eq!(parse(b"32768\t60999\n"), Some(32768..=60999));
        for text in ["", "1", "1 2 3", "1 65536", "a b"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_may_be_any_port() {
        let ports = LocalPorts { table: None, known: Mutex::default() };
        assert!(ports.may_be(1) && ports.may_be(u16::MAX));
    }
}
