//! Both ends of the dialer's socket over real sockets, each against somebody hostile: whatever
//! comes, with whatever descriptors, a dialer grants only what it may, a relay takes only what it
//! asked for, and neither keeps a descriptor.
//!
//! `client` plays those who ask, `answerer` those who answer; `cargo` is what both can send.

#![no_main]

mod answerer;
mod cargo;
mod client;

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use assemble_proxy::config::CongestionControl;
use assemble_proxy::dialer::{DialServer, DialServerConfig};
use libfuzzer_sys::fuzz_target;
use socket2::SockRef;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use answerer::Answers;
use client::Client;

/// What nothing here takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Arbitrary, Debug)]
enum Scene {
    /// Clients of a dialer, one after another.
    Clients(Vec<Client>),
    /// A dialer, asked by a relay.
    Answers(Answers),
}

fuzz_target!(|scene: Scene| STAGE.runtime.block_on(async {
    let before = descriptors();
    // What was dialled for one who gave up may be heard of only now.
    while STAGE.accept().is_some() {}
    match scene {
        Scene::Clients(clients) => {
            for client in clients.into_iter().take(4) {
                client.play(&STAGE).await;
            }
        }
        Scene::Answers(answers) => answers.play(&STAGE).await,
    }
    until("descriptors are closed", || (descriptors() <= before).then_some(())).await;
}));

/// What all scenes have in common.
struct Stage {
    runtime: Runtime,
    /// The only port that the dialer may dial.
    target: TcpListener,
    port: u16,
    /// Where the dialer listens.
    helper: PathBuf,
    /// Where a relay looks for one and finds somebody else.
    impostor: OwnedFd,
    false_one: PathBuf,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port");
    target.set_nonblocking(true).expect("a listener can be told not to wait");
    let port = target.local_addr().expect("a listener has an address").port();
    let path = |name: &str| std::env::temp_dir().join(format!("fuzz-{name}-{}.sock", std::process::id()));
    let (helper, false_one) = (path("dialer"), path("impostor"));
    let config = DialServerConfig {
        socket: helper.clone(),
        allow: port.to_string().parse().expect("a port is a list"),
        peer_uid: None,
        connect_timeout: PATIENCE,
        congestion_control: CongestionControl::Auto,
    };
    runtime.block_on(async {
        tokio::spawn(
            DialServer::bind(config).expect("a path in the temporary directory").run(std::future::pending()),
        );
    });
    // Now, so that it is not taken for a descriptor that a scene has left.
    LazyLock::force(&cargo::OTHER);
    let impostor = cargo::packet_socket();
    let _ = fs::remove_file(&false_one);
    let address = socket2::SockAddr::unix(&false_one).expect("a short path");
    SockRef::from(&impostor).bind(&address).expect("a path in the temporary directory");
    SockRef::from(&impostor).listen(16).expect("a bound socket listens");
    Stage { runtime, target, port, helper, impostor, false_one }
});

impl Stage {
    /// So many connections reach the target and no more. Each is broken, so that none uses up a
    /// port in `TIME_WAIT`.
    async fn expect_connections(&self, wanted: usize) {
        self.expect_some_connections(wanted..=wanted).await;
    }

    /// The same for at least and at most so many.
    async fn expect_some_connections(&self, wanted: RangeInclusive<usize>) {
        for n in 0.. {
            let stream = if n < *wanted.start() {
                until("a connection reaches the target", || self.accept()).await
            } else if let Some(stream) = self.accept() {
                stream
            } else {
                return;
            };
            assert!(n < *wanted.end(), "something was dialled that nobody has");
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a connection can be broken");
        }
    }

    async fn accept_at_the_impostor(&self) -> OwnedFd {
        let accepted = until("the relay asks", || SockRef::from(&self.impostor).accept().ok()).await;
        accepted.0.set_nonblocking(true).expect("a socket can be told not to wait");
        accepted.0.into()
    }

    fn accept(&self) -> Option<TcpStream> {
        self.target.accept().ok().map(|(stream, _)| stream)
    }
}

/// How many descriptors this process has.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("proc is mounted").count()
}

/// Waits, while the runtime goes on with everything else.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    for turn in 0_u32.. {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not so");
        match turn {
            0..20 => yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    unreachable!("it waits for less")
}
