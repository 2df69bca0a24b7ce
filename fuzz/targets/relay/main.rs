//! One relayed connection over real sockets, against what a transparent one would do: every byte
//! in its place, an end of stream for an end of stream, a reset for a reset.
//!
//! Client and server are played by one thread, which also runs the relay, so the order of all
//! that happens is the input's. `peer` is one of the two and judges what it sees; `script` is
//! what an input can say; this file plays it.

#![no_main]

#[path = "../../../tests/support/pattern.rs"]
mod pattern;
mod peer;
mod script;
#[allow(dead_code, reason = "other tests want more of it")]
#[path = "../../../tests/support/tcp_info.rs"]
mod tcp_info;

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use assemble_proxy::config::Engine;
use assemble_proxy::keepalive::Keepalive;
use assemble_proxy::relay::{Ending, Options, Relayed, relay};
use assemble_proxy::stats::Stats;
use assemble_proxy::sys::Socket;
use libfuzzer_sys::fuzz_target;
use socket2::SockRef;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, yield_now};

use peer::{End, Gone, Peer};
use script::{Conversation, Side, Step};

/// What nothing here takes, however busy the machine: who waits for longer is stalled.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes received before a reset have a second to get through; on a machine that was busy for
/// about that long their loss proves nothing.
const PROMPT: Duration = Duration::from_millis(700);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    // A splice into a dead socket raises SIGPIPE. Rust programs ignore it, but here `main` is C++.
    let _ = runtime.block_on(async { signal(SignalKind::pipe()).expect("SIGPIPE can be caught") });
    runtime
});

fuzz_target!(|conversation: Conversation| RUNTIME.block_on(hold(conversation)));

async fn hold(conversation: Conversation) {
    let mut stage = Stage::set(&conversation);
    for step in &conversation.steps {
        stage.step(*step).await;
    }
    stage.end().await;
}

struct Stage {
    client: Peer,
    server: Peer,
    engine: Engine,
    relay: JoinHandle<Relayed>,
}

impl Stage {
    fn set(conversation: &Conversation) -> Self {
        thread_local! {
            // Every conversation has streams of its own, so that a byte of an earlier one shows.
            static SEED: Cell<u64> = const { Cell::new(0) };
        }
        let seed = SEED.get();
        SEED.set(seed + 2);

        let (client, from_client) = connected(seed).expect("loopback connects");
        let (to_server, server) = connected(seed).expect("loopback connects");
        for (stream, buffers) in
            [&client, &from_client, &to_server, &server].into_iter().zip(conversation.buffers)
        {
            buffers.apply(&SockRef::from(stream)).expect("buffers can be set");
        }
        for stream in [&from_client, &to_server] {
            // Before anything arrives, as listeners and dials do it: what is urgent is only kept
            // in line from then on.
            Socket::tune(stream.as_fd(), Keepalive::default()).expect("a socket can be tuned");
        }
        let engine = conversation.engine.into();
        let options = Options {
            engine,
            idle_timeout: conversation.timed.then_some(Duration::from_secs(3600)),
            ..Options::default()
        };
        let relay = tokio::spawn(serve(from_client.into(), to_server.into(), options));
        let (client, server) = (Peer::new(client, seed, seed + 1), Peer::new(server, seed + 1, seed));
        Self { client, server, engine, relay }
    }

    /// A side and the other one.
    fn pair(&mut self, side: Side) -> (&mut Peer, &mut Peer) {
        match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Turns(n) => {
                for _ in 0..=n % 8 {
                    yield_now().await;
                }
            }
            Step::Send(side, size) => self.pair(side).0.send(size.bytes()),
            Step::Urgent(side) => self.pair(side).0.send_urgent(),
            Step::Read(side, size) => {
                let (reader, writer) = self.pair(side);
                reader.read(size.bytes(), writer);
            }
            Step::Finish(side) => self.pair(side).0.finish(),
            Step::Close(side) => self.pair(side).0.close(),
            Step::Reset(side) => self.pair(side).0.reset(),
        }
    }

    /// Whoever is left ends in good order and reads all there is; nothing may hang.
    async fn end(mut self) {
        let started = Instant::now();
        if self.client.gone.is_none() && self.server.gone.is_none() {
            self.client.finish();
            self.server.finish();
        }
        let mut idle_turns = 0_u32;
        while !(self.relay.is_finished() && self.client.is_over() && self.server.is_over()) {
            assert!(started.elapsed() < PATIENCE, "stalled: {:?} and {:?}", self.client, self.server);
            let mut moved = false;
            for side in [Side::Client, Side::Server] {
                let (reader, writer) = self.pair(side);
                moved |= reader.read(usize::MAX, writer);
                if reader.end == Some(End::Finished) {
                    reader.finish();
                }
            }
            idle_turns = if moved { 0 } else { idle_turns + 1 };
            // What takes longer waits for a timer, the relay's or the kernel's.
            match idle_turns {
                0..20 => yield_now().await,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        let Self { client, server, engine, relay } = self;
        let relayed = relay.await.expect("a relay does not panic");
        judge(&client, &server, engine, &relayed);
    }
}

/// What the relay says of a conversation that is over.
fn judge(client: &Peer, server: &Peer, engine: Engine, relayed: &Relayed) {
    let Relayed { up, down, spliced, ending } = relayed;
    assert!(*up <= client.sent() && *up >= server.received(), "{up} bytes up");
    assert!(*down <= server.sent() && *down >= client.received(), "{down} bytes down");
    assert!(*spliced <= if engine == Engine::Copy { 0 } else { up + down });
    match (ending, client.gone, server.gone) {
        (Ending::Complete, ..) => {
            assert!(client.finished && server.finished, "complete, but not finished");
            assert_eq!((*up, *down), (client.sent(), server.sent()));
        }
        (Ending::Client(_), Some(_), _) | (Ending::Upstream(_), _, Some(_)) => {}
        (ending, ..) => panic!("{ending:?}, but {client:?} and {server:?}"),
    }
    for (peer, other) in [(client, server), (server, client)] {
        let Some(Gone { settled: true, at, .. }) = other.gone else { continue };
        // Its last bytes had reached the relay before it went, and this one was there for them.
        if peer.gone.is_none() && at.elapsed() < PROMPT {
            assert_eq!(peer.received(), other.sent(), "bytes that the relay had received were lost");
        }
    }
}

/// What a session does once it has both sockets.
async fn serve(client: OwnedFd, upstream: OwnedFd, options: Options) -> Relayed {
    let client = Socket::new(client).expect("a connected socket can be registered");
    let upstream = Socket::new(upstream).expect("a connected socket can be registered");
    relay(client, Arc::new(upstream), &options, &Stats::default()).await
}

/// Two ends of a connection.
///
/// Each has an address of its own: connections that are over may stay in TIME_WAIT for a minute,
/// there are thousands in a second, and no two of them may look alike.
fn connected(seed: u64) -> io::Result<(TcpStream, TcpStream)> {
    let [.., a, b, c] = seed.to_be_bytes();
    let listener = TcpListener::bind((Ipv4Addr::new(127, a, b, c | 1), 0))?;
    // As on a wire: a segment of loopback's is as big as a small buffer, and the acknowledgement
    // of a single one that fills it takes the kernel 40 ms.
    SockRef::from(&listener).set_tcp_mss(1448)?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, addr) = listener.accept()?;
    assert_eq!(addr, near.local_addr()?, "somebody else connects here");
    for end in [&near, &far] {
        end.set_nonblocking(true)?;
        end.set_nodelay(true)?;
    }
    Ok((near, far))
}
