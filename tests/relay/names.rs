//! Targets that have names: looked up where the relay is, confined as it is, and followed.

mod failures;
mod fallbacks;

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::Command;

use serde_json::{Value, json};

use crate::container::{RESET, open};
use crate::name_server::{Etc, NameServer, Say};
use crate::peers::{KIB, peers};
use crate::process::{BINARY, Launch, Process};
use crate::sockets::{PATIENCE, accept, accept_within, connect, eventually, reset};

const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// A container whose name server is at its host, and which asks it with little patience.
struct World {
    world: crate::container::World,
    etc: Etc,
    server: NameServer,
}

impl World {
    fn new() -> Self {
        let world = crate::container::World::with_route();
        let server = NameServer::start(&world.host, SERVER);
        Self { world, etc: Etc::new("", &conf(SERVER)), server }
    }

    fn listen(&self, addr: &str) -> TcpListener {
        self.world.listen(addr)
    }

    fn launch(&self, target: &str) -> Launch {
        let wrapper = self.etc.wrapper();
        Launch::to(target).wrapped(wrapper.iter().map(String::as_str)).inside(&self.world.container)
    }

    fn start(&self, target: &str) -> Process {
        self.launch(target).with_metrics().start()
    }

    /// What the relay tells, and what a process beside it finds.
    #[track_caller]
    fn status(&self) -> Value {
        self.ask(&["--probe"])
    }

    /// What the relay tells; nobody connects to its target.
    #[track_caller]
    fn told(&self) -> Value {
        self.ask(&[])
    }

    #[track_caller]
    fn ask(&self, args: &[&str]) -> Value {
        let wrapper = self.etc.wrapper();
        let mut command = Command::new(&wrapper[0]);
        command.args(&wrapper[1..]).arg(BINARY);
        command.args(["status", "--port", "5000", "--format", "json"]).args(args);
        let output = self.world.container.run(|| command.output().unwrap());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn answer(&self, relay: &Process) -> (Vec<u8>, crate::sockets::End) {
        self.world.answer(relay)
    }
}

fn conf(server: Ipv4Addr) -> String {
    format!("search lan\nnameserver {server}\noptions timeout:1 attempts:2\n")
}

fn unresolved(relay: &Process) -> u64 {
    relay.metric(r#"connections_failed_total{reason="unresolved"}"#)
}

/// New connections go where the name leads now; those of before stay where they are.
#[test]
fn a_name_that_moves_is_followed() {
    let world = World::new();
    let (old, new) = (world.listen("198.18.0.1:5432"), world.listen("198.18.0.3:5432"));
    world.server.say("db.lan", Say::addr("198.18.0.1", 0));
    let relay = world.start("db:5432");
    let (mut near, mut far) = open(&relay, &old);
    assert_eq!(world.status()["addrs"], json!(["198.18.0.1:5432"]));
    world.server.say("db.lan", Say::addr("198.18.0.3", 0));
    // Where the name server is slow to be heard, the first one may still go to the old place.
    world.world.time_to_reach(&new, &relay);
    open(&relay, &new);
    near.exchange(&mut far, KIB);
    let said = world.status();
    assert_eq!((&said["target"], &said["resolved"]), (&json!("db:5432"), &json!(true)));
    assert_eq!(said["probe"]["addrs"], json!(["198.18.0.3:5432"]));
    assert_eq!(unresolved(&relay), 0);
}

/// Each port of a range leads to one of the name's.
#[test]
fn a_range_leads_to_the_ports_of_a_name() {
    let world = World::new();
    let targets = ["198.18.0.1:9000", "198.18.0.1:9001"].map(|addr| world.listen(addr));
    world.server.say("db.lan", Say::addr("198.18.0.1", 3600));
    let _relay = world.launch("db").range("5000-5001:9000-9001").start();
    for (port, target) in [5000, 5001].into_iter().zip(&targets) {
        let client = world.world.container.run(|| connect(([127, 0, 0, 1], port).into()));
        let (mut near, mut far) = peers(client, accept(target), port.into());
        near.exchange(&mut far, KIB);
    }
}

/// An answer is asked for again when its time is over and not for each connection.
#[test]
fn an_answer_serves_for_as_long_as_it_says() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    world.server.say("db", Say::addr("198.18.0.1", 3600));
    let relay = world.start("db.");
    let times = 50;
    for _ in 0..times {
        open(&relay, &target);
    }
    // Both families, and once more on a machine that needs ten seconds for so few.
    assert!(world.server.asked() < times / 4, "{}", world.server.asked());

    world.server.say("brief.lan", Say::addr("198.18.0.1", 0));
    let (before, relay) = (world.server.asked(), world.launch("brief:5000").port(5001).start());
    for _ in 0..3 {
        open(&relay, &target);
    }
    assert!(world.server.asked() >= before + 3 * 2);
}

/// An address that swallows everything costs a moment, and once; the families take turns.
#[test]
fn all_addresses_are_tried() {
    let world = World::new();
    world.world.container.ip("neigh add 198.18.0.77 lladdr 02:00:00:00:00:09 dev eth0");
    let target = world.listen("198.18.0.1:5000");
    let addrs = ["2001:db8::1", "198.18.0.77", "198.18.0.3", "198.18.0.1"];
    let addrs: Vec<IpAddr> = addrs.map(|addr| addr.parse().unwrap()).to_vec();
    world.server.say("db.lan", Say::Addresses(addrs, 3600));
    let relay = world.start("db");
    for _ in 0..3 {
        open(&relay, &target);
    }
    assert_eq!(world.status()["probe"]["result"], "accepted");
}

/// Whoever has an answer does not wait for a name server that has become slow.
#[test]
fn a_slow_name_server_delays_nobody_who_has_an_answer() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    world.server.say("db.lan", Say::addr("198.18.0.1", 0));
    let relay = world.start("db");
    let (mut near, mut far) = open(&relay, &target);
    world.server.say("db.lan", Say::Silence);
    let asked = world.server.asked();
    for _ in 0..20 {
        open(&relay, &target);
    }
    near.exchange(&mut far, KIB);
    // It was asked, and in the background: the same questions wait for all of them.
    assert!(world.server.asked() > asked && world.server.asked() < asked + 20, "{}", world.server.asked());
    assert_eq!(unresolved(&relay), 0);
}

/// Who comes before there is any answer waits for it, and gets it once it comes.
#[test]
fn a_late_answer_is_waited_for() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    world.server.say("db.lan", Say::Silence);
    world.etc.write_conf(&format!("search lan\nnameserver {SERVER}\noptions timeout:1 attempts:5\n"));
    let relay = world.start("db");
    eventually("it is asked", PATIENCE, || world.server.asked() > 0);
    let client = relay.connect();
    world.server.say("db.lan", Say::addr("198.18.0.1", 60));
    assert!(accept_within(&target, PATIENCE).is_some());
    drop(client);
}

/// An answer that does not fit into a datagram is asked for over TCP, which the sandbox allows to
/// the port of name servers.
#[test]
fn a_long_answer_comes_over_tcp() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    world.server.say("db.lan", Say::OverTcp(vec![SERVER.into()], 60));
    open(&world.start("db"), &target);
}

/// The files of the namespace count, and what is written into them while the relay runs.
#[test]
fn files_that_change_are_read_again() {
    let world = World::new();
    let (first, second) = (world.listen("198.18.0.1:5000"), world.listen("198.18.0.3:5000"));
    world.server.say("db.lan", Say::addr("198.18.0.3", 0));
    world.etc.write_hosts("127.0.0.1 localhost\n198.18.0.1 app DB\n");
    let relay = world.start("db");
    open(&relay, &first);
    assert_eq!(world.server.asked(), 0);
    world.etc.write_hosts("127.0.0.1 localhost\n");
    world.world.time_to_reach(&second, &relay);

    // Another server, which knows another place.
    let other = NameServer::start(&world.world.host, Ipv4Addr::new(198, 18, 0, 3));
    other.say("db.lan", Say::addr("198.18.0.1", 0));
    world.etc.write_conf(&conf(Ipv4Addr::new(198, 18, 0, 3)));
    world.world.time_to_reach(&first, &relay);
}

/// A relay that would be its own client does not start, or resets where that shows later only.
#[test]
fn a_name_of_the_relay_itself_is_a_loop() {
    let world = World::new();
    let (status, words) = world.launch("registry.localhost").fail();
    assert_eq!(status.code(), Some(1));
    assert!(words.contains("port 5000 would be forwarded to itself"), "{words}");
    for addr in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"] {
        world.server.say("me.lan", Say::addr(addr, 0));
        let relay = world.start("me");
        assert_eq!(world.answer(&relay), RESET);
        let looped = || relay.metric(r#"connections_failed_total{reason="loop"}"#) == 1;
        eventually("it is counted", PATIENCE, looped);
        assert_eq!(world.status()["probe"]["result"], "loop", "{addr}");
        assert_eq!(relay.metric("connections_opened_total"), 1);
    }
    // Another port of this host is none.
    let target = world.world.container.run(|| TcpListener::bind("127.0.0.1:6000").unwrap());
    open(&world.start("localhost:6000"), &target);
}

/// A name that moves while its old address refuses is asked for again at once, whatever time its
/// record gives: the client that finds it out is served.
#[test]
fn an_answer_that_leads_nowhere_is_asked_for_again() {
    let world = World::new();
    let old = world.listen("198.18.0.1:5000");
    world.server.say("db.lan", Say::addr("198.18.0.1", 3600));
    let relay = world.start("db");
    open(&relay, &old);
    drop(old);
    let new = world.listen("198.18.0.3:5000");
    world.server.say("db.lan", Say::addr("198.18.0.3", 3600));
    let refused = || relay.metric(r#"connections_failed_total{reason="refused"}"#);
    let (asked, mut resets, mut client) = (world.server.asked(), 0, relay.connect_or_reset());
    eventually("it is asked again", PATIENCE, || {
        if world.server.asked() > asked {
            return true;
        }
        // An answer of less than a second ago is not doubted.
        if refused() > resets {
            (resets, client) = (resets + 1, relay.connect_or_reset());
        }
        false
    });
    let (mut near, mut far) = peers(client.unwrap(), accept(&new), 5);
    near.exchange(&mut far, KIB);
    assert_eq!(refused(), resets);
}

/// A client that gives up while the name is looked up is forgotten, and the question goes on.
#[test]
fn a_reset_cancels_the_wait_for_a_name() {
    let world = World::new();
    world.server.say("db.lan", Say::Silence);
    let relay = world.start("db");
    reset(relay.connect());
    eventually("it is counted", PATIENCE, || {
        relay.metric(r#"connections_failed_total{reason="reset"}"#) == 1
    });
    assert_eq!(unresolved(&relay), 0);
    let target = world.listen("198.18.0.1:5000");
    world.server.say("db.lan", Say::addr("198.18.0.1", 60));
    world.world.time_to_reach(&target, &relay);
}
