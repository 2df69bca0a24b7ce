//! One measurement: a fresh forwarder, one load, the clocks around it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::cli::Cli;
use crate::columns::{Column, Unit};
use crate::load::client::{Load, Outcome};
use crate::peers::{Builds, Peer, Setup, Way};
use crate::process::{Process, check_interrupt};
use crate::procfs::{self, Holdings};
use crate::run::Lines;
use crate::topology::{Pin, Room, SERVER_IP, SERVER_PORT, Topology};

/// Client and server are here, the forwarder on the other.
pub(crate) const LOAD_CORE: usize = 0;
pub(crate) const FORWARDER_CORE: usize = 1;
/// A user who is nobody else, with a quota of pipes of its own.
const OTHER_USER: u32 = 64_198;
/// Streams that 2,000 are compared with.
const FEW_STREAMS: usize = 64;
/// Limits of the long run of short connections.
const BURST: u64 = 200_000;
const BURST_SECONDS: f64 = 40.0;
/// How long a forwarder may take to listen.
const START: Duration = Duration::from_secs(8);
/// Where forwarders listen: below the ports of outgoing connections, above the server's.
const FIRST_PORT: u16 = 2000;
const PORTS: u16 = 7000;

/// The network with its server, and what is put between.
pub(crate) struct Bench {
    // Before the network: whoever lives in a namespace has to leave it first.
    pub(crate) server: Process,
    pub(crate) topology: Topology,
    pub(crate) myself: PathBuf,
    builds: Builds,
    pub(crate) dir: PathBuf,
    seconds: f64,
    pub(crate) nice: i32,
    started: u16,
}

/// What one measurement gave.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) round: usize,
    pub(crate) column: Column,
    pub(crate) peer: &'static str,
    /// In the column's unit.
    pub(crate) value: f64,
    /// The forwarder's CPU seconds per GB or per 1000.
    pub(crate) cpu: Option<f64>,
    /// Anything else worth keeping.
    pub(crate) details: Vec<(&'static str, f64)>,
}

impl Bench {
    pub(crate) fn new(builds: Builds, dir: &Path, cli: &Cli) -> anyhow::Result<Self> {
        let Cli { seconds, nice, .. } = *cli;
        let topology = Topology::build(cli.congestion_control.as_deref())?;
        let myself = std::env::current_exe()?;
        let port = SERVER_PORT.to_string();
        let mut command = topology.pinned(Room::Server, &myself, Pin { core: LOAD_CORE, nice, user: None });
        command.arg(&myself).args(["server", "--port", &port]);
        let mut server = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        if Lines::of(server.child.stdout.take()).next(Duration::from_secs(5))? != "begin" {
            bail!("the server has not started");
        }
        Ok(Self { server, topology, myself, builds, dir: dir.to_owned(), seconds, nice, started: 0 })
    }

    /// Measures one column of one forwarder, started for it and ended after it.
    pub(crate) fn sample(&mut self, round: usize, column: Column, peer: &Peer) -> anyhow::Result<Sample> {
        let flows = column.flows().min(peer.capacity());
        if column == Column::Bulk2000 && flows < column.flows() {
            bail!("not with so many connections");
        }
        let user = (column == Column::Bulk2000).then_some(OTHER_USER);
        if user.is_some() && peer.way == Way::Outside {
            bail!("not as another user: it enters a namespace of root's");
        }
        let core = if column == Column::Rr1s { LOAD_CORE } else { FORWARDER_CORE };
        let (forwarder, to) = self.start(peer, flows, core, user)?;
        let forwarder = &forwarder[..];
        let mut load = Load {
            to,
            kind: column.kind(),
            flows,
            seconds: self.seconds,
            warmup: 0.4,
            bytes: 64,
            count: u64::MAX,
            reset: column == Column::ConnRst,
            watch: Vec::new(),
        };
        let mut details = Vec::new();
        match column {
            Column::Burst => (load.count, load.seconds, load.warmup) = (BURST, BURST_SECONDS, 0.0),
            Column::Bulk2000 => {
                let few = self.run(peer, forwarder, &Load { flows: FEW_STREAMS, ..load.clone() })?;
                details.push(("few_gbits", few.outcome.rate() * 8e-9));
                // The kernel's buffers of all these streams fill before their speed shows.
                load.warmup = 2.0;
            }
            _ => {}
        }
        let before: Holdings = forwarder.iter().map(|process| procfs::holdings(process.pid)).sum();
        let run = self.run(peer, forwarder, &load)?;
        if !forwarder.is_empty() {
            let log = fs::read_to_string(self.dir_of(peer).join("log")).unwrap_or_default();
            anyhow::ensure!(!log.contains("panicked at"), "panicked under its load");
        }
        let Outcome { units, errors, latency, tenths, .. } = run.outcome;
        let value = match (column.unit(), tenths) {
            (Unit::GigabitsPerSecond, _) => {
                let value = run.outcome.rate() * 8e-9;
                if let [("few_gbits", few)] = details[..] {
                    details.push(("to_few", value / few));
                }
                value
            }
            (Unit::PerSecond, Some([first, last])) if column == Column::Burst => {
                details.extend([("first_tenth", first), ("slow_down", last / first)]);
                last
            }
            (Unit::PerSecond, _) => run.outcome.rate(),
            (Unit::BytesEach, _) => {
                details.push(("connections", units));
                details.push(("anonymous", (run.held.anonymous - before.anonymous) / units));
                details.push(("descriptors", (run.held.descriptors - before.descriptors) / units));
                (run.held.pss - before.pss) / units
            }
        };
        details.extend([("units", units), ("errors", errors)]);
        if column.unit().more_is_better() {
            // Memory is looked at in a moment, too short a time for the kernel's clocks.
            details.push(("foreign", run.foreign));
            details.extend(["busy0", "busy1"].into_iter().zip(run.busy));
        }
        details.extend(latency.into_iter().flat_map(|l| ["p50_us", "p99_us", "max_us"].into_iter().zip(l)));
        let cpu = column.cpu_per().map(|(per, _)| run.cpu_seconds / units * per);
        Ok(Sample {
            round,
            column,
            peer: peer.name,
            value,
            cpu: cpu.filter(|_| !forwarder.is_empty()),
            details,
        })
    }

    /// Starts a forwarder, if there is one, and its helper, if it has one; tells where clients
    /// have to connect.
    fn start(
        &mut self,
        peer: &Peer,
        flows: usize,
        core: usize,
        user: Option<u32>,
    ) -> anyhow::Result<(Vec<Process>, SocketAddr)> {
        let loopback = Ipv4Addr::LOCALHOST;
        match peer.way {
            Way::Direct => return Ok((Vec::new(), SocketAddr::new(SERVER_IP.parse()?, SERVER_PORT))),
            Way::Loopback => return Ok((Vec::new(), (loopback, SERVER_PORT).into())),
            Way::Beside | Way::Outside | Way::HandedOver => {}
        }
        self.started += 1;
        let port = match peer.way {
            Way::Outside => SERVER_PORT,
            // Another one every time: the previous one is full of connections in TIME_WAIT.
            _ => FIRST_PORT + self.started % PORTS,
        };
        let dir = self.dir_of(peer);
        fs::create_dir_all(&dir)?;
        chown(&dir, user, user)?;
        let program = peer.program(&self.builds).context("is not installed")?;
        let pin = Pin { core, nice: self.nice, user };
        let dialer = dir.join("dialer");
        let helper = match peer.way {
            Way::HandedOver => Some(self.helper(&program, &dialer, pin)?),
            _ => None,
        };
        let arguments = peer.command(&Setup {
            program: &program.display().to_string(),
            dir: &dir,
            port,
            dialer: &dialer.display().to_string(),
            server_ip: SERVER_IP,
            server_port: SERVER_PORT,
            flows,
            client_namespace: self.topology.path(peer.way.client()),
        })?;
        let mut command = self.topology.pinned(peer.way.forwarder(), &self.myself, pin);
        let log = dir.join("log");
        let file = fs::File::create(&log)?;
        command.args(arguments).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let process = Process::spawn(&mut command)?;
        let network = match peer.way {
            // It listens in a namespace that it only visits; the server's shows nothing.
            Way::Outside => None,
            _ => Some(process.pid),
        };
        let deadline = Instant::now() + START;
        loop {
            check_interrupt()?;
            if process.has_ended() || Instant::now() > deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last = said.lines().last().unwrap_or("nothing").to_owned();
                bail!("has not started; it said: {last}");
            }
            if network.is_some_and(|pid| procfs::listens(pid, port)) {
                break;
            }
            if network.is_none() && self.island_listens(port) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(([process].into_iter().chain(helper).collect(), (loopback, port).into()))
    }

    /// What the forwarder that was started last has, its log for one.
    fn dir_of(&self, peer: &Peer) -> PathBuf {
        self.dir.join(format!("{}-{}", peer.name, self.started))
    }

    /// Starts what connects in the server's namespace, where the forwarder is not.
    fn helper(&self, program: &Path, socket: &Path, pin: Pin) -> anyhow::Result<Process> {
        let mut command = self.topology.pinned(Room::Server, &self.myself, Pin { user: None, ..pin });
        command.arg(program).args(["dial", "--allow", &SERVER_PORT.to_string(), "--socket"]).arg(socket);
        if let Some(user) = pin.user {
            command.args(["--peer-uid", &user.to_string()]);
        }
        let null = Stdio::null;
        let helper = Process::spawn(command.stdin(null()).stdout(null()).stderr(null()))?;
        let deadline = Instant::now() + START;
        while !socket.exists() {
            check_interrupt()?;
            if helper.has_ended() || Instant::now() > deadline {
                bail!("its helper has not started");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(helper)
    }

    fn island_listens(&self, port: u16) -> bool {
        let output = self.topology.command(Room::Island, Path::new("cat")).arg("/proc/net/tcp").output();
        output.is_ok_and(|output| procfs::table_listens(&String::from_utf8_lossy(&output.stdout), port))
    }
}
