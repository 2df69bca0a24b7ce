//! Many at once, and what TCP's timers do to few.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use assemble_proxy::config::Engine;
use assemble_proxy::sys::raise_descriptor_limit;
use nix::libc::EINPROGRESS;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use rustix::process::getuid;
use rustix::thread::set_thread_res_uid;
use socket2::{Domain, Socket, Type};

use crate::namespace::Namespace;
use crate::pauses::OnDrop;
use crate::peers::{KIB, MIB, peers};
use crate::process::Launch;
use crate::relay::{Near, Route, Setup};
use crate::setups::{at_once, every_engine};
use crate::sockets::{End, PATIENCE, accept, answer, eventually, limited, read_all};
use crate::targets::{Closed, Service, echo};

/// Clients that all come while the relay is not looking are all served.
#[test]
fn many_clients_at_once_are_all_served() {
    crowd(500);
}

#[test]
#[ignore = "long: make soak"]
fn thousands_of_clients_at_once_are_all_served() {
    // As many as the kernel queues for one listener by default (net.core.somaxconn).
    crowd(crate::scaled(4_000));
}

/// No more than half of the descriptors that a process may have by default.
#[test]
#[ignore = "long: make soak"]
fn a_flood_of_clients_is_served() {
    let _ = raise_descriptor_limit();
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    // None waits for the one before: more come than the kernel queues, and those try again.
    let begin = |n: u32| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let begun = socket.connect(&relay.addr().into());
        assert!(begun.is_ok() || begun.unwrap_err().raw_os_error() == Some(EINPROGRESS));
        (n, TcpStream::from(socket))
    };
    let clients: Vec<_> = (0..crate::scaled(9_000)).map(begin).collect();
    for (n, client) in clients {
        let mut writable = [PollFd::new(client.as_fd(), PollFlags::POLLOUT)];
        let patience = PollTimeout::try_from(PATIENCE).unwrap();
        assert_eq!(poll(&mut writable, patience).unwrap(), 1, "client {n} was not let in");
        assert!(client.take_error().unwrap().is_none(), "client {n} was refused");
        client.set_nonblocking(false).unwrap();
        let client = limited(client);
        (&client).write_all(&n.to_le_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&client), (n.to_le_bytes().to_vec(), End::Finished));
    }
}

fn crowd(count: u32) {
    let _ = raise_descriptor_limit();
    let service = Service::start(echo);
    let relay = Launch::to(service.addr()).start();
    relay.signal(Signal::SIGSTOP);
    let clients: Vec<_> = (0..count)
        .map(|n| {
            let client = relay.connect();
            (&client).write_all(&n.to_le_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client
        })
        .collect();
    relay.signal(Signal::SIGCONT);
    for (n, client) in (0..count).zip(clients) {
        assert_eq!(read_all(&client), (n.to_le_bytes().to_vec(), End::Finished));
    }
}

/// More clients than the kernel queues have their requests to connect dropped, send them again
/// after a second, and are served.
#[test]
fn clients_beyond_the_queue_are_served_later() {
    let namespace = Namespace::new();
    namespace.sysctl("core/somaxconn", "16");
    // On a busy machine it lets some in by a cookie in place of that (tcp(7), `tcp_syncookies`), and resets those
    // whose end comes before it has room for their first words, with or without a relay.
    namespace.sysctl("ipv4/tcp_syncookies", "0");
    let service = Service::on(namespace.run(|| TcpListener::bind("127.0.0.1:0").unwrap()), echo);
    let relay = Launch::to(service.addr()).inside(&namespace).start();
    relay.signal(Signal::SIGSTOP);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..40).map(|_| scope.spawn(|| relay.connect())).collect();
        eventually("the queue has overflowed", PATIENCE, || namespace.tcp_ext_counter("ListenOverflows") > 0);
        relay.signal(Signal::SIGCONT);
        for client in clients {
            let client = client.join().unwrap();
            (&client).write_all(b"late").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_all(&client), (b"late".to_vec(), End::Finished));
        }
    });
}

/// The metrics count what has happened.
#[test]
fn the_metrics_count_what_has_happened() {
    let target = Closed::new();
    let relay = Launch::to(target.addr()).with_metrics().start();
    assert_eq!(answer(relay.addr()), (Vec::new(), End::Reset));
    eventually("the connection has ended", PATIENCE, || relay.metric("connections_active") == 0);
    assert_eq!(relay.metric(r#"connections_failed_total{reason="refused"}"#), 1);
    let target = target.open();
    let (mut near, mut far) = peers(relay.connect(), accept(&target), 3);
    near.exchange(&mut far, KIB);
    near.send(10);
    far.expect(10);
    assert_eq!(relay.metric("connections_opened_total"), 2);
    assert_eq!(relay.metric("connections_active"), 1);
    assert_eq!(relay.metric(r#"bytes_total{direction="up"}"#), KIB + 10);
    assert_eq!(relay.metric(r#"bytes_total{direction="down"}"#), KIB);
    assert_eq!(relay.metric("dial_seconds_count"), 1);
    near.reset();
    far.expect_reset();
    eventually("the connection has ended", PATIENCE, || relay.metric("connections_active") == 0);
    assert_eq!(relay.metric(r#"connections_failed_total{reason="reset"}"#), 1);
}

every_engine! {
    /// A stream that takes all it can get leaves room for many small exchanges.
    fn a_fire_hose_starves_nobody(setup: Setup) {
        let route = setup.relay();
        let (mut hose, mut drain) = route.open();
        let mut pingers: Vec<_> = (0..40).map(|_| route.open()).collect();
        let (enough, poured) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    hose.send(MIB);
                    poured.fetch_add(MIB, Ordering::Relaxed);
                }
                hose.finish();
            });
            scope.spawn(|| drain.incoming.rest());
            // An exchange that fails must not leave the hose running.
            let _enough = OnDrop(&enough);
            let poured = || poured.load(Ordering::Relaxed);
            eventually("the hose runs", PATIENCE, || poured() > 0);
            let (before, mut rounds) = (poured(), 0);
            // Starving either would take minutes.
            eventually("400 exchanges beside a MiB and more", PATIENCE, || {
                pingers.iter_mut().for_each(|(near, far)| near.exchange(far, 64));
                rounds += 1;
                rounds >= 10 && poured() > before + MIB
            });
        });
        assert_eq!(drain.incoming.received(), hose.outgoing.sent());
    }
}

at_once! {
    either_way:

    /// Connections spread over threads are served like those of one.
    fn several_threads_serve_like_one(setup: Setup) {
        let route = setup.configured(|config| config.threads = 3.try_into().unwrap()).relay();
        let pairs: Vec<_> = (0..9).map(|_| route.open()).collect();
        std::thread::scope(|scope| {
            for (mut near, mut far) in pairs {
                scope.spawn(move || super::bytes::both_ways(&mut near, &mut far, 3 * MIB));
            }
        });
        route.relay.wait_for_closed(9);
        assert_eq!(route.relay.stats().bytes_up.get(), 27 * MIB);
    }
}

/// The pipes of one user are counted across the host: while another process has used up that
/// quota streams go on by copy, and are spliced again when it has let go.
#[test]
fn a_quota_of_pipes_used_up_by_others_slows_only() {
    assert!(getuid().is_root(), "this test lends its threads to another user: run it as root");
    // Nobody else's, and without the rights that would lift the quota.
    let user = rustix::process::Uid::from_raw(1_900_000_000 + std::process::id());
    let become_user = move || set_thread_res_uid(user, user, user).unwrap();
    let eat = move || {
        become_user();
        let mut pipes = Vec::new();
        // 64 of 1 MiB are the default quota (pipe(7), pipe-user-pages-soft).
        while let Ok(pipe) = assemble_proxy::sys::Pipe::new(MIB.try_into().unwrap()) {
            let small = pipe.capacity() <= 8 * 1024;
            pipes.push(pipe);
            if small {
                break;
            }
        }
        pipes
    };
    let eaten = std::thread::spawn(eat).join().unwrap();
    let routes = [Engine::Splice, Engine::Auto]
        .map(|engine| Setup::new(engine, Near::Client).prepared(become_user).relay());
    // A stream through each; says how often one was denied a pipe.
    let fallbacks = |route: &Route| {
        let before = route.relay.stats().fallbacks.get();
        let (mut near, mut far) = route.open();
        super::bytes::both_ways(&mut near, &mut far, 8 * MIB);
        route.relay.stats().fallbacks.get() - before
    };
    for route in &routes {
        assert!(fallbacks(route) > 0, "there were pipes to be had");
    }
    drop(eaten);
    for route in &routes {
        eventually("streams are spliced again", PATIENCE, || fallbacks(route) == 0);
    }
}
