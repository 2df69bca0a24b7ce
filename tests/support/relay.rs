//! Relays inside the test's own process, and pairs of peers they join.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use assemble_contract::{Mapping, Target};
use assemble_proxy::config::{Config, Engine};
use assemble_proxy::server::{Drained, Server, ServerError};
use assemble_proxy::service::Service;
use assemble_proxy::session::Shared;
use assemble_proxy::stats::Stats;
use nix::unistd::{Pid, gettid};
use tokio::sync::oneshot;

use crate::denial::Denial;
use crate::peers::{Peer, peers};
use crate::sockets::{PATIENCE, accept, connect, eventually};

/// Which end of a connection a case calls the near one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Near {
    Client,
    Server,
}

/// How a case is run. The same case runs with several of these.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) near: Near,
    /// Its target is replaced by whatever the case makes.
    pub(crate) config: Config,
    pub(crate) denial: Option<Denial>,
    /// Run by the relay's thread before the relay exists.
    prepare: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { near, config, denial, .. } = self;
        write!(f, "{:?} engine, near end {near:?}, denied {denial:?}", config.engine)
    }
}

impl Setup {
    pub(crate) fn new(engine: Engine, near: Near) -> Self {
        let nowhere = "[::]:1".parse().unwrap();
        // A relay that a test has done with is not given time: only cases about draining want it.
        let config = Config { engine, grace: Duration::ZERO, ..Config::on_any_port(nowhere) };
        Self { near, config, denial: None, prepare: None }
    }

    /// Each engine.
    pub(crate) fn every_engine() -> impl Iterator<Item = Self> {
        [Engine::Auto, Engine::Copy, Engine::Splice].into_iter().map(|engine| Self::new(engine, Near::Client))
    }

    /// Each engine with each end as the near one.
    pub(crate) fn either_way() -> impl Iterator<Item = Self> {
        Self::every_engine()
            .flat_map(|setup| [Near::Client, Near::Server].map(|near| Self { near, ..setup.clone() }))
    }

    pub(crate) fn denying(mut self, denial: Denial) -> Self {
        self.denial = Some(denial);
        self
    }

    pub(crate) fn prepared(mut self, prepare: impl Fn() + Send + Sync + 'static) -> Self {
        self.prepare = Some(Arc::new(prepare));
        self
    }

    pub(crate) fn configured(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts a relay to `target`.
    #[track_caller]
    pub(crate) fn relay_to(&self, target: SocketAddr) -> Relay {
        Relay::start(self, target)
    }

    /// Starts a relay to a listener that the test serves.
    #[track_caller]
    pub(crate) fn relay(&self) -> Route {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = self.relay_to(target.local_addr().unwrap());
        Route { target, relay, near: self.near }
    }

    /// Starts a relay with one connection through it.
    #[track_caller]
    pub(crate) fn open(&self) -> Pair {
        let route = self.relay();
        let (near, far) = route.open();
        Pair { near, far, relay: route.relay }
    }
}

/// One relayed connection: its two ends and the relay between them.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) near: Peer,
    pub(crate) far: Peer,
    pub(crate) relay: Relay,
}

/// A relay and the listener it leads to.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) target: TcpListener,
    pub(crate) relay: Relay,
    near: Near,
}

impl Route {
    /// Opens a connection through the relay. One after the other, or they may be mixed up.
    #[track_caller]
    pub(crate) fn open(&self) -> (Peer, Peer) {
        // Every connection has streams of its own, so that a byte of another one shows.
        static SEED: AtomicU64 = AtomicU64::new(1);
        let client = connect(self.relay.addr());
        let server = accept(&self.target);
        let (near, far) = match self.near {
            Near::Client => (client, server),
            Near::Server => (server, client),
        };
        peers(near, far, SEED.fetch_add(1, Ordering::Relaxed))
    }
}

/// A running relay. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Relay {
    addrs: Vec<SocketAddr>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<Drained, ServerError>>>,
    /// The id of that thread, for procfs.
    tid: Pid,
    /// How many of its connections may have panicked when it ends.
    panics: u64,
}

impl Relay {
    #[track_caller]
    fn start(setup: &Setup, target: SocketAddr) -> Self {
        let target: Target = target.to_string().parse().unwrap();
        let Setup { denial, prepare, .. } = setup.clone();
        let mapping = Mapping::one(target.port, target);
        let config = Config { mapping, ..setup.config.clone() };
        let (stop, stopped) = oneshot::channel();
        let (started, start) = mpsc::channel();
        let serve = move || {
            if let Some(prepare) = prepare {
                prepare();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = bind(&config)?;
                started.send((server.local_addrs().collect(), server.shared(), gettid())).unwrap();
                if let Some(denial) = denial {
                    denial.impose();
                }
                server.run(async { stopped.await.unwrap_or(()) }).await
            })
        };
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(serve).unwrap();
        match start.recv_timeout(PATIENCE) {
            Ok((addrs, shared, tid)) => {
                Self { addrs, shared, stop: Some(stop), thread: Some(thread), tid, panics: 0 }
            }
            Err(_) => panic!("the relay did not start: {:?}", thread.join()),
        }
    }

    /// Where it listens on IPv4.
    pub(crate) fn addr(&self) -> SocketAddr {
        *self.addrs.iter().find(|addr| addr.is_ipv4()).expect("a relay listens on 127.0.0.1")
    }

    /// Where it listens on IPv6, if this machine has it.
    pub(crate) fn addr_v6(&self) -> Option<SocketAddr> {
        self.addrs.iter().copied().find(SocketAddr::is_ipv6)
    }

    /// The thread that it runs in.
    pub(crate) fn tid(&self) -> Pid {
        self.tid
    }

    pub(crate) fn services(&self) -> &[Service] {
        &self.shared.services
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.shared.services[0].stats
    }

    /// Waits until `n` connections have ended; says how long that took.
    ///
    /// A machine that is busy with something else may keep the relay from it for a second. The
    /// limit is still half of the shortest that the relay gives anybody (`CONNECT_TIMEOUT`), but
    /// for the second in which last bytes are delivered.
    #[track_caller]
    pub(crate) fn wait_for_closed(&self, n: u64) -> Duration {
        let started = Instant::now();
        let limit = Config::CONNECT_TIMEOUT / 2;
        eventually("the relay has closed its connections", limit, || self.stats().closed.get() == n);
        started.elapsed()
    }

    /// Waits until `n` of its connections have panicked; without this none may have when it ends.
    #[track_caller]
    pub(crate) fn expect_panics(&mut self, n: u64) {
        eventually("the relay counts its panics", PATIENCE, || self.stats().panicked.get() == n);
        self.panics = n;
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn drained(mut self) -> Drained {
        self.stop();
        let thread = self.thread.take().expect("a relay ends once");
        thread.join().expect("a relay does not panic").expect("a relay that is stopped does not fail")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
        let died = self.thread.take().is_some_and(|thread| thread.join().is_err());
        if !std::thread::panicking() {
            assert!(!died, "the relay panicked");
            assert_eq!(self.stats().panicked.get(), self.panics, "connections of the relay panicked");
        }
    }
}

/// Binds, again where the port that the kernel chose for IPv4 is taken on IPv6.
fn bind(config: &Config) -> Result<Server, ServerError> {
    let mut attempts = 0..10;
    loop {
        match Server::bind(config) {
            Err(ServerError::Listen(_)) if attempts.next().is_some() => {}
            bound => return bound,
        }
    }
}
