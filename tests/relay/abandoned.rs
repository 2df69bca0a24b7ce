//! Relays in a namespace that nobody else uses any more. Tests begin in the order of their names, and of all that a
//! relay has to wait for this takes the longest.

use std::fs::{read_dir, read_link};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use assemble_contract::{Port, Ports};
use assemble_proxy::health::probe;
use nix::sys::signal::Signal;

use crate::container::World;
use crate::process::{Launch, Process};
use crate::sockets::{PATIENCE, eventually};

/// The one that these relays listen on.
fn port() -> Ports {
    Port::new(5000).unwrap().into()
}

/// A namespace that has lost its interfaces is that of a container that has ended: nobody will
/// come any more, so the relay ends too, and not with success.
#[test]
fn a_relay_does_not_outlive_its_namespace() {
    let world = World::with_route();
    let mut relay = Launch::to("gateway").inside(&world.container).start();
    world.container.ip("link del eth0");
    assert_eq!(relay.wait(PATIENCE).code(), Some(1));
    let want = "assemble-proxy: the network namespace has lost its interfaces: port 5000 leads nowhere";
    assert_eq!(relay.log().lines().last().unwrap(), want);
}

/// An engine that was down when a container ended leaves its interfaces to whoever is left in the
/// namespace. That the container has ended is seen when the engine is back and asks for health.
#[test]
fn a_relay_does_not_outlive_the_owner_of_its_namespace() {
    let world = World::with_route();
    // An abstract name needs no file. Programs that are just being started have its socket for a moment.
    let name = SocketAddr::from_abstract_name("owner.sock").unwrap();
    let owner = || {
        let mut owner = None;
        eventually("the name is free", PATIENCE, || {
            owner = world.container.run(|| UnixListener::bind_addr(&name).ok());
            owner.is_some()
        });
        owner
    };
    let first = owner();
    let options = ["--owner-socket", "@owner.sock"];
    let mut relay = Launch::to("gateway").inside(&world.container).args(options).start();
    let health = || world.container.run(|| probe(port()));
    health().unwrap();
    // One that ends may have work to finish first; one that restarts in the same namespace is the owner still.
    drop(first);
    health().unwrap();
    health().unwrap();
    let second = owner();
    health().unwrap();
    drop(second);
    for _ in 0..2 {
        health().unwrap();
    }
    assert!(relay.is_running());
    eventually("the relay ends", PATIENCE, || health().is_err());
    assert_eq!(relay.wait(PATIENCE).code(), Some(1));
    let want = "assemble-proxy: nobody listens on \"@owner.sock\" in this network namespace any more: port 5000 serves nobody";
    assert_eq!(relay.log().lines().last().unwrap(), want);
}

/// Whoever gives the name of a socket that nobody listens on, as with another image's, loses nothing.
#[test]
fn a_relay_lives_on_where_its_owner_was_never_seen() {
    let world = World::with_route();
    let options = ["--owner-socket", "@nobody.sock"];
    let mut relay = Launch::to("gateway").inside(&world.container).args(options).start();
    for _ in 0..10 {
        world.container.run(|| probe(port())).unwrap();
    }
    assert!(keeps_unix_sockets_open(&relay));
    relay.signal(Signal::SIGTERM);
    assert!(relay.wait(PATIENCE).success(), "{}", relay.log());
}

/// The table of sockets is of no use to a relay that knows no owner, and a policy may forbid it.
#[test]
fn a_relay_without_an_owner_leaves_the_sockets_of_others_alone() {
    let world = World::with_route();
    let relay = Launch::to("gateway").inside(&world.container).start();
    world.container.run(|| probe(port())).unwrap();
    assert!(!keeps_unix_sockets_open(&relay));
}

fn keeps_unix_sockets_open(relay: &Process) -> bool {
    let descriptors = read_dir(format!("/proc/{}/fd", relay.pid())).unwrap().flatten();
    descriptors.filter_map(|fd| read_link(fd.path()).ok()).any(|file| file.ends_with("net/unix"))
}
