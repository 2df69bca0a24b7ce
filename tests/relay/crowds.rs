//! What a dialer bounds: attempts under way, answers that are not read, those who ask.

use crate::dialer::{FAILED, HEALTHY, HELLO, Hostile, cancel, numbered, request};
use crate::dialer_world::{FAILED_BY_DIALER, RESET, World, expect_no_leak, sockets};
use crate::peers::peers;
use crate::procfs::descriptors;
use crate::sockets::{PATIENCE, accept, connect, eventually, read_all};
use crate::targets::Crowded;

/// An attempt that takes time ends when it is cancelled, or when whoever wanted it hangs up.
#[test]
fn what_nobody_wants_any_more_is_not_dialled_any_further() {
    let world = World::new();
    let target = world.host.run(Crowded::new);
    let port = target.addr().port();
    let dialer = world.dialer(&port.to_string());
    let before = sockets(dialer.pid());
    let client = Hostile::connect(&world.path);
    for number in 1..=100 {
        client.say(&numbered(number, port), &[]);
    }
    eventually("it dials", PATIENCE, || descriptors(dialer.pid()).sockets == before + 101);
    for number in 1..=50 {
        client.say(&cancel(number), &[]);
        assert_eq!(client.numbered_answer(), Some((number, FAILED.unwrap())));
    }
    eventually("half of them are given up", PATIENCE, || descriptors(dialer.pid()).sockets == before + 51);
    drop(client);
    expect_no_leak(dialer.pid(), before);
}

/// One relay whose target hangs takes what there is to take, and leaves the others their share.
#[test]
fn a_flood_over_one_channel_leaves_room_for_others() {
    let world = World::new();
    let hung = world.host.run(Crowded::new);
    let port = hung.addr().port();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer(&format!("5000,{port}"));
    let before = sockets(dialer.pid());
    let floods: Vec<_> = (0..3).map(|_| Hostile::connect(&world.path)).collect();
    let flood = |from: u32, to: u32| {
        for client in &floods {
            (from..to).for_each(|number| client.say(&numbered(number, port), &[]));
        }
    };
    flood(0, 1200);
    let most = 512;
    eventually("it dials", PATIENCE, || descriptors(dialer.pid()).sockets > before + most / 2);
    let relay = world.relay("loopback:5000");
    let (client, server) = (world.container.run(|| connect(relay.addr())), accept(&target));
    peers(client, server, 3).0.finish();
    assert!(descriptors(dialer.pid()).sockets <= before + most + 5, "more at once than are allowed");
    // Requests that wait can be cancelled as well.
    for number in 0..1200 {
        floods[0].say(&cancel(number), &[]);
        assert_eq!(floods[0].numbered_answer(), Some((number, FAILED.unwrap())));
    }
    drop(floods);
    drop(relay);
    expect_no_leak(dialer.pid(), before);
}

/// Who does not read what it is answered is hung up on.
#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    let world = World::new();
    let target = world.listen("127.0.0.1:5000");
    let dialer = world.dialer("5000");
    let before = sockets(dialer.pid());
    let deaf = Hostile::connect(&world.path);
    (0..2000).for_each(|number| deaf.say(&numbered(number, 5000), &[]));
    dialer.expect_log("the answers are not read");
    drop(deaf);
    assert_eq!(read_all(&accept(&target)), RESET);
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
            assert_eq!(other.numbered_answer(), Some((0, HEALTHY)));
            other
        })
        .collect();
    // The first ones of them have gone, and the relay's before them.
    assert_eq!(others[0].hear(), None);
    expect_no_leak(relay.pid(), before);
    exchange();
    others[299].say(HELLO, &[]);
    assert_eq!(others[299].numbered_answer(), Some((0, HEALTHY)));
    assert!(dialer.serves());
    assert_eq!(relay.metric(FAILED_BY_DIALER), 0);
}
