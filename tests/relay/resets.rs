//! Broken connections: a reset is passed on as a reset, after what was received before it.

use std::time::{Duration, Instant};

use crate::peers::{KIB, MIB};
use crate::relay::{Pair, Setup};
use crate::setups::{at_once, either_way};
use crate::sockets::PATIENCE;
use crate::tcp_info::forget_after_close;

either_way! {
    /// A reset in the middle of a stream is passed on: the other peer must not take a part for
    /// the whole.
    fn a_reset_mid_stream_is_passed_on(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        near.send(4 * MIB / 1000);
        far.expect(4 * MIB / 1000);
        near.reset();
        far.expect_reset();
        relay.wait_for_closed(1);
        assert_eq!(relay.stats().reset.get(), 1);
    }

    /// What the relay had received before a reset is delivered before the reset.
    fn bytes_received_before_a_reset_are_delivered(setup: Setup) {
        let route = setup.relay();
        for size in [1, 1000, 30 * KIB, 200 * KIB] {
            let (mut near, mut far) = route.open();
            near.send(size);
            near.wait_until_received();
            near.reset();
            far.expect(size);
            far.expect_reset();
        }
    }

    /// So is what a peer that reads slowly had not taken yet.
    fn bytes_held_for_a_slow_reader_outlive_a_reset(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        // More than the reader's kernel takes, so that the relay holds some.
        near.outgoing.send_until_blocked();
        let begun = near.outgoing.sent();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| far.incoming.rest());
            near.wait_until_received();
            near.reset();
            assert_eq!(reader.join().unwrap(), crate::sockets::End::Reset);
        });
        assert_eq!(far.incoming.received(), begun);
    }

    /// What the relay has sent waits in its kernel for a reader that pauses: the reset comes
    /// behind it.
    fn bytes_beyond_the_readers_window_outlive_a_reset(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        // More than the window of a reader that has not begun, less than a socket may send.
        near.send(256 * KIB);
        near.wait_until_received();
        near.reset();
        std::thread::sleep(Duration::from_millis(200));
        far.expect(256 * KIB);
        far.expect_reset();
    }

    /// A reset that follows an end of stream shows in no read, and is passed on all the same.
    fn a_reset_after_the_end_of_stream_is_passed_on(setup: Setup) {
        let route = setup.relay();
        let round = |round| {
            let (mut near, mut far) = route.open();
            near.send(10);
            near.finish();
            far.expect(10);
            far.expect_end();
            let broken = Instant::now();
            near.reset();
            far.expect_broken_within(PATIENCE);
            let took = broken.elapsed();
            route.relay.wait_for_closed(round);
            took
        };
        // A machine that is busy may be late now and then; a wait that is built in is late always.
        let quickest = (1..=5).map(round).min().unwrap();
        assert!(quickest < Duration::from_secs(1), "{quickest:?}");
        assert_eq!(route.relay.stats().reset.get(), 5);
    }

    /// A peer that closes with unread bytes has not read the whole: the other one is reset.
    fn a_close_with_unread_bytes_is_a_reset(setup: Setup) {
        let Pair { near, mut far, relay: _relay } = setup.open();
        far.send(100);
        let unread = || near.stream().peek(&mut [0; 1]).unwrap() == 1;
        crate::sockets::eventually("bytes to leave unread", PATIENCE, unread);
        drop(near);
        far.expect_reset();
    }

    /// A peer that is written to after it has closed for good answers with a reset, which the
    /// writer gets to see.
    fn a_writer_learns_that_the_other_peer_has_closed(setup: Setup) {
        let Pair { near, mut far, relay: _relay } = setup.open();
        drop(near);
        far.expect_end();
        far.outgoing.send_until_broken();
    }
}

at_once! {
    either_way:

    /// A peer that does not read at all is reset within the second that delivery is given.
    fn a_reset_does_not_wait_for_a_peer_that_never_reads(setup: Setup) {
        let Pair { mut near, far, relay } = setup.open();
        near.outgoing.send_until_blocked();
        near.reset();
        far.expect_broken_within(Duration::from_secs(4));
        relay.wait_for_closed(1);
    }

    /// A peer that has closed for good is found out by keepalive even if the other ignores the
    /// end of its stream for ever.
    fn keepalive_finds_a_closed_peer(setup: Setup) {
        let Pair { near, mut far, relay } = quick_keepalive(setup).open();
        forget_after_close(near.stream(), 1);
        drop(near);
        far.expect_end();
        far.expect_broken_within(Duration::from_secs(15));
        relay.wait_for_closed(1);
    }

    /// A living peer that has ended its stream answers keepalive's probes and is left alone.
    fn keepalive_leaves_a_half_closed_peer_alone(setup: Setup) {
        // The kernel answers probes when its machine gets to it: one may be late by as much as four more
        // take, and the peer lives all the same.
        let patient = quick_keepalive(setup).configured(|config| config.keepalive.probes = 5);
        let Pair { mut near, mut far, relay: _relay } = patient.open();
        near.finish();
        far.expect_end();
        // Twice as long as it takes to find a dead one.
        std::thread::sleep(Duration::from_secs(12));
        far.send(MIB);
        far.finish();
        near.expect(MIB);
        near.expect_end();
    }
}

/// Finds a dead peer within about two seconds.
fn quick_keepalive(setup: Setup) -> Setup {
    setup.configured(|config| {
        config.keepalive.idle = Duration::from_secs(1);
        config.keepalive.interval = Duration::from_secs(1);
        config.keepalive.probes = 1;
    })
}
