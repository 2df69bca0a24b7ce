//! Two queues of one relay: whoever fills one does not keep those in the other waiting.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use assemble_proxy::config::Engine;
use assemble_proxy::sys::raise_descriptor_limit;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::namespace::Namespace;
use crate::process::{Launch, Process};
use crate::relay::{Near, Setup};
use crate::sockets::{End, connect, read_all, try_connect};
use crate::targets::{Service, echo};

/// Clients that keep a queue full: each has its next connection made before it waits for the end of
/// the one before.
const FLOOD: usize = 32;

fn flood(addr: SocketAddr, over: &AtomicBool) {
    let mut waiting = connect(addr);
    while !over.load(Ordering::Relaxed) {
        let next = connect(addr);
        read_all(&waiting);
        waiting = next;
    }
}

/// Ends the flood also where a test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Says its word and ends.
fn greet(mut stream: TcpStream) {
    let _ = stream.write_all(b"hello");
}

/// Whichever of the relay's addresses is under a flood, clients of the other one are served meanwhile,
/// although there is always somebody in the flooded queue.
#[test]
fn a_flood_on_one_family_leaves_the_other_served() {
    for limit in [1, 4] {
        let service = Service::start(greet);
        let setup = Setup::new(Engine::Auto, Near::Client);
        let relay = setup.configured(|config| config.max_connections = limit).relay_to(service.addr());
        let Some(ipv6) = relay.addr_v6() else { return };
        for (flooded, other) in [(relay.addr(), ipv6), (ipv6, relay.addr())] {
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..FLOOD {
                    scope.spawn(|| flood(flooded, &over));
                }
                let _end = SetOnDrop(&over);
                for _ in 0..20 {
                    assert_eq!(read_all(&connect(other)), (b"hello".to_vec(), End::Finished), "{other}");
                }
            });
        }
    }
}

/// Nor does a flood on one port of a range keep the clients of another one waiting.
#[test]
fn a_flood_on_one_port_leaves_the_others_served() {
    Namespace::new().run(|| {
        let service = |port| Service::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), greet);
        let _targets = [9000, 9001, 9002].map(service);
        let launch = Launch::to("127.0.0.1").range("8000-8002:9000-9002");
        for limit in ["1", "4"] {
            let _relay = launch.clone().args(["--max-connections", limit]).start();
            for (flooded, other) in [(8000, 8001), (8002, 8001), (8001, 8000)] {
                let over = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    for _ in 0..FLOOD {
                        scope.spawn(|| flood(([127, 0, 0, 1], flooded).into(), &over));
                    }
                    let _end = SetOnDrop(&over);
                    for _ in 0..20 {
                        let said = read_all(&connect(([127, 0, 0, 1], other).into()));
                        assert_eq!(said, (b"hello".to_vec(), End::Finished), "{other}");
                    }
                });
            }
        }
    });
}

/// Whoever comes to `other` is reset, however many wait where the relay is reached first.
fn demand_that_a_lack_of_descriptors_is_told(relay: &Process, other: SocketAddr) {
    let few = Rlimit { current: Some(32), maximum: Some(32) };
    prlimit(Pid::from_raw(relay.pid().try_into().unwrap()), Resource::Nofile, few).unwrap();
    let _crowd: Vec<_> = (0..500).map(|_| relay.connect()).collect();
    for _ in 0..5 {
        let told = match try_connect(other) {
            Ok(mut client) => client.read(&mut [0]).map_err(|error| error.kind()),
            Err(error) => Err(error.kind()),
        };
        assert_eq!(told, Err(ErrorKind::ConnectionReset));
    }
}

/// Where descriptors are exhausted, a client of either family learns of it, however many of the
/// other one wait.
#[test]
fn a_lack_of_descriptors_is_told_to_both_families() {
    let _ = raise_descriptor_limit();
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    demand_that_a_lack_of_descriptors_is_told(&relay, (Ipv6Addr::LOCALHOST, relay.port()).into());
}

/// So does a client of another port of the range.
#[test]
fn a_lack_of_descriptors_is_told_at_every_port() {
    let _ = raise_descriptor_limit();
    Namespace::new().run(|| {
        let _service = Service::on(TcpListener::bind(("127.0.0.1", 9000)).unwrap(), echo);
        let relay = Launch::to("127.0.0.1").range("8000-8001:9000-9001").start();
        demand_that_a_lack_of_descriptors_is_told(&relay, ([127, 0, 0, 1], 8001).into());
    });
}
