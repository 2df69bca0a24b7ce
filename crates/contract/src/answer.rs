//! How a relay is asked how it does, and how it answers.
//!
//! It listens at a unix socket with an abstract name, which belongs to its network namespace (unix(7)).
//! Whoever connects is answered at once: `ok`, and behind that the [`Status`] in one line of JSON. Any
//! process of that namespace may have taken the name first, so an answer is no more than a claim.

use std::time::Duration;

use explained::Explained;

use crate::{Ports, Status};

/// What every answer begins with. It is all that a health probe reads.
pub const SERVES: &[u8] = b"ok\n";

/// The packet that asks a dialer at its socket whether it serves.
pub const DIALER_ASKED: [u8; 7] = *b"apd1\x02\0\0";

/// The packet by which it says that it does.
pub const DIALER_SERVES: [u8; 9] = *b"apd1\x04\0\0\0\0";

/// The longest answer that is read, in bytes: many times what a relay says, each of [`limits::PORTS`] ports
/// with a failure included.
///
/// [`limits::PORTS`]: crate::limits::PORTS
pub const LONGEST: usize = 8 * 1024 * 1024;

/// How long whoever asks a relay or a dialer waits: one that cannot answer in that time does not serve.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// What the names of all those sockets begin with; ports follow.
const PREFIX: &str = "assemble-proxy/";

/// The abstract name of the socket at which the relay of exactly these ports answers; the first byte of the
/// address, which is 0, not included.
#[must_use]
pub fn socket_name(ports: Ports) -> String {
    format!("{PREFIX}{ports}")
}

/// Whose socket a line of the kernel's table is about (`/proc/net/unix`, proc_pid_net(5)): the ports of
/// the relay that answers there. The kernel writes an abstract name with `@` before it.
#[must_use]
pub fn socket_in_table(line: &str) -> Option<Ports> {
    let (_, name) = line.rsplit_once(" @")?;
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// A whole answer.
#[must_use]
pub fn write(status: &Status) -> Vec<u8> {
    // Numbers, texts and maps with texts as keys: nothing that JSON has no form for.
    let status = serde_json::to_vec(status).unwrap_or_default();
    [SERVES, &status, b"\n"].concat()
}

/// Not what a relay answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum AnswerError {
    /// Another program holds the name that `status` asks.
    #[error("the answer is not a relay's")]
    #[advice = "see what runs in this network namespace"]
    Stranger,
    /// Two versions were mixed: the relay is from before there was a status.
    #[error("the relay is older than this program and tells nothing about itself")]
    #[advice = "restart the relay with this one"]
    Older,
    /// Two versions were mixed, or another program answers.
    #[error("the relay's status cannot be understood")]
    #[advice = "restart the relay with this one"]
    Status,
}

/// Reads a whole answer.
///
/// # Errors
/// It is not one.
pub fn read(answer: &[u8]) -> Result<Status, AnswerError> {
    match answer.strip_prefix(SERVES) {
        None => Err(AnswerError::Stranger),
        Some([]) => Err(AnswerError::Older),
        Some(status) => serde_json::from_slice(status).map_err(|_| AnswerError::Status),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernels_table_names_relays() {
        let line = |name: &str| format!("0000000000000000: 00000002 00000000 00010000 0001 01 49034 {name}");
        for (ports, name) in [("5000", "assemble-proxy/5000"), ("8000-8099", "assemble-proxy/8000-8099")] {
            let ports = ports.parse().unwrap();
            assert_eq!(socket_name(ports), name);
            assert_eq!(socket_in_table(&line(&format!("@{name}"))), Some(ports));
        }
        for other in
            ["@assemble-proxy/x", "@assemble-proxy/0", "/run/assemble-proxy/5000", "assemble-proxy/1"]
        {
            assert_eq!(socket_in_table(&line(other)), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let table: [(&[u8], AnswerError); 8] = [
            (b"", AnswerError::Stranger),
            (b"ok", AnswerError::Stranger),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", AnswerError::Stranger),
            (b"ok\n", AnswerError::Older),
            (b"ok\n\n", AnswerError::Status),
            (b"ok\n[[]]", AnswerError::Status),
            (b"ok\n{\"active\":-1}", AnswerError::Status),
            (b"ok\n{\"target\":\"gateway:5000\"", AnswerError::Status),
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
