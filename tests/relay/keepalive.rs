//! Half-closed connections over the minutes that keepalive takes as it is set by default.
//!
//! `resets` has the same cases with a keepalive of seconds.

use std::time::Duration;

use assemble_proxy::config::Config;

use crate::peers::MIB;
use crate::relay::{Pair, Setup};
use crate::setups::at_once;
use crate::tcp_info::forget_after_close;

/// A trial shortens the silence before the first probe and its successors alike.
fn scaled_to(seconds: u64, setup: Setup) -> Setup {
    setup.configured(|config: &mut Config| {
        let full = config.keepalive;
        config.keepalive.idle = full.idle.min(Duration::from_secs(seconds));
        config.keepalive.interval = full.interval.min(Duration::from_secs(seconds));
    })
}

at_once! {
    either_way:

    /// A peer that has ended its stream and waits for ten minutes is left alone: it answers what
    /// keepalive asks.
    #[ignore = "waits: make soak"]
    fn a_half_closed_peer_is_left_alone_for_ten_minutes(setup: Setup) {
        let minute = u64::from(crate::scaled(60));
        let Pair { mut near, mut far, relay: _relay } = scaled_to(minute, setup).open();
        near.finish();
        far.expect_end();
        std::thread::sleep(Duration::from_secs(10 * minute));
        far.send(MIB);
        far.finish();
        near.expect(MIB);
        near.expect_end();
    }

    /// A peer that has closed for good is found out although the other ignores the end of its
    /// stream: its kernel forgets the connection after a minute and resets the probe that follows.
    #[ignore = "waits: make soak"]
    fn a_peer_that_has_closed_is_found_out_within_minutes(setup: Setup) {
        let minute = u64::from(crate::scaled(60));
        let Pair { near, mut far, relay } = scaled_to(minute, setup).open();
        forget_after_close(near.stream(), i32::try_from(minute).unwrap());
        drop(near);
        far.expect_end();
        // The first probe may come just before that minute is over.
        far.expect_broken_within(Duration::from_secs(2 * minute + 10));
        relay.wait_for_closed(1);
    }
}
