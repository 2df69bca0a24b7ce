//! The orderly end of a relay: nobody new, and time for those who are there.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::peers::{MIB, peers};
use crate::relay::{Pair, Relay, Setup};
use crate::setups::{either_way, every_engine};
use crate::sockets::{PATIENCE, accept, connect, eventually};

either_way! {
    /// A relay that was told to stop takes nobody new, but lets a transfer finish.
    fn a_transfer_finishes_although_the_relay_stops(setup: Setup) {
        let patient = setup.configured(|config| config.grace = Duration::from_secs(20));
        let Pair { mut near, mut far, mut relay } = patient.open();
        near.exchange(&mut far, 100);
        relay.stop();
        wait_until_refused(&relay);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                near.send(8 * MIB);
                near.finish();
            });
            far.expect(8 * MIB);
            far.expect_end();
        });
        far.send(MIB);
        far.finish();
        near.expect(MIB);
        near.expect_end();
        assert_eq!(relay.drained().cut, 0);
    }

    /// A connection that outlives the grace period is reset at both ends: its stream is not
    /// complete.
    fn a_connection_that_outlives_the_grace_period_is_reset(setup: Setup) {
        const GRACE: Duration = Duration::from_millis(300);
        let impatient = setup.configured(|config| config.grace = GRACE);
        let Pair { mut near, mut far, relay } = impatient.open();
        near.exchange(&mut far, 100);
        let told = Instant::now();
        let drained = relay.drained();
        assert!(told.elapsed() >= GRACE);
        assert_eq!(drained.cut, 1);
        near.expect_reset();
        far.expect_reset();
    }

    /// A half-closed connection is as unfinished as any other.
    fn a_half_closed_connection_is_reset_by_the_end(setup: Setup) {
        let Pair { near, mut far, relay } = setup.open();
        near.finish();
        far.expect_end();
        assert_eq!(relay.drained().cut, 1);
        far.expect_broken_within(PATIENCE);
        near.expect_broken_within(PATIENCE);
    }
}

every_engine! {
    /// A relay without connections stops at once, whatever its grace period.
    fn an_idle_relay_stops_at_once(setup: Setup) {
        let patient = setup.configured(|config| config.grace = Duration::from_secs(1000));
        let route = patient.relay();
        let told = Instant::now();
        assert_eq!(route.relay.drained().cut, 0);
        assert!(told.elapsed() < PATIENCE);
    }

    /// Those who waited for their turn have it when the relay stops: they are served beyond the
    /// limit rather than reset.
    fn waiting_connections_are_served_although_the_relay_stops(setup: Setup) {
        let patient = setup.configured(|config| {
            config.grace = Duration::from_secs(20);
            config.max_connections = 1;
        });
        let mut route = patient.relay();
        let (mut first, mut target) = route.open();
        first.exchange(&mut target, 10);
        let waiting = connect(route.relay.addr());
        route.relay.stop();
        let (mut near, mut far) = peers(waiting, accept(&route.target), 2);
        near.exchange(&mut far, 10);
        first.exchange(&mut target, 10);
        drop((near, far, first, target));
        assert_eq!(route.relay.drained().cut, 0);
    }

    /// All threads drain: their connections finish or are counted.
    fn every_thread_drains(setup: Setup) {
        let many = setup.configured(|config| {
            config.grace = Duration::from_millis(1500);
            config.threads = 3.try_into().unwrap();
        });
        let mut route = many.relay();
        let mut pairs: Vec<_> = (0..9).map(|_| route.open()).collect();
        for (near, far) in &mut pairs {
            near.exchange(far, 1000);
        }
        let left_open = pairs.split_off(6);
        route.relay.stop();
        for (mut near, mut far) in pairs {
            near.exchange(&mut far, 1000);
            near.finish();
            far.expect_end();
            far.finish();
            near.expect_end();
        }
        assert_eq!(route.relay.drained().cut, 3);
        for (mut near, mut far) in left_open {
            near.expect_reset();
            far.expect_reset();
        }
    }
}

fn wait_until_refused(relay: &Relay) {
    eventually("new connections are refused", PATIENCE, || {
        TcpStream::connect(relay.addr()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
}
