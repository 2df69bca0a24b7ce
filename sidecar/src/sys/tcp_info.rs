//! `TCP_INFO` of tcp(7), for the facts that have no call of their own.
//!
//! The structure has grown with the kernel since it came, and libc's is as long as that of one kernel.
//! An answer is as long as what was asked for, or as what the kernel has if that is shorter; and nix
//! panics over one that is not as long as what it asked for. So no more is asked for than is looked
//! at and the kernel is known to have, however long its own structure is.

use std::mem::offset_of;
use std::os::fd::BorrowedFd;
use std::sync::LazyLock;

use nix::libc::tcp_info;
use nix::sys::socket::getsockopt;
// The macro forgets to say where its parts are.
use nix::{getsockopt_impl, libc, sockopt_impl};

// Where the fields are that are looked at.
const STATE: usize = offset_of!(tcp_info, tcpi_state);
const UNACKED: usize = offset_of!(tcp_info, tcpi_unacked);
const ACKED: usize = offset_of!(tcp_info, tcpi_bytes_acked);
const NOTSENT: usize = offset_of!(tcp_info, tcpi_notsent_bytes);
const WINDOW: usize = offset_of!(tcp_info, tcpi_snd_wnd);

/// As far as the last field of them that all kernels have since Linux 4.6.
const COMMON: usize = NOTSENT + size_of::<u32>();
/// And as far as the last one that is not in all of them.
const LONGER: usize = WINDOW + size_of::<u32>();
const LONGER_SINCE: (u32, u32) = (5, 4);

sockopt_impl!(
    /// The beginning of `struct tcp_info` of linux/tcp.h.
    Common,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u8; COMMON]
);
sockopt_impl!(
    /// More of it.
    Longer,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u8; LONGER]
);

/// Whether the peer has yet to acknowledge something we sent, or it has not even left.
///
/// False for a connection that is gone: nothing will be acknowledged any more.
pub(super) fn unacknowledged(fd: BorrowedFd<'_>) -> bool {
    getsockopt(&fd, Common).is_ok_and(|answer| outstanding(&answer))
}

/// A number that grows when the peer acknowledges bytes, and when its reader makes room for more. Of
/// the room kernels before 5.4 do not tell.
pub(super) fn progress(fd: BorrowedFd<'_>) -> u64 {
    static LONG: LazyLock<bool> =
        LazyLock::new(|| is_long(&rustix::system::uname().release().to_string_lossy()));
    match *LONG {
        true => getsockopt(&fd, Longer).map_or(0, |answer| taken(&answer)),
        false => getsockopt(&fd, Common).map_or(0, |answer| taken(&answer)),
    }
}

/// Whether a kernel of this name answers at length. One that cannot be told is taken for an old one.
fn is_long(release: &str) -> bool {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= LONGER_SINCE)
}

/// A field of an answer, if the answer is that long.
fn field<const N: usize>(answer: &[u8], at: usize) -> Option<[u8; N]> {
    answer.get(at..)?.first_chunk().copied()
}

fn outstanding(answer: &[u8]) -> bool {
    /// `TCP_CLOSE` of net/tcp_states.h.
    const TCP_CLOSE: u8 = 7;
    let some = |at| field(answer, at).is_some_and(|count| u32::from_ne_bytes(count) > 0);
    // A peer that does not read has acknowledged all that has left, and what has not waits.
    field(answer, STATE).is_some_and(|[state]| state != TCP_CLOSE) && (some(UNACKED) || some(NOTSENT))
}

/// The window is what is left of the room, so acknowledged bytes are counted once for themselves
/// and once more for the room that they have taken.
fn taken(answer: &[u8]) -> u64 {
    let acked = field(answer, ACKED).map_or(0, u64::from_ne_bytes);
    acked.wrapping_mul(2).wrapping_add(field(answer, WINDOW).map_or(0, u32::from_ne_bytes).into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    const ESTABLISHED: u8 = 1;
    const CLOSED: u8 = 7;

    /// An answer of so many bytes, with these fields as far as they fit and all others full.
    fn answer(len: usize, state: u8, unacked: u32, notsent: u32) -> Vec<u8> {
        let mut longest = [0xff; 1024];
        longest[STATE] = state;
        longest[UNACKED..][..4].copy_from_slice(&unacked.to_ne_bytes());
        longest[NOTSENT..][..4].copy_from_slice(&notsent.to_ne_bytes());
        longest[..len].to_vec()
    }

    /// Those of Linux 2.6, 4.14, 5.4, 6.12, 6.18 and of one to come.
    const LENGTHS: [usize; 6] = [104, 192, 232, 248, 280, 1000];

    #[test]
    fn an_answer_is_understood_however_long_it_is() {
        for len in LENGTHS {
            assert!(outstanding(&answer(len, ESTABLISHED, 1, 0)), "{len}");
            assert!(outstanding(&answer(len, ESTABLISHED, 1 << 24, 0)), "{len}");
            assert_eq!(outstanding(&answer(len, ESTABLISHED, 0, 1)), len >= NOTSENT + 4, "{len}");
            assert!(!outstanding(&answer(len, ESTABLISHED, 0, 0)), "{len}");
            assert!(!outstanding(&answer(len, CLOSED, 1, 1)), "{len}");
        }
    }

    /// Wherever it ends, in the midst of a field included: what is there counts.
    #[test]
    fn an_answer_that_ends_early_tells_what_it_has() {
        for len in 0..=LONGER {
            assert_eq!(outstanding(&answer(len, ESTABLISHED, 1, 1)), len >= UNACKED + 4, "{len}");
            assert_eq!(outstanding(&answer(len, ESTABLISHED, 0, 1)), len >= NOTSENT + 4, "{len}");
            assert!(!outstanding(&answer(len, CLOSED, 1, 1)), "{len}");
        }
    }

    #[test]
    fn bytes_and_room_count_as_far_as_they_are_told() {
        let mut longest = [0; 1024];
        longest[ACKED..][..8].copy_from_slice(&1000_u64.to_ne_bytes());
        longest[WINDOW..][..4].copy_from_slice(&7_u32.to_ne_bytes());
        for len in (0..=LONGER).chain(LENGTHS) {
            let acked = if len >= ACKED + 8 { 2000 } else { 0 };
            let room = if len >= WINDOW + 4 { 7 } else { 0 };
            assert_eq!(taken(&longest[..len]), acked + room, "{len}");
        }
    }

    /// More than a kernel has to give must not be asked of it.
    #[test]
    fn no_more_is_asked_for_than_there_is() {
        const LINUX_4_14: usize = 192;
        const LINUX_5_4: usize = 232;
        const { assert!(COMMON <= LINUX_4_14 && LONGER <= LINUX_5_4) };
        for (release, long) in [
            ("6.12.117+deb13-cloud-amd64", true),
            ("5.4.0-216-generic", true),
            ("10.0", true),
            ("5.3.18-150300.59.87-default", false),
            ("4.18.0-553.el8.x86_64", false),
            ("4.14.336", false),
            ("5", false),
            ("six.twelve", false),
            ("", false),
        ] {
            assert_eq!(is_long(release), long, "{release}");
        }
    }

    /// This kernel's own answer, whatever its length.
    #[test]
    fn what_a_peer_does_not_read_is_outstanding_until_it_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        assert!(!unacknowledged(near.as_fd()));
        near.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(n) = near.write(&[0; 64 * 1024]) {
            sent += n;
        }
        assert!(unacknowledged(near.as_fd()));
        let before = progress(near.as_fd());
        far.read_exact(&mut vec![0; sent]).unwrap();
        while unacknowledged(near.as_fd()) {
            std::thread::yield_now();
        }
        assert!(progress(near.as_fd()) > before);
        drop(far);
        while near.read(&mut [0]).is_err() {}
        assert!(!unacknowledged(near.as_fd()));
        assert!(!unacknowledged(listener.as_fd()));
    }
}
