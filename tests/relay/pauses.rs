//! A relay that is stopped for a while and goes on, as one in a container that is paused.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assemble_proxy::sys::raise_descriptor_limit;
use nix::sys::signal::Signal;

use crate::freezer::Freezer;
use crate::peers::{KIB, MIB, Peer, peers};
use crate::process::{Launch, Process};
use crate::sockets::{accept, accept_within};

const ENGINES: [&str; 3] = ["auto", "copy", "splice"];

/// A relay of its own process, and the listener it leads to.
struct Route {
    relay: Process,
    target: TcpListener,
}

impl Route {
    fn new(engine: &str) -> Self {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Launch::to(target.local_addr().unwrap()).args(["--engine", engine]).start();
        Self { relay, target }
    }

    #[track_caller]
    fn open(&self, seed: u64) -> (Peer, Peer) {
        peers(self.relay.connect(), accept(&self.target), seed)
    }

    fn stop(&self) {
        self.relay.signal(Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(50));
        self.relay.signal(Signal::SIGCONT);
    }
}

/// Streams through a relay that is paused now and then.
fn streams_survive(route: &Route, pause: impl Fn()) {
    let mut open: Vec<_> = (0..5).map(|seed| route.open(seed)).collect();
    std::thread::scope(|scope| {
        for (client, server) in &mut open {
            scope.spawn(|| {
                client.send(16 * MIB);
                client.finish();
            });
            scope.spawn(|| {
                server.expect(16 * MIB);
                server.expect_end();
            });
        }
        for _ in 0..5 {
            pause();
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    for (mut client, mut server) in open {
        server.send(KIB);
        client.expect(KIB);
    }
}

/// A relay that was stopped and goes on has lost nothing.
#[test]
fn a_pause_of_the_process_loses_nothing() {
    for engine in ENGINES {
        let route = Route::new(engine);
        streams_survive(&route, || route.stop());
    }
}

/// A relay that was frozen with its control group goes on where it was: what was said meanwhile is
/// passed on, whoever has given up meanwhile is seen to have done so, and whoever came meanwhile is
/// served.
#[test]
fn a_frozen_relay_goes_on_where_it_was() {
    for engine in ENGINES {
        let route = Route::new(engine);
        let Some(freezer) = Freezer::around(route.relay.pid()) else { return };
        streams_survive(&route, || {
            freezer.freeze();
            freezer.thaw();
        });
        let (mut patient, mut answering) = route.open(11);
        patient.exchange(&mut answering, KIB);
        let (mut leaving, mut left) = route.open(12);
        leaving.exchange(&mut left, KIB);
        let (mut breaking, mut witness) = route.open(13);
        breaking.exchange(&mut witness, KIB);

        freezer.freeze();
        patient.send(KIB);
        leaving.send(KIB);
        // The kernel takes who comes, and nobody serves him.
        let late = route.relay.connect();
        assert!(accept_within(&route.target, Duration::from_millis(100)).is_none());
        assert!(answering.incoming.take(KIB).is_none());
        assert_eq!(answering.incoming.received(), KIB, "a frozen relay relays");
        drop(leaving);
        breaking.reset();
        freezer.thaw();

        left.expect(KIB);
        left.expect_end();
        witness.expect_reset();
        answering.expect(KIB);
        answering.exchange(&mut patient, KIB);
        let (mut near, mut far) = peers(late, accept(&route.target), 14);
        near.exchange(&mut far, KIB);
    }
}

/// Beside a stream that takes all it can get, and through pauses of both kinds, no exchange of a
/// thousand flows fails and none is left out.
#[test]
#[ignore = "long: make soak"]
fn a_thousand_flows_survive_pauses_beside_a_fire_hose() {
    let _ = raise_descriptor_limit();
    for engine in ENGINES {
        let route = Route::new(engine);
        let freezer = Freezer::around(route.relay.pid());
        let flows = u64::from(crate::scaled(1_000));
        let mut pingers: Vec<_> = (0..flows).map(|seed| route.open(seed)).collect();
        let (mut hose, mut drain) = route.open(flows);
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| drain.incoming.rest());
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    hose.send(MIB);
                }
                hose.finish();
            });
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    route.stop();
                    if let Some(freezer) = &freezer {
                        freezer.freeze();
                        freezer.thaw();
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            // A flow that fails must not leave the others running.
            let _enough = OnDrop(&enough);
            for _ in 0..10 {
                for (near, far) in &mut pingers {
                    near.exchange(far, 64);
                }
            }
        });
        assert_eq!(drain.incoming.received(), hose.outgoing.sent());
    }
}

/// Sets the flag when it goes, be it by a panic.
pub(crate) struct OnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
