//! A container's way out: its network namespace, the gateway, and clients and targets there.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::namespace::Namespace;
use crate::peers::{KIB, Peer, peers};
use crate::process::Process;
use crate::sockets::{End, PATIENCE, accept, accept_within, answer, eventually, try_connect};

/// A container's namespace and that of its host, joined by a link.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) container: Namespace,
    pub(crate) host: Namespace,
}

impl World {
    pub(crate) fn new() -> Self {
        let (container, host) = (Namespace::new(), Namespace::new());
        container.link(("eth0", "198.18.0.2/24"), &host, ("veth0", "198.18.0.1/24"));
        // The address of a second gateway.
        host.ip("address add 198.18.0.3/24 dev veth0");
        Self { container, host }
    }

    pub(crate) fn with_route() -> Self {
        let world = Self::new();
        world.container.ip("route add default via 198.18.0.1");
        world
    }

    pub(crate) fn listen(&self, addr: &str) -> TcpListener {
        self.host.run(|| TcpListener::bind(addr).unwrap())
    }

    /// What a client inside gets that connects to the relay and says nothing.
    pub(crate) fn answer(&self, relay: &Process) -> (Vec<u8>, End) {
        self.container.run(|| answer(relay.addr()))
    }

    /// How long it takes from now on until new connections come out at `target`.
    #[track_caller]
    pub(crate) fn time_to_reach(&self, target: &TcpListener, relay: &Process) -> Duration {
        let started = Instant::now();
        // Of those that came too early the last time.
        while accept_within(target, Duration::from_millis(1)).is_some() {}
        eventually("new connections come out there", PATIENCE, || {
            // Those that come too early are reset, or come out elsewhere.
            let client = self.container.run(|| try_connect(relay.addr()));
            client.is_ok() && accept_within(target, Duration::from_millis(50)).is_some()
        });
        started.elapsed()
    }
}

/// What a client gets whose target is not reached.
pub(crate) const RESET: (Vec<u8>, End) = (Vec::new(), End::Reset);

/// A connection through the relay that works.
#[track_caller]
pub(crate) fn open(relay: &Process, target: &TcpListener) -> (Peer, Peer) {
    let mut near = relay.connect();
    near.write_all(b".").unwrap();
    // One that a client came too early for, and is gone, may be late: it ends without a word.
    let far = loop {
        let mut far = accept(target);
        if matches!(far.read(&mut [0]), Ok(1)) {
            break far;
        }
    };
    let (mut near, mut far) = peers(near, far, 5);
    near.exchange(&mut far, KIB);
    (near, far)
}
