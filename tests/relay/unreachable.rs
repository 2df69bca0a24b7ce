//! Targets that cannot be reached: what it costs the client, and the relay.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::container::{RESET, World, open};
use crate::peers::{KIB, peers};
use crate::process::{Launch, Process};
use crate::procfs::{cpu, descriptors};
use crate::sockets::{PATIENCE, accept, eventually, limited, read_all};

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
    // Nobody waits for longer than `PATIENCE`, half of the kernel's time.
    assert!(times.iter().all(|took| *took > LIMIT.mul_f32(0.9)), "{times:?}");
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
        // Perhaps with the last question whether it serves.
        let before = descriptors(relay.pid()).sockets;
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
        eventually("its descriptors are given back", PATIENCE, || descriptors(relay.pid()).sockets <= before);
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

/// Connects from a port of the client's choice, where the kernel may have none to give.
fn connect_from(port: u16, relay: &Process) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.connect(&relay.addr().into())?;
    Ok(limited(socket.into()))
}
