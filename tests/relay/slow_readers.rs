//! Readers that are slower than their writers: it is the writer that waits.

use std::net::TcpListener;
use std::time::Duration;

use crate::peers::{KIB, MIB, Peer, peers};
use crate::process::Launch;
use crate::procfs::{anonymous_memory, is_idle, sleeps};
use crate::relay::Near;
use crate::resources::{ENGINES, Route};
use crate::sockets::{PATIENCE, accept, eventually};

/// User memory that a slow reader may cost: a buffer of 64 KiB, and a page here and there for what a
/// connection needs when it waits.
const COST: u64 = (64 + 16) * KIB;

/// A slow reader costs the relay one pipe or one buffer, however much the writer has to say.
#[test]
fn a_slow_reader_costs_one_pipe() {
    with_every_engine_and_reader(|engine, reader| {
        slow_reader(engine, reader, 100 * KIB, Duration::from_millis(200), 5);
    });
}

/// One that takes a kilobyte a second for ten minutes is as cheap.
#[test]
#[ignore = "waits: make soak"]
fn a_reader_of_a_kilobyte_a_second_costs_one_pipe() {
    with_every_engine_and_reader(|engine, reader| {
        slow_reader(engine, reader, KIB, Duration::from_secs(1), crate::scaled(600));
    });
}

/// One that takes a little at a time of what was read and written long ago is not idle.
#[test]
#[ignore = "waits: make soak"]
fn a_slow_reader_outlasts_the_idle_timeout() {
    with_every_engine_and_reader(|engine, reader| {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let args = ["--engine", engine, "--idle-timeout", "2"];
        let relay = Launch::to(target.local_addr().unwrap()).args(args).start();
        let (client, server) = peers(relay.connect(), accept(&target), 1);
        let (mut writer, mut reader) = writer_and_reader((client, server), reader);
        let size = 2 * MIB * u64::from(crate::scaled(100)) / 100;
        writer.send(size);
        for _ in 0..size / (4 * KIB) {
            std::thread::sleep(Duration::from_millis(50));
            reader.expect(4 * KIB);
        }
        writer.finish();
        reader.expect(size % (4 * KIB));
        reader.expect_end();
    });
}

/// What a writer goes on to send while its reader takes nothing stays where it is, and wakes nobody.
#[test]
fn what_comes_for_a_reader_that_waits_wakes_nobody() {
    with_every_engine_and_reader(|engine, reader| {
        let route = Route::new(engine);
        let pid = route.relay.pid();
        let (mut writer, _reader) = writer_and_reader(route.open(), reader);
        // So many steps in a row that woke nobody. Now and then the reader's kernel finds some more room, and
        // the count of sleeps is a moment behind.
        let mut asleep = 0;
        while asleep < 10 {
            let before = sleeps(pid);
            // The room that the relay's kernel has for what is not read is 64 KiB at least.
            writer.send(if asleep < 2 { 16 * KIB } else { KIB });
            writer.wait_until_received();
            eventually("the relay waits", PATIENCE, || is_idle(pid));
            asleep = if sleeps(pid) == before { asleep + 1 } else { 0 };
        }
    });
}

/// Which of the client and the server is which.
fn writer_and_reader((client, server): (Peer, Peer), reader: Near) -> (Peer, Peer) {
    match reader {
        Near::Client => (server, client),
        Near::Server => (client, server),
    }
}

/// At the same time, since they mostly wait.
fn with_every_engine_and_reader(case: fn(&str, Near)) {
    std::thread::scope(|scope| {
        for engine in ENGINES {
            for reader in [Near::Client, Near::Server] {
                let named = std::thread::Builder::new().name(format!("{engine} engine, {reader:?} reads"));
                named.spawn_scoped(scope, move || case(engine, reader)).unwrap();
            }
        }
    });
}

/// The most that the kernel keeps of what is on its way through a relay: as much of each connection's
/// as it lets a sender's and a receiver's buffer grow (tcp(7)), which it does as it sees fit.
fn kernel_room() -> u64 {
    let most = |of: &str| -> u64 {
        let sizes = std::fs::read_to_string(format!("/proc/sys/net/ipv4/tcp_{of}")).unwrap();
        sizes.split_whitespace().next_back().unwrap().parse().unwrap()
    };
    2 * (most("wmem") + most("rmem"))
}

/// Reads `size` bytes each time after a pause, while the other end writes as much as it can.
fn slow_reader(engine: &str, reader: Near, size: u64, pause: Duration, times: u32) {
    let route = Route::new(engine);
    let (mut client, mut server) = route.open();
    client.exchange(&mut server, KIB);
    let (mut writer, mut reader) = writer_and_reader((client, server), reader);
    let (memory, before) = (anonymous_memory(route.relay.pid()), route.descriptors());
    writer.outgoing.send_until_blocked();
    let room = kernel_room();
    for _ in 0..times {
        std::thread::sleep(pause);
        reader.expect(size);
        writer.outgoing.offer(u64::from(u32::MAX));
        let waiting = writer.outgoing.sent() - reader.incoming.received();
        assert!(waiting < room + MIB, "{waiting} bytes wait for the reader, in room for {room}");
        let grown = anonymous_memory(route.relay.pid()).saturating_sub(memory);
        assert!(grown <= COST, "{grown} bytes more");
        assert!(route.descriptors().pipe_ends <= before.pipe_ends + 2);
    }
    writer.finish();
    reader.expect(writer.outgoing.sent() - reader.incoming.received());
    reader.expect_end();
}

/// What each says or takes at a time is nobody's but theirs: what is left of it is held in the same room.
#[test]
fn amounts_of_all_sizes_cost_one_buffer() {
    for reader in [Near::Client, Near::Server] {
        let route = Route::new("copy");
        let (mut client, mut server) = route.open();
        client.exchange(&mut server, KIB);
        let (mut writer, mut reader) = writer_and_reader((client, server), reader);
        let memory = anonymous_memory(route.relay.pid());
        writer.outgoing.send_until_blocked();
        for turn in 0..500 {
            reader.expect(1 + turn * 7919 % (64 * KIB));
            writer.outgoing.offer(1 + turn * 104_729 % (64 * KIB));
            let grown = anonymous_memory(route.relay.pid()).saturating_sub(memory);
            assert!(grown <= COST, "turn {turn}: {grown} bytes more");
        }
    }
}
