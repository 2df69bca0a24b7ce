//! How a target learns of a connection: with the client's first words, or at once without them.

use std::io::Write;
use std::net::TcpListener;

use nix::sys::signal::Signal;

use crate::container::World;
use crate::dialer_world;
use crate::namespace::Namespace;
use crate::process::{Launch, Process};
use crate::sockets::{PATIENCE, accept, eventually};

fn world() -> (World, Process) {
    let world = World::with_route();
    let relay = Launch::to("gateway").inside(&world.container).start();
    (world, relay)
}

/// The packets that a target's host gets until it has the first words of a client.
fn packets_until_first_words() -> u64 {
    let (world, relay) = world();
    let target = world.listen("198.18.0.1:5000");
    relay.signal(Signal::SIGSTOP);
    let mut client = relay.connect();
    client.write_all(b"first words").unwrap();
    let before = world.host.tcp_counter("InSegs");
    relay.signal(Signal::SIGCONT);
    let served = accept(&target);
    let mut words = [0; 11];
    eventually("the words have come", PATIENCE, || served.peek(&mut words).is_ok_and(|n| n == words.len()));
    assert_eq!(&words, b"first words");
    world.host.tcp_counter("InSegs") - before
}

/// The handshake ends with the packet that carries them: one to ask, one that answers and speaks.
#[test]
fn first_words_that_are_there_tell_of_the_connection() {
    // One that has to wait for its turn for 200 ms tells of the connection before.
    let counts: Vec<_> = (0..3).map(|_| packets_until_first_words()).collect();
    assert_eq!(counts.iter().min(), Some(&2), "{counts:?}");
}

/// A target hears of ten silent clients from the relay. Otherwise the kernel, to which `tells`
/// belongs, would do it 200 ms later, and count that.
#[track_caller]
fn expect_told_at_once(relay: &Process, target: &TcpListener, tells: &Namespace) {
    let before = tells.tcp_ext_counter("DelayedACKs");
    // They stay open: of an end the kernel may well take its time to say that it has come.
    let _open: Vec<_> = (0..10).map(|_| (relay.connect(), accept(target))).collect();
    let late = tells.tcp_ext_counter("DelayedACKs") - before;
    // Where the relay itself has to wait for its turn that long it may happen.
    assert!(late < 5, "{late} of 10 were told by the kernel");
}

#[test]
fn a_target_that_speaks_first_is_not_kept_waiting() {
    let (world, relay) = world();
    let target = world.listen("198.18.0.1:5000");
    expect_told_at_once(&relay, &target, &world.container);
}

/// The dialer leaves the end of the handshake to the relay, which has to see to it.
#[test]
fn a_target_that_a_dialer_reaches_is_not_kept_waiting_either() {
    let world = dialer_world::World::new();
    let target = world.listen("127.0.0.1:6000");
    let _dialer = world.dialer("6000");
    expect_told_at_once(&world.relay("loopback:6000"), &target, &world.host);
}
