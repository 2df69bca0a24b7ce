//! Pipes of other sizes than the relay asks for, down to some that are not worth using.

use assemble_proxy::config::Engine;
use assemble_proxy::sys::Pipe;
use nix::libc::EPERM;

use crate::bytes::both_ways;
use crate::denial::Denial;
use crate::peers::{KIB, MIB};
use crate::relay::{Near, Pair, Setup};
use crate::{bytes, half_close, resets};

/// A user who has little left of his quota gets pipes that cannot grow (pipe(7)).
const STUNTED: Denial = Denial::bigger_pipes(EPERM);

/// What such a pipe holds: 16 pages.
fn stunted_capacity() -> usize {
    let making = std::thread::spawn(|| {
        STUNTED.impose();
        Pipe::new(usize::try_from(MIB).unwrap()).unwrap().capacity()
    });
    making.join().unwrap()
}

/// Streams through the smallest pipes that are worth it, both ways at once.
fn streams_through_small_pipes(size: u64) {
    assert_eq!(stunted_capacity() as u64, 64 * KIB, "pages of this machine are not of 4 KiB");
    for engine in [Engine::Auto, Engine::Splice] {
        let Pair { near, far, relay } = Setup::new(engine, Near::Client).denying(STUNTED).open();
        both_ways(&mut near.hashed(), &mut far.hashed(), size);
        relay.wait_for_closed(1);
        assert_eq!(relay.stats().fallbacks.get(), 0, "they are not so small as to be left");
    }
}

#[test]
fn small_pipes_carry_streams() {
    streams_through_small_pipes(8 * MIB);
}

#[test]
#[ignore = "long: make soak"]
fn small_pipes_carry_long_streams() {
    streams_through_small_pipes(u64::from(crate::scaled(10 * 1024)) * MIB);
}

/// What else holds for pipes of the usual size holds for small ones.
#[test]
fn small_pipes_change_nothing() {
    let cases: [fn(Setup); 6] = [
        bytes::messages_of_awkward_sizes_are_exact::case,
        bytes::changes_of_pace_lose_nothing::case,
        bytes::urgent_data_does_not_stop_a_stream::case,
        bytes::no_byte_of_a_broken_connection_reaches_another::case,
        half_close::the_tail_of_a_stream_comes_before_its_end::case,
        resets::bytes_received_before_a_reset_are_delivered::case,
    ];
    for (engine, near) in [(Engine::Auto, Near::Server), (Engine::Splice, Near::Client)] {
        for case in cases {
            case(Setup::new(engine, near).denying(STUNTED));
        }
    }
}

/// Sizes that the relay does not ask for and no policy makes: they are put into its own call.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod of_any_size {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ffi::OsString;
    use std::fs::{File, read_dir, read_link};
    use std::net::TcpListener;

    use nix::libc::{F_SETPIPE_SZ, SYS_fcntl};
    use rustix::pipe::fcntl_getpipe_size;

    use super::*;
    use crate::peers::peers;
    use crate::process::{Launch, Process};
    use crate::sockets::{PATIENCE, accept, eventually};
    use crate::tracer::{Verdict, trace};

    /// The pipes that a process has both ends of, by name, and what each holds.
    fn own_pipes(process: &Process) -> BTreeMap<OsString, usize> {
        let mut seen = BTreeSet::new();
        let mut own = BTreeMap::new();
        for entry in read_dir(format!("/proc/{}/fd", process.pid())).unwrap().flatten() {
            let Ok(name) = read_link(entry.path()) else { continue };
            let name = name.into_os_string();
            if name.to_string_lossy().starts_with("pipe:") && !seen.insert(name.clone()) {
                own.insert(name, fcntl_getpipe_size(File::open(entry.path()).unwrap()).unwrap());
            }
        }
        own
    }

    /// Streams of `size` bytes through a relay that gets pipes of this capacity, whatever it asks
    /// for; says what those hold that it keeps.
    fn streams_through(capacity: u64, size: u64) -> (Process, Vec<u64>) {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Launch::to(target.local_addr().unwrap()).args(["--engine", "splice"]).with_metrics();
        let relay = relay.start();
        let (pid, before) = (relay.pid(), own_pipes(&relay));
        // Not in a scope: it ends with the relay, and a panic below ends the relay.
        std::thread::spawn(move || {
            trace(pid, |call| {
                if call.is(SYS_fcntl) && *call.argument(1) == u64::from(F_SETPIPE_SZ.cast_unsigned()) {
                    *call.argument(2) = capacity;
                }
                Verdict::Made
            })
        });
        let traced_by_now = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            !status.contains("TracerPid:\t0\n")
        };
        eventually("the relay's calls are seen", PATIENCE, traced_by_now);
        let (near, far) = peers(relay.connect(), accept(&target), 3);
        both_ways(&mut near.hashed(), &mut far.hashed(), size);
        eventually("it is over", PATIENCE, || relay.metric("connections_active") == 0);
        let new = own_pipes(&relay).into_iter().filter(|(name, _)| !before.contains_key(name));
        let sizes = new.map(|(_, size)| size as u64).collect();
        (relay, sizes)
    }

    /// Less than a wide pipe and more than another: those are left, these are used and kept.
    fn through_big_pipes(size: u64) {
        let (relay, sizes) = streams_through(MIB / 2, size);
        assert!(!sizes.is_empty() && sizes.iter().all(|size| *size == MIB / 2), "{sizes:?}");
        assert_eq!(relay.metric("splice_fallbacks_total"), 0);
    }

    /// Pipes as small as the kernel gives beyond the quota are not used, and not kept.
    fn beside_tiny_pipes(size: u64) {
        let (relay, sizes) = streams_through(8 * KIB, size);
        assert_eq!(sizes, [0_u64; 0]);
        assert!(relay.metric("splice_fallbacks_total") > 0);
    }

    #[test]
    fn big_pipes_carry_streams() {
        through_big_pipes(8 * MIB);
    }

    #[test]
    #[ignore = "long: make soak"]
    fn big_pipes_carry_long_streams() {
        through_big_pipes(u64::from(crate::scaled(10 * 1024)) * MIB);
    }

    #[test]
    fn tiny_pipes_are_left_alone() {
        beside_tiny_pipes(8 * MIB);
    }

    #[test]
    #[ignore = "long: make soak"]
    fn tiny_pipes_are_left_alone_by_long_streams() {
        beside_tiny_pipes(u64::from(crate::scaled(10 * 1024)) * MIB);
    }
}
