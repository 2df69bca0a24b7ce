//! Connecting to the target: what the client sees while it takes time, and when it fails.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use assemble_contract::{Mapping, Port};
use assemble_proxy::config::Config;
use assemble_proxy::server::{Server, ServerError};
use assemble_proxy::upstream::UpstreamError;

use crate::peers::{KIB, MIB, peers};
use crate::relay::{Near, Setup};
use crate::setups::{at_once, every_engine};
use crate::sockets::{End, PATIENCE, accept, accept_within, answer, connect, eventually, read_all, reset};
use crate::targets::{Closed, Crowded};

every_engine! {
    /// A target that refuses shows to the client as a reset, and never as an empty
    /// stream that ends in good order.
    fn a_refusal_is_a_reset(setup: Setup) {
        let target = Closed::new();
        let relay = setup.relay_to(target.addr());
        assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
        relay.wait_for_closed(1);
        assert_eq!(relay.stats().refused.get(), 1);
    }

    /// A target that refused is asked again by the next connection.
    fn a_target_that_comes_up_is_reached(setup: Setup) {
        let target = Closed::new();
        let relay = setup.relay_to(target.addr());
        assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
        let target = target.open();
        let client = connect(relay.addr());
        let (mut near, mut far) = peers(client, accept(&target), 1);
        near.exchange(&mut far, KIB);
    }

    /// A target that says why and resets at once, as servers do that are full, is heard: its
    /// words may be there before the relay knows that it is connected.
    fn last_words_of_a_target_that_resets_at_once_are_heard(setup: Setup) {
        let route = setup.relay();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..100 {
                    let mut server = accept(&route.target);
                    std::io::Write::write_all(&mut server, b"full").unwrap();
                    reset(server);
                }
            });
            for _ in 0..100 {
                assert_eq!(answer(route.relay.addr()), (b"full".to_vec(), End::Reset));
            }
        });
    }

    /// More connections than are allowed at once wait their turn.
    fn connections_beyond_the_limit_wait_their_turn(setup: Setup) {
        let route = setup.configured(|config| config.max_connections = 1).relay();
        let (mut first, mut target) = route.open();
        first.exchange(&mut target, 10);
        let waiting = connect(route.relay.addr());
        assert!(accept_within(&route.target, Duration::from_millis(300)).is_none());
        drop((first, target));
        let (mut near, mut far) = peers(waiting, accept(&route.target), 3);
        near.exchange(&mut far, 10);
    }
}

at_once! {
    every_engine:

    /// A target that does not answer at all costs the client the limit and no more.
    fn a_silent_target_is_given_up_after_the_limit(setup: Setup) {
        const LIMIT: Duration = Duration::from_secs(1);
        let target = Crowded::new();
        let relay = setup.configured(|config| config.connect_timeout = LIMIT).relay_to(target.addr());
        let asked = Instant::now();
        assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
        let took = asked.elapsed();
        // The kernel would try for two minutes, for longer than the client waits.
        assert!(took > LIMIT.mul_f32(0.9), "{took:?}");
        assert_eq!(relay.stats().unreachable.get(), 1);
    }

    /// What a client sends while the target is being reached arrives whole.
    fn bytes_sent_during_a_slow_dial_arrive_whole(setup: Setup) {
        let target = Crowded::new();
        let relay = setup.relay_to(target.addr());
        let client = connect(relay.addr());
        // Beyond the first repetition, after one second: the next one comes two seconds later.
        std::thread::sleep(Duration::from_millis(1500));
        // The far end is a placeholder until the target has let the relay in.
        let (mut near, _) = peers(client.try_clone().unwrap(), client.try_clone().unwrap(), 7);
        std::thread::scope(|scope| {
            scope.spawn(|| near.send(MIB));
            let (_, mut far) = peers(client, accept(target.make_room()), 7);
            far.expect(MIB);
        });
    }

    /// A client that resets while the target is being reached is forgotten at once.
    fn a_reset_cancels_the_dial(setup: Setup) {
        let target = Crowded::new();
        let relay = setup.relay_to(target.addr());
        let client = connect(relay.addr());
        eventually("the relay dials", PATIENCE, || relay.stats().accepted.get() == 1);
        reset(client);
        // The limit of this wait is shorter than that of the dial.
        relay.wait_for_closed(1);
        assert_eq!(relay.stats().reset.get(), 1);
        let came = accept_within(target.make_room(), Duration::from_millis(1500));
        assert!(came.is_none(), "the relay connected for a client that was gone");
    }

    /// A client that has said all it will say while the target is being reached still gets its
    /// answer.
    fn an_end_of_stream_does_not_cancel_the_dial(setup: Setup) {
        let target = Crowded::new();
        let relay = setup.relay_to(target.addr());
        let client = connect(relay.addr());
        std::io::Write::write_all(&mut &client, b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let server = accept(target.make_room());
        assert_eq!(read_all(&server), (b"question".to_vec(), End::Finished));
        std::io::Write::write_all(&mut &server, b"answer").unwrap();
        drop(server);
        assert_eq!(read_all(&client), (b"answer".to_vec(), End::Finished));
    }
}

/// A relay whose target is its own listener, by whatever name, would connect to itself until its
/// descriptors are used up: it does not start.
#[test]
fn a_relay_to_itself_does_not_start() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let names: [IpAddr; 6] = [
        Ipv4Addr::LOCALHOST.into(),
        Ipv4Addr::new(127, 9, 9, 9).into(),
        Ipv6Addr::LOCALHOST.into(),
        // connect(2) takes the unspecified address for this host.
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    for ip in names {
        let config = Config::new(Mapping::one(
            Port::new(port).unwrap(),
            SocketAddr::new(ip, port).to_string().parse().unwrap(),
        ));
        let refusal = Server::bind(&config).unwrap_err();
        let itself = matches!(refusal, ServerError::Upstream(UpstreamError::Itself { .. }));
        assert!(itself, "{ip}: {refusal}");
    }
}

/// A reset of the server before it has said a word is a reset for the client, and a close in
/// good order is an end of stream: the client can tell the two apart.
#[test]
fn a_target_that_hangs_up_at_once_shows_how() {
    let route = Setup::new(assemble_proxy::config::Engine::Auto, Near::Client).relay();
    let client = connect(route.relay.addr());
    drop(accept(&route.target));
    assert_eq!(read_all(&client), (Vec::new(), End::Finished));
    let client = connect(route.relay.addr());
    reset(accept(&route.target));
    assert_eq!(read_all(&client), (Vec::new(), End::Reset));
}
