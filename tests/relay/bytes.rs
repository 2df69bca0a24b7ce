//! What goes in comes out: every byte, once, in order.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::peers::{KIB, MIB, Peer};
use crate::relay::{Near, Pair, Setup};
use crate::setups::{at_once, either_way, every_engine};
use crate::sockets::{accept, connect, read_all};
use assemble_proxy::config::Engine;

/// What a pipe of the relay holds.
const PIPE: u64 = 256 * KIB;

either_way! {
    /// Streams both ways at once arrive unharmed.
    fn two_streams_at_once_arrive_unharmed(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        both_ways(&mut near, &mut far, 48 * MIB);
        relay.wait_for_closed(1);
        assert_eq!((relay.stats().bytes_up.get(), relay.stats().bytes_down.get()), (48 * MIB, 48 * MIB));
    }

    /// Messages around the sizes of pages, buffers and pipes are answered byte for byte.
    fn messages_of_awkward_sizes_are_exact(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        for size in [1, 4 * KIB, 16 * KIB, 64 * KIB, PIPE, 2 * PIPE] {
            for size in [size - 1, size, size + 1, size - 1] {
                std::thread::scope(|scope| {
                    scope.spawn(|| far.expect(size));
                    near.send(size);
                });
                std::thread::scope(|scope| {
                    scope.spawn(|| near.expect(size));
                    far.send(size);
                });
            }
        }
    }

    /// So are requests and answers of any other size.
    fn requests_and_answers_of_random_sizes_are_exact(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        // Those of a small size are as likely as those of a big one.
        let size = || (0..20_u32).prop_flat_map(|bits| 1..=1_u64 << bits);
        for _ in 0..60 {
            let (request, answer) = (size(), size()).new_tree(&mut runner).unwrap().current();
            std::thread::scope(|scope| {
                scope.spawn(|| far.expect(request));
                near.send(request);
            });
            std::thread::scope(|scope| {
                scope.spawn(|| near.expect(answer));
                far.send(answer);
            });
        }
    }

    /// A stream interrupted by single bytes changes between copying and splicing without a
    /// byte lost between the two.
    fn changes_of_pace_lose_nothing(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        for burst in 0..40 {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    far.expect(MIB / 2);
                    (0..burst).for_each(|_| far.expect(1));
                });
                near.send(MIB / 2);
                (0..burst).for_each(|_| near.send(1));
            });
        }
    }

    /// A writer is blocked by a reader that does not read: the relay holds next to nothing.
    fn a_silent_reader_blocks_the_writer(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        let sent = near.outgoing.send_until_blocked();
        let stats = relay.stats();
        let taken = if setup.near == Near::Client { &stats.bytes_up } else { &stats.bytes_down };
        let before = taken.get();
        assert!(before < sent, "the relay read on although nobody took what it had");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(taken.get(), before);
        near.finish();
        far.expect(sent);
        far.expect_end();
    }

    /// A stream that its reader keeps waiting does not keep what is said the other way waiting, nor what
    /// is said once it has gone through.
    fn messages_follow_a_stream_that_had_to_wait(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        for _ in 0..3 {
            let behind = near.outgoing.send_until_blocked() - far.incoming.received();
            far.send(KIB);
            near.expect(KIB);
            far.expect(behind);
            for _ in 0..10 {
                near.exchange(&mut far, 1);
            }
        }
        let behind = near.outgoing.send_until_blocked() - far.incoming.received();
        near.finish();
        far.expect(behind);
        far.expect_end();
        far.send(KIB);
        near.expect(KIB);
    }

    /// Urgent data is passed on in line, and nothing waits behind it.
    fn urgent_data_goes_in_line(setup: Setup) {
        let Pair { near, far, relay: _relay } = setup.open();
        let mut read = Vec::new();
        for _ in 0..50 {
            say(&near, b"abc");
            shout(&near);
            say(&near, b"def");
            read.resize(7, 0);
            std::io::Read::read_exact(&mut far.stream(), &mut read).unwrap();
            assert_eq!(read, b"abcXdef");
        }
    }

    /// Urgent data in the middle of a stream neither stops nor disorders it.
    fn urgent_data_does_not_stop_a_stream(setup: Setup) {
        const STRETCH: usize = 300_000;
        let Pair { near, far, relay: _relay } = setup.open();
        let all = std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_all(far.stream()));
            for _ in 0..10 {
                say(&near, &vec![b'.'; STRETCH]);
                shout(&near);
            }
            near.finish();
            reader.join().unwrap()
        });
        let stretch = [vec![b'.'; STRETCH], vec![b'X']].concat();
        assert!(all == (stretch.repeat(10), crate::sockets::End::Finished), "{} bytes", all.0.len());
    }

    /// Nor at the end of one that had to wait.
    fn urgent_data_does_not_stop_a_stream_that_had_to_wait(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        let sent = near.outgoing.send_until_blocked();
        let rest = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                far.expect(sent);
                read_all(far.stream())
            });
            shout(&near);
            say(&near, b"abc");
            near.finish();
            reader.join().unwrap()
        });
        assert_eq!(rest, (b"Xabc".to_vec(), crate::sockets::End::Finished));
    }

    /// An end of stream is seen behind urgent data.
    fn urgent_data_does_not_hide_the_end(setup: Setup) {
        let Pair { near, far, relay: _relay } = setup.open();
        say(&near, b"abc");
        shout(&near);
        near.finish();
        assert_eq!(read_all(far.stream()), (b"abcX".to_vec(), crate::sockets::End::Finished));
    }
}

every_engine! {
    /// Each engine moves bytes the way it is there for: all of these cases would pass as well
    /// if nothing were ever spliced.
    fn bytes_take_the_path_of_their_engine(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        (0..100).for_each(|_| near.exchange(&mut far, 100));
        let stats = relay.stats();
        assert_eq!(stats.to_splice.get(), 0, "messages are copied unless splicing is forced");
        both_ways(&mut near, &mut far, 16 * MIB);
        let switched = stats.to_splice.get() > 0;
        assert_eq!(switched, setup.config.engine == Engine::Auto, "only this engine changes its path");
        assert_eq!(stats.fallbacks.get(), 0);
    }

    /// A client that is reset with its bytes in the relay's hands leaves none of them to the
    /// next.
    fn no_byte_of_a_broken_connection_reaches_another(setup: Setup) {
        foreign_bytes(&setup, 60);
    }

    /// A client on ::1 reaches a target that has only IPv4.
    fn a_client_on_ipv6_reaches_an_ipv4_target(setup: Setup) {
        let route = setup.relay();
        let addr = route.relay.addr_v6().expect("this machine has ::1");
        let client = connect(addr);
        let server = accept(&route.target);
        let (mut near, mut far) = crate::peers::peers(client, server, 1);
        near.exchange(&mut far, 100 * KIB / 2);
    }
}

at_once! {
    either_way:

    /// A reader that stops for a while gets everything when it goes on.
    fn a_reader_that_stops_for_a_while_gets_everything(setup: Setup) {
        stalled(&setup, Duration::from_secs(2));
    }
}

/// Streams `size` bytes each way at once, and ends both.
pub(crate) fn both_ways(near: &mut Peer, far: &mut Peer, size: u64) {
    std::thread::scope(|scope| {
        for Peer { outgoing, incoming } in [&mut *near, &mut *far] {
            scope.spawn(move || {
                outgoing.send(size);
                outgoing.finish();
            });
            scope.spawn(move || {
                incoming.expect(size);
                incoming.expect_end();
            });
        }
    });
    assert_eq!(near.outgoing.sha256(), far.incoming.sha256());
    assert_eq!(far.outgoing.sha256(), near.incoming.sha256());
}

/// A reader that lets its window close for `pause`.
fn stalled(setup: &Setup, pause: Duration) {
    let Pair { near, far, relay: _relay } = setup.open();
    let (mut near, mut far) = (near.hashed(), far.hashed());
    let sent = near.outgoing.send_until_blocked();
    std::thread::sleep(pause);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            near.send(8 * MIB);
            near.finish();
        });
        far.expect(sent + 8 * MIB);
        far.expect_end();
    });
    assert_eq!(near.outgoing.sha256(), far.incoming.sha256());
}

/// Breaks connections in mid-transfer, each followed by one that must see its own bytes only.
fn foreign_bytes(setup: &Setup, rounds: u32) {
    let route = setup.relay();
    for _ in 0..rounds {
        let (mut broken, stuck) = route.open();
        while broken.outgoing.offer(MIB) > 0 {}
        broken.reset();
        let (mut near, mut far) = route.open();
        both_ways(&mut near, &mut far, MIB);
        drop(stuck);
    }
}

fn say(peer: &Peer, words: &[u8]) {
    std::io::Write::write_all(&mut peer.stream(), words).unwrap();
}

/// Sends a byte of urgent data (tcp(7), `MSG_OOB`).
fn shout(peer: &Peer) {
    assert_eq!(socket2::SockRef::from(peer.stream()).send_out_of_band(b"X").unwrap(), 1);
}

/// Ten gigabytes each way at once.
#[test]
#[ignore = "long: make soak"]
fn long_streams_arrive_unharmed() {
    for setup in Setup::every_engine() {
        let Pair { near, far, relay: _relay } = setup.open();
        both_ways(&mut near.hashed(), &mut far.hashed(), u64::from(crate::scaled(10 * 1024)) * MIB);
    }
}

/// Ten thousand broken connections leave no byte behind.
#[test]
#[ignore = "long: make soak"]
fn no_byte_of_ten_thousand_broken_connections_reaches_another() {
    for setup in Setup::either_way() {
        foreign_bytes(&setup, crate::scaled(10_000));
    }
}

at_once! {
    either_way:

    /// A reader may stop for ten minutes.
    #[ignore = "waits: make soak"]
    fn a_reader_that_stops_for_ten_minutes_gets_everything(setup: Setup) {
        stalled(&setup, Duration::from_secs(crate::scaled(600).into()));
    }
}
