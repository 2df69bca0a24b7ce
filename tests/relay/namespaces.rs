//! Gateways and routes that change under a running relay.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::namespace::Namespace;
use crate::peers::{KIB, Peer, peers};
use crate::process::{Launch, Process};
use crate::procfs::{cpu, descriptors};
use crate::relay::{Setup, at_once};
use crate::sockets::{
    End, PATIENCE, accept, accept_within, answer, eventually, limited, read_all, try_connect,
};

/// A container's namespace and that of its host, joined by a link.
struct World {
    container: Namespace,
    host: Namespace,
}

impl World {
    fn new() -> Self {
        let (container, host) = (Namespace::new(), Namespace::new());
        container.link(("eth0", "198.18.0.2/24"), &host, ("veth0", "198.18.0.1/24"));
        // The address of a second gateway.
        host.ip("address add 198.18.0.3/24 dev veth0");
        Self { container, host }
    }

    fn with_route() -> Self {
        let world = Self::new();
        world.container.ip("route add default via 198.18.0.1");
        world
    }

    fn listen(&self, addr: &str) -> TcpListener {
        self.host.run(|| TcpListener::bind(addr).unwrap())
    }

    /// What a client inside gets that connects to the relay and says nothing.
    fn answer(&self, relay: &Process) -> (Vec<u8>, End) {
        self.container.run(|| answer(relay.addr()))
    }

    /// How long it takes from now on until new connections come out at `target`.
    #[track_caller]
    fn time_to_reach(&self, target: &TcpListener, relay: &Process) -> Duration {
        let started = Instant::now();
        // Of those that came too early the last time.
        while accept_within(target, Duration::from_millis(1)).is_some() {}
        eventually("new connections come out there", PATIENCE, || {
            // Those that come too early are reset, or come out elsewhere.
            let client = self.container.run(|| try_connect(relay.addr()));
            client.is_ok() && accept_within(target, Duration::from_millis(50)).is_some()
        });
        started.elapsed()
    }
}

/// The quickest of a few rounds: a busy machine may be late at one, what is slow by itself is late
/// at all of them.
fn quickest(round: impl FnMut(u32) -> Duration) -> Duration {
    (0..3).map(round).min().unwrap()
}

const RESET: (Vec<u8>, End) = (Vec::new(), End::Reset);

#[track_caller]
fn open(relay: &Process, target: &TcpListener) -> (Peer, Peer) {
    let (mut near, mut far) = peers(relay.connect(), accept(target), 5);
    near.exchange(&mut far, KIB);
    (near, far)
}

/// Connects from a port of the client's choice, where the kernel may have none to give.
fn connect_from(port: u16, relay: &Process) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.connect(&relay.addr().into())?;
    Ok(limited(socket.into()))
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
    let took = quickest(|round| {
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
    assert!(took < Duration::from_secs(1), "{took:?}");
    open(&relay, &target);
    near.exchange(&mut far, KIB);
}

/// A relay that may wait for its gateway starts without one: clients are reset until there is a
/// route, and served by the same process soon after.
#[test]
fn a_gateway_may_come_later() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    let took = quickest(|_| {
        let mut relay = Launch::to("gateway").args(["--wait-for-gateway"]).inside(&world.container).start();
        assert_eq!(world.answer(&relay), RESET);
        world.container.ip("route add default via 198.18.0.1");
        let took = world.time_to_reach(&target, &relay);
        open(&relay, &target);
        assert!(relay.is_running());
        world.container.ip("route del default");
        took
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// New connections go to a new gateway; those of before stay where they are.
#[test]
fn a_new_gateway_gets_the_new_connections() {
    let world = World::with_route();
    let (old, new) = (world.listen("198.18.0.1:5000"), world.listen("198.18.0.3:5000"));
    let relay = Launch::to("gateway").inside(&world.container).start();
    let (mut near, mut far) = open(&relay, &old);
    let took = quickest(|round| {
        let (gateway, target) = [("198.18.0.3", &new), ("198.18.0.1", &old)][round as usize % 2];
        world.container.ip(&format!("route replace default via {gateway}"));
        let took = world.time_to_reach(target, &relay);
        open(&relay, target);
        near.exchange(&mut far, KIB);
        took
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// A namespace that has lost its interfaces is that of a container that has ended: nobody will
/// come any more, so the relay ends too, and not with success.
#[test]
fn a_relay_does_not_outlive_its_namespace() {
    let world = World::with_route();
    let mut relay = Launch::to("gateway").inside(&world.container).start();
    world.container.ip("link del eth0");
    assert_eq!(relay.wait(Duration::from_secs(2)).code(), Some(1));
    let want = "assemble-proxy: the network namespace has lost its interfaces: port 5000 leads nowhere";
    assert_eq!(relay.log().lines().last().unwrap(), want);
}

/// A gateway that swallows everything costs a client the limit and not the kernel's two minutes.
#[test]
fn a_black_hole_is_given_up_after_the_limit() {
    const LIMIT: Duration = Duration::from_secs(2);
    let world = World::new();
    world.container.ip("neigh add 198.18.0.9 lladdr 02:00:00:00:00:09 dev eth0");
    world.container.ip("route add default via 198.18.0.9");
    let relay = Launch::to("gateway").args(["--connect-timeout", "2"]).inside(&world.container).start();
    let times: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            let asked = Instant::now();
            assert_eq!(world.answer(&relay), RESET);
            asked.elapsed()
        };
        // Not all at the same moment, in which the machine may be busy.
        let clients: Vec<_> = (0..5)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(100));
                scope.spawn(ask)
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let quickest = *times.iter().min().unwrap();
    assert!(quickest > LIMIT.mul_f32(0.9) && quickest < LIMIT.mul_f32(1.1), "{times:?}");
    assert!(times.iter().all(|took| *took < LIMIT * 3), "{times:?}");
}

/// A target that cannot be reached is a reset, whatever the kernel says of it, and the relay goes
/// on: it is asked again by the next client.
#[test]
fn an_unreachable_target_is_asked_again() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    let relay = Launch::to("198.18.0.1").with_metrics().inside(&world.container).start();
    // EHOSTUNREACH, EACCES, EINVAL and ENETUNREACH (ip-route(8)).
    for (kind, failed) in ["unreachable", "prohibit", "blackhole", "throw"].into_iter().zip(1..) {
        world.container.ip(&format!("route add {kind} 198.18.0.1/32"));
        // What "throw" leaves to the other tables is nowhere else.
        assert_eq!(world.answer(&relay), RESET, "{kind}");
        let counted = || relay.metric(r#"connections_failed_total{reason="unreachable"}"#) == failed;
        eventually("it is counted", PATIENCE, counted);
        world.container.ip(&format!("route del {kind} 198.18.0.1/32"));
        open(&relay, &target);
    }
}

/// Nor is one that nobody answers for on its own network, which the kernel finds out in seconds.
#[test]
fn a_target_that_is_switched_off_is_a_reset() {
    let world = World::new();
    let relay = Launch::to("198.18.0.77").inside(&world.container).start();
    assert_eq!(world.answer(&relay), RESET);
    world.host.ip("address add 198.18.0.77/24 dev veth0");
    let target = world.listen("198.18.0.77:5000");
    open(&relay, &target);
}

/// A port of this host that nobody listens on may be given to its own caller: that is not a
/// server, and the client is told so. It costs nothing that lasts.
#[test]
fn a_connection_that_meets_itself_is_reset() {
    let world = World::new();
    for target in ["127.0.0.1:40001", "[::1]:40001", "0.0.0.0:40001", "198.18.0.2:40001"] {
        world.container.sysctl("ipv4/ip_local_port_range", "40001 40001");
        let relay = Launch::to(target).with_metrics().inside(&world.container).start();
        let before = descriptors(relay.pid());
        for port in 30_000..30_005 {
            // An echo is what a connection would give that is its own peer.
            let echo = || {
                let mut stream = connect_from(port, &relay)?;
                stream.write_all(b"echo")?;
                stream.read(&mut [0; 4])
            };
            let echoed = world.container.run(echo).map_err(|error| error.kind());
            assert!(
                matches!(echoed, Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)),
                "{target}: {echoed:?}"
            );
        }
        assert_eq!(relay.metric(r#"connections_failed_total{reason="loop"}"#), 5, "{target}");
        eventually("its descriptors are given back", PATIENCE, || descriptors(relay.pid()) == before);
        assert_idle(&relay);
    }
}

/// With all local ports in use further clients are reset; as ports come back so does service.
#[test]
fn local_ports_that_run_out_cost_only_further_clients() {
    let world = World::new();
    let target = world.listen("198.18.0.1:5000");
    let relay = Launch::to("198.18.0.1").with_metrics().inside(&world.container).start();
    world.container.sysctl("ipv4/ip_local_port_range", "40000 40099");
    let client = |port| world.container.run(|| connect_from(port, &relay).unwrap());
    let mut pairs = Vec::new();
    for port in 20_000..20_100 {
        pairs.push(peers(client(port), accept(&target), port.into()));
    }
    for port in 20_100..20_200 {
        let refused = world.container.run(|| connect_from(port, &relay));
        assert!(refused.is_err() || read_all(&refused.unwrap()) == RESET);
    }
    let counted = || relay.metric(r#"connections_failed_total{reason="unreachable"}"#) == 100;
    eventually("they are counted", PATIENCE, counted);
    assert_idle(&relay);
    for (near, far) in &mut pairs {
        near.exchange(far, KIB);
    }
    let (near, mut far) = pairs.pop().unwrap();
    near.reset();
    far.expect_reset();
    let (mut near, mut far) = peers(client(20_200), accept(&target), 7);
    near.exchange(&mut far, KIB);
}

/// A relay that has nothing to do does nothing.
#[track_caller]
fn assert_idle(relay: &Process) {
    let used = cpu(relay.pid());
    std::thread::sleep(Duration::from_millis(500));
    let used = cpu(relay.pid()) - used;
    assert!(used <= Duration::from_millis(20), "{used:?} in half a second of nothing to do");
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
