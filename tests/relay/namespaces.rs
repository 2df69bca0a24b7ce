//! Gateways and routes that change under a running relay.

use std::time::Duration;

use crate::container::{RESET, World, open};
use crate::namespace::Namespace;
use crate::peers::KIB;
use crate::process::Launch;
use crate::relay::Setup;
use crate::setups::at_once;
use crate::sockets::{PATIENCE, eventually};

/// A busy machine may be late at some rounds; what is slow by itself is late at all of them.
#[track_caller]
fn within_a_second(mut round: impl FnMut(u32) -> Duration) {
    let mut rounds = 0..;
    eventually("a round within a second", PATIENCE, || {
        round(rounds.next().unwrap()) < Duration::from_secs(1)
    });
}

/// A connection to the relay comes out at the gateway's address, and is seen to come from the
/// container's.
#[test]
fn the_gateway_is_reached() {
    let world = World::with_route();
    let target = world.listen("198.18.0.1:5000");
    let relay = Launch::to("gateway").inside(&world.container).start();
    let (_near, far) = open(&relay, &target);
    assert_eq!(far.stream().peer_addr().unwrap().ip().to_string(), "198.18.0.2");
}

/// A gateway that has only a link-local IPv6 address is reached through its interface.
#[test]
fn a_link_local_gateway_is_reached() {
    let world = World::new();
    // The kernel's own choice of an address may come a second after the link.
    world.container.ip("address add fe80::2/64 dev eth0 nodad");
    world.host.ip("address add fe80::1/64 dev veth0 nodad");
    world.container.ip("-6 route add default via fe80::1 dev eth0");
    let target = world.listen("[::]:5000");
    let relay = Launch::to("gateway").inside(&world.container).start();
    open(&relay, &target);
}

/// While there is no route clients are reset, not left waiting; soon after there is one again
/// they are served, by the same process and beside the connections of before.
#[test]
fn a_route_may_go_and_come_back() {
    let world = World::with_route();
    let target = world.listen("198.18.0.1:5000");
    let relay = Launch::to("gateway").inside(&world.container).start();
    let (mut near, mut far) = open(&relay, &target);
    within_a_second(|round| {
        world.container.ip("route del default");
        let changes = 2 * round as usize + 1;
        eventually("the relay has heard of it", PATIENCE, || {
            relay.log().matches("the gateway has changed").count() == changes
        });
        assert_eq!(world.answer(&relay), RESET);
        near.exchange(&mut far, KIB);
        world.container.ip("route add default via 198.18.0.1");
        world.time_to_reach(&target, &relay)
    });
    open(&relay, &target);
    near.exchange(&mut far, KIB);
}

/// A relay that may wait for its gateway starts without one: clients are reset until there is a
/// route, and served by the same process soon after.
#[test]
fn a_gateway_may_come_later() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    within_a_second(|_| {
        let mut relay = Launch::to("gateway").args(["--wait-for-gateway"]).inside(&world.container).start();
        assert_eq!(world.answer(&relay), RESET);
        world.container.ip("route add default via 198.18.0.1");
        let took = world.time_to_reach(&target, &relay);
        open(&relay, &target);
        assert!(relay.is_running());
        world.container.ip("route del default");
        took
    });
}

/// New connections go to a new gateway; those of before stay where they are.
#[test]
fn a_new_gateway_gets_the_new_connections() {
    let world = World::with_route();
    let (old, new) = (world.listen("198.18.0.1:5000"), world.listen("198.18.0.3:5000"));
    let relay = Launch::to("gateway").inside(&world.container).start();
    let (mut near, mut far) = open(&relay, &old);
    within_a_second(|round| {
        let (gateway, target) = [("198.18.0.3", &new), ("198.18.0.1", &old)][round as usize % 2];
        world.container.ip(&format!("route replace default via {gateway}"));
        let took = world.time_to_reach(target, &relay);
        open(&relay, target);
        near.exchange(&mut far, KIB);
        took
    });
}

at_once! {
    either_way:

    /// Good endings are good on the wire too: no segment of them is a reset.
    fn a_good_ending_sends_no_reset(setup: Setup) {
        let namespace = Namespace::new();
        let inside = namespace.clone();
        let setup = setup.prepared(move || inside.enter());
        namespace.run(|| {
            let route = setup.relay();
            for round in 1..=12 {
                let (mut near, mut far) = route.open();
                near.exchange(&mut far, 100 * KIB);
                match round % 3 {
                    // One after the other.
                    0 => {
                        near.finish();
                        far.expect_end();
                        far.send(KIB);
                        far.finish();
                        near.expect(KIB);
                    }
                    // At the same moment.
                    1 => {
                        far.finish();
                        near.finish();
                        far.expect_end();
                    }
                    // At the same moment, with bytes on their way both ways.
                    _ => {
                        for peer in [&mut far, &mut near] {
                            peer.send(100 * KIB);
                            peer.finish();
                        }
                        far.expect(100 * KIB);
                        near.expect(100 * KIB);
                        far.expect_end();
                    }
                }
                near.expect_end();
                route.relay.wait_for_closed(round);
            }
        });
        assert_eq!(namespace.tcp_counter("OutRsts"), 0);
        assert_eq!(namespace.tcp_counter("EstabResets"), 0);
    }
}
