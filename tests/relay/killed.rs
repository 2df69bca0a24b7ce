//! A relay that is killed (SIGKILL), as by the kernel for want of memory: it has no say in its end.

use std::net::TcpListener;

use crate::dialer_world::World;
use crate::namespace::Namespace;
use crate::peers::{KIB, Peer, peers};
use crate::process::{Launch, Process};
use crate::sockets::{End, PATIENCE, accept};

/// When a relay is killed, how the peers of a connection come to that, and what its far end reads then.
type Moment = (&'static str, fn(&mut Peer, &mut Peer), End);

const MOMENTS: [Moment; 5] = [
    ("it is new", |_, _| (), End::Reset),
    ("it has had a word", one_word, End::Reset),
    ("it is quiet", |near, far| near.exchange(far, KIB), End::Reset),
    ("its reader is slow", until_blocked, End::Reset),
    // All of it had arrived, so the reset shows elsewhere.
    ("one stream has ended", half_closed, End::Finished),
];

fn one_word(near: &mut Peer, far: &mut Peer) {
    near.send(1);
    far.expect(1);
}

fn until_blocked(near: &mut Peer, far: &mut Peer) {
    near.exchange(far, KIB);
    near.outgoing.send_until_blocked();
}

fn half_closed(near: &mut Peer, far: &mut Peer) {
    near.exchange(far, KIB);
    near.finish();
    far.expect_end();
}

/// Both peers of each such connection are told that it broke: not one takes what it got for all.
fn expect_resets(relay: Process, target: &TcpListener) {
    let mut open = Vec::new();
    for (moment, make, read) in MOMENTS {
        for from_client in [true, false] {
            let (client, server) = (relay.connect(), accept(target));
            let (near, far) = if from_client { (client, server) } else { (server, client) };
            let (mut near, mut far) = peers(near, far, 7);
            make(&mut near, &mut far);
            open.push((format!("{moment}, from the client: {from_client}"), near, far, read));
        }
    }
    drop(relay);
    for (what, mut near, mut far, read) in open {
        assert_eq!((near.incoming.rest(), far.incoming.rest()), (End::Reset, read), "{what}");
        if read == End::Finished {
            far.expect_broken_within(PATIENCE);
        }
    }
}

#[test]
fn the_peers_of_a_killed_relay_get_a_reset() {
    let namespace = Namespace::new();
    for engine in ["auto", "copy", "splice"] {
        let target = namespace.run(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let launch = Launch::to(target.local_addr().unwrap()).args(["--engine", engine]).inside(&namespace);
        expect_resets(launch.start(), &target);
    }
}

#[test]
fn the_peers_of_a_killed_relay_with_a_dialer_get_a_reset() {
    let world = World::new();
    let target = world.listen("127.0.0.1:6000");
    let _dialer = world.dialer("6000");
    for engine in ["auto", "copy", "splice"] {
        expect_resets(world.relay_with("loopback:6000", &["--engine", engine]), &target);
    }
}
