//! What a dialer bounds: answers that are not read, those who ask.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::dialer::{CONNECTED, FAILED, HEALTHY, HELLO, Hostile, order, request};
use crate::dialer_world::{FAILED_BY_DIALER, World, expect_no_leak, sockets};
use crate::peers::peers;
use crate::procfs::descriptors;
use crate::sockets::{PATIENCE, accept, connect, eventually};
use crate::targets::Crowded;

/// However many one asks for, the others have their turn.
#[test]
fn a_flood_over_one_channel_leaves_room_for_others() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let flood = Hostile::connect(&world.path);
                while !enough.load(Ordering::Relaxed) {
                    flood.say(&order(5000, 16), &[]);
                    assert_eq!(flood.answer(), CONNECTED);
                }
            });
        }
        let relay = world.relay("loopback:5000");
        for _ in 0..20 {
            let (client, server) = (world.container.run(|| connect(relay.addr())), accept(&target));
            peers(client, server, 3).0.finish();
        }
        enough.store(true, Ordering::Relaxed);
    });
    expect_no_leak(dialer.pid(), before);
}

/// An attempt for an older relay ends when that hangs up.
#[test]
fn what_nobody_wants_any_more_is_not_dialled_any_further() {
    let world = World::new();
    let target = world.host.run(Crowded::new);
    let port = target.addr().port();
    let dialer = world.dialer(&port.to_string());
    let before = sockets(dialer.pid());
    let clients: Vec<_> = (0..20).map(|_| Hostile::connect(&world.path)).collect();
    clients.iter().for_each(|client| client.say(&request(port), &[]));
    eventually("it dials", PATIENCE, || descriptors(dialer.pid()).sockets == before + 40);
    drop(clients);
    expect_no_leak(dialer.pid(), before);
}

/// Who does not read what it is answered is hung up on.
#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    let world = World::new();
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let deaf = Hostile::connect(&world.path);
    (0..2000).for_each(|_| deaf.say(&order(5000, 1), &[]));
    dialer.expect_log("the answers are not read");
    drop(deaf);
    expect_no_leak(dialer.pid(), before);
    assert!(dialer.serves());
}

/// More clients than are served at once, all silent: the others are served in their turn.
#[test]
fn a_flood_costs_time_and_nothing_else() {
    const MOST: usize = 256;
    let world = World::new();
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let flood: Vec<_> = (0..MOST + 50).map(|_| Hostile::connect(&world.path)).collect();
    eventually("they are served", PATIENCE, || descriptors(dialer.pid()).sockets >= before + MOST - 1);
    assert!(descriptors(dialer.pid()).sockets <= before + MOST + 2, "more at once than are allowed");
    let late = Hostile::connect(&world.path);
    late.say(&request(5000), &[]);
    assert_eq!(late.answer(), FAILED);
    drop(flood);
    for _ in 0..500 {
        drop(Hostile::connect(&world.path));
    }
    eventually("it serves", PATIENCE, || dialer.serves());
    expect_no_leak(dialer.pid(), before);
}

/// Where there are more channels than a dialer keeps, the one that has been silent longest goes, and is
/// opened again when it is needed.
#[test]
fn a_channel_in_use_outlives_those_that_are_not() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let relay = world.relay("loopback:5000");
    let before = sockets(relay.pid());
    let exchange = || {
        let (mut near, mut far) = peers(world.container.run(|| connect(relay.addr())), accept(&target), 3);
        near.exchange(&mut far, 10);
    };
    exchange();
    let others: Vec<_> = (0..300)
        .map(|_| {
            let other = Hostile::connect(&world.path);
            other.say(HELLO, &[]);
            assert_eq!(other.answer(), HEALTHY);
            other
        })
        .collect();
    // The first ones of them have gone, and the relay's before them.
    assert_eq!(others[0].hear(), None);
    expect_no_leak(relay.pid(), before);
    exchange();
    others[299].say(HELLO, &[]);
    assert_eq!(others[299].answer(), HEALTHY);
    assert!(dialer.serves());
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
}
