//! Nothing waits for a timer of TCP's: Nagle's algorithm, delayed acknowledgements, a hint of more.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::gettid;

use crate::peers::{KIB, peers};
use crate::process::Launch;
use crate::procfs::thread_is_idle;
use crate::relay::{Pair, Relay, Setup};
use crate::setups::either_way;
use crate::sockets::{PATIENCE, accept, eventually};

either_way! {
    /// Many single bytes followed by silence are all there: none waits for a next one.
    fn single_bytes_before_a_silence_all_arrive(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        near.exchange(&mut far, 1);
        let slow = slow_rounds(40, &relay, || {
            (0..200).for_each(|_| near.send(1));
            far.expect(200);
        });
        assert!(slow < 10, "{slow} of 40 rounds took 40 ms or more");
    }

    /// A question in two parts is not held back: its second part would be, until the first is
    /// acknowledged, and somebody who is about to answer takes 40 ms for that.
    fn questions_in_two_parts_are_answered_without_delay(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        let slow = slow_rounds(40, &relay, || {
            (0..2).for_each(|_| {
                near.send(10);
                far.expect(10);
            });
            far.send(10);
            near.expect(10);
        });
        assert!(slow < 20, "{slow} of 40 answers took 40 ms or more");
    }

    /// No exchange of single bytes waits for a timer of TCP's (40 or 200 ms).
    fn single_bytes_are_exchanged_without_delay(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        let slow = slow_rounds(3000, &relay, || near.exchange(&mut far, 1));
        assert!(slow < 50, "{slow} exchanges took 40 ms or more");
    }
}

/// A hundred thousand exchanges without a delay.
#[test]
#[ignore = "long: make soak"]
fn a_hundred_thousand_exchanges_wait_for_no_timer() {
    for setup in Setup::either_way() {
        let Pair { mut near, mut far, relay } = setup.open();
        let slow = slow_rounds(crate::scaled(100_000), &relay, || near.exchange(&mut far, 1));
        assert!(slow < 500, "{setup:?}: {slow} exchanges took 40 ms or more");
    }
}

/// Batches that fill whole groups of 16 pipe buffers leave at once: the kernel must not be given
/// a reason to wait for more, which would take it 200 ms.
///
/// How many buffers a batch fills depends on where in its pages the kernel puts what is written:
/// side by side, two writes share a buffer. So each batch is the first on its connection, with and
/// without something written elsewhere in between. Of these 16 and 48 apart, and 32 side by side,
/// fill whole groups.
#[test]
fn full_groups_of_pipe_buffers_leave_at_once() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let beside = TcpStream::connect(elsewhere.local_addr().unwrap()).unwrap();
    beside.set_nodelay(true).unwrap();
    for engine in ["splice", "auto"] {
        let relay = Launch::to(target.local_addr().unwrap()).args(["--engine", engine]).start();
        for apart in [true, false] {
            for (writes, size) in
                [(15, 1), (16, 1), (17, 1), (32, 1), (48, 1), (64, 1), (80, 1), (16, 4 * KIB)]
            {
                // A machine that is busy may be late now and then; the kernel's timer is late every time.
                let what = format!("{engine}, {writes} x {size}, apart {apart}: all there within 150 ms");
                eventually(&what, PATIENCE, || {
                    let (mut near, mut far) = peers(relay.connect(), accept(&target), 31);
                    relay.signal(Signal::SIGSTOP);
                    for _ in 0..writes {
                        near.send(size);
                        if apart {
                            (&beside).write_all(b"between").unwrap();
                        }
                    }
                    relay.signal(Signal::SIGCONT);
                    let started = Instant::now();
                    far.expect(writes * size);
                    started.elapsed() < Duration::from_millis(150)
                });
            }
        }
    }
}

/// How many of the rounds took at least 40 ms, the shortest of TCP's timers, with nobody at work meanwhile: those
/// that a busy machine keeps from a processor do not sleep. A delay that is built in shows in most.
fn slow_rounds(rounds: u32, relay: &Relay, mut round: impl FnMut()) -> usize {
    let (test, relay) = (gettid(), relay.tid());
    let (asleep, (going_on, ended)) = (AtomicU32::new(0), mpsc::channel::<()>());
    // One may have woken the other between two looks.
    let all_sleep = || [test, relay, test].into_iter().all(thread_is_idle);
    let count = || asleep.fetch_add(u32::from(all_sleep()), Ordering::Relaxed);
    let watch = move || {
        while ended.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            count();
        }
    };
    let took_long = |_: &u32| {
        asleep.store(0, Ordering::Relaxed);
        let started = Instant::now();
        round();
        started.elapsed() >= Duration::from_millis(40) && asleep.load(Ordering::Relaxed) >= 10
    };
    std::thread::scope(|scope| {
        // Dropped where a round fails, too.
        let _going_on = going_on;
        scope.spawn(watch);
        (0..rounds).filter(took_long).count()
    })
}
