//! Ends of streams: each direction ends by itself.

use std::time::Duration;

use crate::peers::MIB;
use crate::relay::{Pair, Setup};
use crate::setups::{at_once, either_way};

/// Time for which nothing happens, in cases about patience.
const PAUSE: Duration = Duration::from_millis(300);

either_way! {
    /// A peer that has ended its stream still gets an answer that comes much later, whole, and
    /// then an end of stream rather than a reset.
    fn a_half_close_keeps_the_answer_flowing(setup: Setup) {
        answered_after(&setup, PAUSE);
    }

    /// After the end of one stream the other carries as much as it likes.
    fn after_a_half_close_the_other_direction_carries_a_stream(setup: Setup) {
        const SIZE: u64 = 16 * MIB;
        let Pair { mut near, mut far, relay } = setup.open();
        near.finish();
        far.expect_end();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                far.send(SIZE);
                far.finish();
            });
            near.expect(SIZE);
            near.expect_end();
        });
        relay.wait_for_closed(1);
        assert_eq!(relay.stats().reset.get(), 0);
    }

    /// Both ends may finish at the same moment: both read an end of stream.
    fn simultaneous_ends_reach_both_peers(setup: Setup) {
        let route = setup.relay();
        let round = |round| {
            let (mut near, mut far) = route.open();
            near.finish();
            far.finish();
            near.expect_end();
            far.expect_end();
            route.relay.wait_for_closed(round)
        };
        let slow = (1..=20).map(round).filter(|took| *took >= Duration::from_secs(1)).count();
        assert!(slow < 10, "the relay kept {slow} of 20 connections for a second or more");
        assert_eq!(route.relay.stats().reset.get(), 0);
    }

    /// The last bytes before an end of stream come before that end, however soon it follows.
    fn the_tail_of_a_stream_comes_before_its_end(setup: Setup) {
        tails(&setup, 30, MIB + 17);
    }

    /// A connection on which nothing was ever sent ends like any other.
    fn an_empty_stream_ends_in_good_order(setup: Setup) {
        let Pair { mut near, mut far, relay } = setup.open();
        near.finish();
        far.expect_end();
        far.finish();
        near.expect_end();
        relay.wait_for_closed(1);
        assert_eq!(relay.stats().reset.get(), 0);
        assert_eq!(relay.stats().bytes_up.get() + relay.stats().bytes_down.get(), 0);
    }

    /// A peer that speaks first is heard before the other has sent anything.
    fn whoever_speaks_first_is_heard(setup: Setup) {
        let Pair { mut near, mut far, relay: _relay } = setup.open();
        near.send(5);
        far.expect(5);
        far.exchange(&mut near, 40);
    }
}

/// A question, its end, a pause, and an answer.
fn answered_after(setup: &Setup, pause: Duration) {
    let Pair { mut near, mut far, relay } = setup.open();
    near.send(100);
    near.finish();
    far.expect(100);
    far.expect_end();
    std::thread::sleep(pause);
    far.send(1);
    near.expect(1);
    far.send(MIB);
    far.finish();
    near.expect(MIB);
    near.expect_end();
    relay.wait_for_closed(1);
    assert_eq!(relay.stats().reset.get(), 0);
}

/// Sends `size` bytes and the end at once, in each of `rounds` connections.
fn tails(setup: &Setup, rounds: u32, size: u64) {
    let route = setup.relay();
    for _ in 0..rounds {
        let (mut near, mut far) = route.open();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                near.send(size);
                near.finish();
            });
            far.expect(size);
            far.expect_end();
        });
        far.finish();
        near.expect_end();
    }
}

/// Ten thousand streams of ten megabytes, none of which may lose its tail.
#[test]
#[ignore = "long: make soak"]
fn ten_thousand_tails_come_before_their_ends() {
    for setup in Setup::either_way() {
        tails(&setup, crate::scaled(10_000), 10 * MIB);
    }
}

at_once! {
    either_way:

    /// An answer may take a minute after the question's stream has ended.
    #[ignore = "waits: make soak"]
    fn an_answer_may_come_a_minute_after_the_half_close(setup: Setup) {
        answered_after(&setup, Duration::from_secs(crate::scaled(60).into()));
    }
}
