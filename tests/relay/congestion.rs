//! The congestion control the relay's sockets send with, where the system's is one that paces.

use std::process::Command;

use crate::container::{self, open};
use crate::dialer_world;
use crate::namespace::Namespace;
use crate::process::Launch;

/// Has a namespace use BBR, if this kernel has it. Sockets that no other is chosen for have it then.
fn paces(namespace: &Namespace) -> bool {
    let set = namespace.run(|| std::fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "bbr"));
    match set {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not tested: this kernel has no bbr");
            false
        }
        Err(error) => panic!("cannot choose bbr: {error}"),
    }
}

/// What the connected socket of a namespace sends with that has such an end here, such a one there.
#[track_caller]
fn sends_with(namespace: &Namespace, here: &str, there: &str) -> String {
    let mut ss = Command::new("ss");
    ss.args(["--tcp", "--info", "--numeric", "--no-header", "--oneline", "state", "established"]);
    ss.args(["src", here, "and", "dst", there]);
    let output = namespace.run(|| ss.output()).expect("this test needs ss(8), of the package iproute2");
    let text = String::from_utf8(output.stdout).unwrap();
    let known = ["bbr", "reno", "cubic"];
    let found: Vec<_> = text.split_whitespace().filter(|word| known.contains(word)).collect();
    let [only] = found[..] else { panic!("one socket was expected: {text}") };
    only.to_owned()
}

/// A relay to a target at its gateway, and what it sends with to its client and to its target.
fn of_a_relay_to(target: &str, args: &[&str]) -> Option<(String, String)> {
    let world = container::World::with_route();
    if !paces(&world.container) {
        return None;
    }
    let listener = world.listen("198.18.0.1:6000");
    let relay = Launch::to(target).args(args.iter().copied()).inside(&world.container).start();
    let _open = open(&relay, &listener);
    let to_client = sends_with(&world.container, "127.0.0.1:5000", "127.0.0.1");
    let to_target = sends_with(&world.container, "198.18.0.2", "198.18.0.1:6000");
    Some((to_client, to_target))
}

fn both(names: (&str, &str)) -> Option<(String, String)> {
    Some((names.0.to_owned(), names.1.to_owned()))
}

#[test]
fn nobody_on_link_is_sent_to_by_timers() {
    let found = of_a_relay_to("gateway:6000", &[]);
    assert!(found.is_none() || found == both(("reno", "reno")), "{found:?}");
}

/// What is between here and an address, and how it is best filled, is not the relay's to say.
#[test]
fn an_address_is_sent_to_as_the_system_wants_it() {
    let found = of_a_relay_to("198.18.0.1:6000", &[]);
    assert!(found.is_none() || found == both(("reno", "bbr")), "{found:?}");
}

#[test]
fn the_system_has_its_way_if_it_is_told_to() {
    let found = of_a_relay_to("gateway:6000", &["--congestion-control", "system"]);
    assert!(found.is_none() || found == both(("bbr", "bbr")), "{found:?}");
}

#[test]
fn a_dialers_sockets_are_not_paced_either() {
    let world = dialer_world::World::new();
    if !paces(&world.host) {
        return;
    }
    let target = world.listen("127.0.0.1:6000");
    let _dialer = world.dialer("6000");
    let relay = world.relay("loopback:6000");
    let _open = open(&relay, &target);
    assert_eq!(sends_with(&world.host, "127.0.0.1", "127.0.0.1:6000"), "reno");
    assert_eq!(sends_with(&world.host, "127.0.0.1:6000", "127.0.0.1"), "bbr", "the target's own");
}
