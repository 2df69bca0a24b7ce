//! What an error of accept4(2) means for the listener. Pure.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// What to do after a failed accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It concerned that one connection: accept the next.
    Next,
    /// A resource of this process or host is exhausted: shed the connection at the head of the
    /// queue and rest, or the loop spins on it.
    Exhausted,
    /// Not foreseen: rest and try again. A listener never stops for good.
    Unknown,
}

/// How long a listener rests after exhaustion, unless a connection that was served ends sooner.
pub const BACKOFF: Duration = Duration::from_millis(100);

/// So many connections at most are shed before that rest: who is served has its turn, whoever comes
/// again at once.
pub const SHED: u64 = 64;

/// So many connections are accepted before those that were are dialled: each takes a second
/// descriptor, and a queue taken at one go would use up those of its own targets.
pub const BURST: usize = 4;

/// Tells what an accept error means.
///
/// Linux hands network errors of the new connection to accept(2), whose page wants them treated
/// like `EAGAIN`.
#[must_use]
pub fn classify(error: &io::Error) -> Verdict {
    let Some(errno) = Errno::from_io_error(error) else { return Verdict::Unknown };
    match errno {
        Errno::CONNABORTED
        | Errno::PROTO
        | Errno::NOPROTOOPT
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NONET
        | Errno::OPNOTSUPP
        | Errno::PERM
        | Errno::TIMEDOUT
        | Errno::AGAIN
        | Errno::INTR => Verdict::Next,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Verdict::Exhausted,
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_manual_page_has_its_meaning() {
        let table = [
            (Errno::CONNABORTED, Verdict::Next),
            (Errno::PROTO, Verdict::Next),
            (Errno::PERM, Verdict::Next),
            (Errno::HOSTUNREACH, Verdict::Next),
            (Errno::MFILE, Verdict::Exhausted),
            (Errno::NFILE, Verdict::Exhausted),
            (Errno::NOBUFS, Verdict::Exhausted),
            (Errno::NOMEM, Verdict::Exhausted),
            (Errno::INVAL, Verdict::Unknown),
            (Errno::BADF, Verdict::Unknown),
        ];
        for (errno, verdict) in table {
            assert_eq!(classify(&errno.into()), verdict, "{errno:?}");
        }
    }

    #[test]
    fn an_error_that_is_not_the_kernels_is_unknown() {
        assert_eq!(classify(&io::Error::other("made up")), Verdict::Unknown);
    }
}
