//! The network: namespaces joined by a veth pair, gone when the value is dropped.
//!
//! Client and forwarder share one namespace, as in a container; the server is in another, which
//! is the gateway of the first. Every address is of 198.18.0.0/15, set apart for such tests by
//! RFC 2544, and exists only in there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::{has_ended, run};

/// Where the server listens, in its own namespace.
pub(crate) const SERVER_IP: &str = "198.18.0.1";
const CLIENT_IP: &str = "198.18.0.2";
/// Below the range that outgoing connections take their ports from, as forwarders' ports are:
/// else a listener may find its port taken.
pub(crate) const SERVER_PORT: u16 = 1900;

const PREFIX: &str = "relaycmp";
const NAMESPACES: &str = "/run/netns";

/// One of the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Where clients and forwarders are.
    Client,
    /// Where the server is.
    Server,
    /// With nothing but loopback, for a forwarder that brings its own way out.
    Island,
}

/// The namespaces and the link between them.
#[derive(Debug)]
pub(crate) struct Topology {
    prefix: String,
}

impl Topology {
    pub(crate) fn build(congestion_control: Option<&str>) -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("network namespaces and pinning need root: run this as root");
        }
        remove_left_over();
        let topology = Self { prefix: format!("{PREFIX}{}", std::process::id()) };
        topology.make(congestion_control).context("cannot build the network")?;
        Ok(topology)
    }

    fn make(&self, congestion_control: Option<&str>) -> anyhow::Result<()> {
        let [client, server, island] = [Room::Client, Room::Server, Room::Island].map(|room| self.name(room));
        for name in [&client, &server, &island] {
            run("ip", &["netns", "add", name])?;
            run("ip", &["-n", name, "link", "set", "lo", "up"])?;
        }
        run(
            "ip",
            &[
                "link", "add", "up0", "netns", &client, "type", "veth", "peer", "name", "down0", "netns",
                &server,
            ],
        )?;
        for (name, link, ip) in [(&client, "up0", CLIENT_IP), (&server, "down0", SERVER_IP)] {
            // One family is enough, and its addresses need no time to settle.
            self.sysctl(name, &format!("ipv6/conf/{link}/disable_ipv6"), "1")?;
            run("ip", &["-n", name, "address", "add", &format!("{ip}/30"), "dev", link])?;
            run("ip", &["-n", name, "link", "set", link, "up"])?;
        }
        run("ip", &["-n", &client, "route", "add", "default", "via", SERVER_IP])?;
        // Leads nowhere, but pasta wants one to take its interface from.
        run("ip", &["-n", &server, "route", "add", "default", "via", CLIENT_IP])?;
        for name in [&client, &server, &island] {
            // Without these, short connections run out of ports after half a minute.
            self.sysctl(name, "ipv4/tcp_tw_reuse", "1")?;
            self.sysctl(name, "ipv4/ip_local_port_range", "10000 65000")?;
            if let Some(control) = congestion_control {
                self.sysctl(name, "ipv4/tcp_congestion_control", control).with_context(|| {
                    format!("this kernel does not have \"{control}\": see tcp_available_congestion_control")
                })?;
            }
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "only namespaces that were made may be changed")]
    fn sysctl(&self, name: &str, key: &str, value: &str) -> anyhow::Result<()> {
        let write = format!("echo {value} > /proc/sys/net/{key}");
        run("ip", &["netns", "exec", name, "sh", "-c", &write])
    }

    fn name(&self, room: Room) -> String {
        let letter = match room {
            Room::Client => 'c',
            Room::Server => 's',
            Room::Island => 'i',
        };
        format!("{}{letter}", self.prefix)
    }

    /// The file that stands for a namespace.
    pub(crate) fn path(&self, room: Room) -> String {
        format!("{NAMESPACES}/{}", self.name(room))
    }

    /// A command in a namespace; it becomes the program, it does not start it.
    pub(crate) fn command(&self, room: Room, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(room)]).arg(program);
        command
    }

    /// A command in a namespace, by way of this program, which becomes the next: that and its
    /// arguments are to be added.
    pub(crate) fn pinned(&self, room: Room, myself: &Path, pin: Pin) -> Command {
        let Pin { core, nice, user } = pin;
        let mut command = self.command(room, myself);
        command.args(["exec", "--core", &core.to_string(), "--nice", &nice.to_string()]);
        if let Some(user) = user {
            command.args(["--user", &user.to_string()]);
        }
        command.arg("--");
        command
    }
}

/// Where and as whom a process runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pin {
    pub(crate) core: usize,
    pub(crate) nice: i32,
    pub(crate) user: Option<u32>,
}

impl Drop for Topology {
    fn drop(&mut self) {
        for room in [Room::Client, Room::Server, Room::Island] {
            if Path::new(&self.path(room)).exists()
                && let Err(error) = remove(&self.name(room))
            {
                eprintln!("cannot remove a namespace: {error:#}");
            }
        }
    }
}

/// Removes what earlier runs that were killed could not.
fn remove_left_over() {
    let entries = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix(PREFIX).map(|rest| rest.trim_end_matches(['c', 's', 'i']));
        if owner.is_some_and(has_ended) {
            let _ = remove(&name);
        }
    }
}

/// Removes a namespace of ours, and whoever is still in it: a worker that outlived its master
/// would keep it alive.
fn remove(name: &str) -> anyhow::Result<()> {
    let inside = Command::new("ip").args(["netns", "pids", name]).output()?;
    for pid in String::from_utf8_lossy(&inside.stdout).lines() {
        if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    run("ip", &["netns", "delete", name])
}
