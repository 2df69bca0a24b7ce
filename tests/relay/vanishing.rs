//! Peers that vanish without a word: a pulled plug, a host that is gone.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::namespace::Namespace;
use crate::peers::{KIB, MIB, peers};
use crate::relay::{Relay, Setup, at_once};
use crate::sockets::{accept, connect};

/// A relay in a namespace of its own with a target in another one.
struct World {
    here: Namespace,
    there: Namespace,
    target: TcpListener,
    relay: Relay,
}

impl World {
    fn new(setup: Setup) -> Self {
        let (here, there) = (Namespace::new(), Namespace::new());
        here.link(("eth0", "198.18.0.2/24"), &there, ("veth0", "198.18.0.1/24"));
        // Gives up retransmitting after a few seconds instead of a quarter of an hour.
        here.sysctl("ipv4/tcp_retries2", "3");
        let target = there.run(|| TcpListener::bind("198.18.0.1:5000").unwrap());
        let inside = here.clone();
        let setup = setup.prepared(move || inside.enter()).configured(|config| {
            config.keepalive.idle = Duration::from_secs(1);
            config.keepalive.interval = Duration::from_secs(1);
            config.keepalive.probes = 2;
        });
        let relay = setup.relay_to(target.local_addr().unwrap());
        Self { here, there, target, relay }
    }
}

at_once! {
    every_engine:

    /// A target that vanishes while nothing is said is found out by keepalive, and the client
    /// is reset.
    fn a_target_that_vanishes_in_silence_is_found_by_keepalive(setup: Setup) {
        let world = World::new(setup);
        let client = world.here.run(|| connect(world.relay.addr()));
        let (mut near, mut far) = peers(client, accept(&world.target), 1);
        near.exchange(&mut far, KIB);
        world.there.ip("link set veth0 down");
        let vanished = Instant::now();
        near.expect_reset();
        // One second of silence and two probes; the last word may be a second older than the end.
        let took = vanished.elapsed();
        assert!(took > Duration::from_millis(1900) && took < Duration::from_secs(8), "{took:?}");
    }

    /// A target that vanishes with bytes under way is found out when they are not acknowledged.
    fn a_target_that_vanishes_in_mid_stream_is_found_by_retransmission(setup: Setup) {
        let world = World::new(setup);
        let client = world.here.run(|| connect(world.relay.addr()));
        let (mut near, mut far) = peers(client, accept(&world.target), 1);
        near.exchange(&mut far, KIB);
        world.there.ip("link set veth0 down");
        let vanished = Instant::now();
        near.outgoing.offer(MIB);
        near.expect_reset();
        let took = vanished.elapsed();
        assert!(took < Duration::from_secs(15), "{took:?}");
    }

    /// So is a client that vanishes: here with its whole loopback.
    fn a_client_that_vanishes_in_silence_is_found_by_keepalive(setup: Setup) {
        let world = World::new(setup);
        let client = world.here.run(|| connect(world.relay.addr()));
        let (mut near, mut far) = peers(client, accept(&world.target), 1);
        near.exchange(&mut far, KIB);
        world.here.ip("link set lo down");
        far.expect_reset();
    }

    /// A client that vanishes while it is sent to is found out in the same way.
    fn a_client_that_vanishes_in_mid_stream_is_found_by_retransmission(setup: Setup) {
        let world = World::new(setup);
        let client = world.here.run(|| connect(world.relay.addr()));
        let (mut near, mut far) = peers(client, accept(&world.target), 1);
        near.exchange(&mut far, KIB);
        world.here.ip("link set lo down");
        far.outgoing.offer(MIB);
        far.expect_reset();
    }

    /// A link that is down for a moment loses nothing and ends nothing.
    fn a_short_outage_is_survived(setup: Setup) {
        let world = World::new(setup);
        let client = world.here.run(|| connect(world.relay.addr()));
        let (mut near, mut far) = peers(client, accept(&world.target), 1);
        near.exchange(&mut far, KIB);
        world.there.ip("link set veth0 down");
        near.send(100 * KIB);
        std::thread::sleep(Duration::from_millis(300));
        world.there.ip("link set veth0 up");
        far.expect(100 * KIB);
        far.exchange(&mut near, KIB);
    }
}
