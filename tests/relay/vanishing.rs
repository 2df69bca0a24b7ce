//! Peers that vanish without a word: a pulled plug, a host that is gone.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use assemble_proxy::keepalive::Keepalive;

use crate::namespace::Namespace;
use crate::peers::{KIB, MIB, Peer, peers};
use crate::relay::{Relay, Setup};
use crate::setups::at_once;
use crate::sockets::{accept, connect};

const SECOND: Duration = Duration::from_secs(1);

/// A relay in a namespace of its own with a target in another one.
struct World {
    here: Namespace,
    there: Namespace,
    target: TcpListener,
    relay: Relay,
}

impl World {
    /// Finds a dead peer within seconds.
    fn new(setup: Setup) -> Self {
        Self::with(setup, Keepalive { idle: SECOND, interval: SECOND, probes: 2 })
    }

    fn with(setup: Setup, keepalive: Keepalive) -> Self {
        let (here, there) = (Namespace::new(), Namespace::new());
        here.link(("eth0", "198.18.0.2/24"), &there, ("veth0", "198.18.0.1/24"));
        // Gives up retransmitting after a few seconds instead of a quarter of an hour.
        here.sysctl("ipv4/tcp_retries2", "3");
        let target = there.run(|| TcpListener::bind("198.18.0.1:5000").unwrap());
        let inside = here.clone();
        let setup = setup.prepared(move || inside.enter()).configured(|config| config.keepalive = keepalive);
        let relay = setup.relay_to(target.local_addr().unwrap());
        Self { here, there, target, relay }
    }

    /// One connection through the relay.
    #[track_caller]
    fn open(&self) -> (Peer, Peer) {
        let client = self.here.run(|| connect(self.relay.addr()));
        let (mut near, mut far) = peers(client, accept(&self.target), 1);
        near.exchange(&mut far, KIB);
        (near, far)
    }
}

at_once! {
    every_engine:

    /// A target that vanishes while nothing is said is found out by keepalive, and the client
    /// is reset.
    fn a_target_that_vanishes_in_silence_is_found_by_keepalive(setup: Setup) {
        let world = World::new(setup);
        let (mut near, _far) = world.open();
        world.there.ip("link set veth0 down");
        let vanished = Instant::now();
        near.expect_reset();
        // One second of silence and two probes; the last word may be a second older than the end.
        let took = vanished.elapsed();
        assert!(took > Duration::from_millis(1900), "{took:?}");
    }

    /// A target that vanishes with bytes under way is found out when they are not acknowledged.
    fn a_target_that_vanishes_in_mid_stream_is_found_by_retransmission(setup: Setup) {
        let world = World::new(setup);
        let (mut near, _far) = world.open();
        world.there.ip("link set veth0 down");
        near.outgoing.offer(MIB);
        near.expect_reset();
    }

    /// So is a client that vanishes: here with its whole loopback.
    fn a_client_that_vanishes_in_silence_is_found_by_keepalive(setup: Setup) {
        let world = World::new(setup);
        let (_near, mut far) = world.open();
        world.here.ip("link set lo down");
        far.expect_reset();
    }

    /// A client that vanishes while it is sent to is found out in the same way.
    fn a_client_that_vanishes_in_mid_stream_is_found_by_retransmission(setup: Setup) {
        let world = World::new(setup);
        let (_near, mut far) = world.open();
        world.here.ip("link set lo down");
        far.outgoing.offer(MIB);
        far.expect_reset();
    }

    /// A link that is down for a moment loses nothing and ends nothing.
    fn a_short_outage_is_survived(setup: Setup) {
        let world = World::new(setup);
        let (mut near, mut far) = world.open();
        world.there.ip("link set veth0 down");
        near.send(100 * KIB);
        std::thread::sleep(Duration::from_millis(300));
        world.there.ip("link set veth0 up");
        far.expect(100 * KIB);
        far.exchange(&mut near, KIB);
    }

    /// With keepalive as it is set by default a peer that vanishes, whichever it is, is found when
    /// that time is over.
    #[ignore = "waits: make soak"]
    fn a_peer_that_vanishes_is_found_after_the_time_of_keepalive(setup: Setup) {
        let full = Keepalive::default();
        let scaled = |time: Duration| SECOND * crate::scaled(time.as_secs().try_into().unwrap());
        let keepalive = Keepalive { idle: scaled(full.idle), interval: scaled(full.interval), ..full };
        let time = keepalive.idle + keepalive.interval * keepalive.probes;
        let [here, there] = [(); 2].map(|()| World::with(setup.clone(), keepalive));
        let ((_client, server), (client, _server)) = (here.open(), there.open());
        let vanished = Instant::now();
        here.here.ip("link set lo down");
        there.there.ip("link set veth0 down");
        std::thread::scope(|scope| {
            for survivor in [server, client] {
                scope.spawn(move || {
                    survivor.expect_broken_within(time * 2);
                    let took = vanished.elapsed();
                    // The kernel's timers are coarse; a trial's seconds leave them no tenth.
                    let margin = time / 10 + 2 * SECOND;
                    assert!(took > time - margin && took < time + margin, "{took:?} instead of {time:?}");
                });
            }
        });
    }
}
