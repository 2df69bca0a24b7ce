//! The network that is measured in: its server, and the forwarder between.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::cli::Cli;
use crate::peers::{Builds, Peer, Setup, Way};
use crate::process::{Lines, Process, check_interrupt};
use crate::procfs;
use crate::topology::{Pin, Room, SERVER_IP, SERVER_PORT, Topology};

/// Client and server are here, the forwarder on the other.
pub(crate) const LOAD_CORE: usize = 0;
pub(crate) const FORWARDER_CORE: usize = 1;
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
    pub(crate) seconds: f64,
    pub(crate) nice: i32,
    started: u16,
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

    /// Starts a forwarder, if there is one, and its helper, if it has one; tells where clients
    /// have to connect.
    pub(crate) fn start(
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
    pub(crate) fn dir_of(&self, peer: &Peer) -> PathBuf {
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
