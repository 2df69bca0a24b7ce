//! Half-closed connections over the minutes that keepalive takes as it is set by default.
//!
//! `resets` has the same cases with a keepalive of seconds.

use std::time::Duration;

use assemble_proxy::config::{Config, Engine};

use crate::peers::MIB;
use crate::relay::{Near, Pair, Setup};
use crate::tcp_info::forget_after_close;

fn setup(seconds: u64) -> Setup {
    // A trial shortens the silence before the first probe and its successors alike.
    let scale = |config: &mut Config| {
        let full = config.keepalive;
        config.keepalive.idle = full.idle.min(Duration::from_secs(seconds));
        config.keepalive.interval = full.interval.min(Duration::from_secs(seconds));
    };
    Setup::new(Engine::Auto, Near::Client).configured(scale)
}

/// A client that has ended its stream and waits for ten minutes is left alone: it answers what
/// keepalive asks.
#[test]
#[ignore = "long: make soak"]
fn a_half_closed_client_is_left_alone_for_ten_minutes() {
    let minute = u64::from(crate::scaled(60));
    let Pair { mut near, mut far, relay: _relay } = setup(minute).open();
    near.finish();
    far.expect_end();
    std::thread::sleep(Duration::from_secs(10 * minute));
    far.send(MIB);
    far.finish();
    near.expect(MIB);
    near.expect_end();
}

/// A client that has closed for good is found out although the server ignores the end of its
/// stream: its kernel forgets the connection after a minute and resets the probe that follows.
#[test]
#[ignore = "long: make soak"]
fn a_client_that_has_closed_is_found_out_within_minutes() {
    let minute = u64::from(crate::scaled(60));
    let Pair { near, mut far, relay } = setup(minute).open();
    forget_after_close(near.stream(), i32::try_from(minute).unwrap());
    drop(near);
    far.expect_end();
    // The first probe may come just before that minute is over.
    far.expect_broken_within(Duration::from_secs(2 * minute + 10));
    relay.wait_for_closed(1);
}
