//! A host whose firewall is firewalld: one of the test's own, on a bus of its own, where the network of an
//! engine of its own is.

use std::process::{Command, Stdio};

use crate::blocked::{commands, engine, is_reached};
use crate::namespace::Namespace;
use crate::support::{
    Backend, Background, Outcome, OwnEngine, PATIENCE, TempDir, eventually, free_port, run, serve,
};

struct Firewalld {
    network: Namespace,
    // Ended in this order.
    _daemon: Background,
    _bus: Background,
    dir: TempDir,
}

impl Firewalld {
    /// One that filters by nftables or iptables; none where it is not installed.
    fn start(network: &Namespace, filter: &str) -> Option<Self> {
        for program in ["firewalld", "dbus-daemon"] {
            if run(Command::new("sh").args(["-c", &format!("command -v {program}")])).code != Some(0) {
                eprintln!("NOT RUN: {program} is not here");
                return None;
            }
        }
        let dir = TempDir::new();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let policy =
            r#"<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>"#;
        let config = format!(
            r#"<busconfig><listen>unix:path={}</listen><policy context="default">{policy}</policy></busconfig>"#,
            path("bus")
        );
        std::fs::write(path("bus.conf"), config).unwrap();
        std::fs::create_dir(path("etc")).unwrap();
        std::fs::write(path("etc/firewalld.conf"), format!("FirewallBackend={filter}\n")).unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--nofork", "--nopidfile", "--config-file", &path("bus.conf")]);
        let bus = Background::start(bus.stdin(Stdio::null()));
        eventually("a bus", PATIENCE, || dir.path().join("bus").exists().then_some(()));

        // What it keeps in /run is its own, too.
        let script = "mount -t tmpfs tmpfs /run && exec firewalld --nofork --nopid --log-target=console \
                      --default-config=/usr/lib/firewalld --system-config=\"$0\"";
        let mut daemon = Command::new("unshare");
        daemon.args(["--mount", "sh", "-c", script, &path("etc")]).stdin(Stdio::null());
        daemon.env(BUS, address(&dir));
        let mut daemon = network.run(|| Background::start(&mut daemon));
        let asks = || run(Command::new("firewall-cmd").arg("--state").env(BUS, address(&dir)));
        eventually("firewalld answers", PATIENCE, || {
            assert!(!daemon.has_ended(), "firewalld ended: {}", daemon.said());
            (asks().code == Some(0)).then_some(())
        });
        Some(Self { network: network.clone(), _daemon: daemon, _bus: bus, dir })
    }

    /// Runs a command where it is.
    #[track_caller]
    fn run(&self, command: &mut Command) -> Outcome {
        command.env(BUS, address(&self.dir));
        self.network.run(|| run(command))
    }

    #[track_caller]
    fn sh(&self, line: &str) {
        self.run(Command::new("sh").args(["-c", line])).ok();
    }
}

/// Where firewalld and its command look for the bus.
const BUS: &str = "DBUS_SYSTEM_BUS_ADDRESS";

fn address(dir: &TempDir) -> String {
    format!("unix:path={}", dir.path().join("bus").display())
}

/// An engine whose bridge is in the zone that these commands leave it in, and what is advised there.
#[track_caller]
fn overcome(filter: &str, zone: &str, closing: impl Fn(u16) -> Vec<String>) {
    let (engine, backend, port) = (engine(&[]), Backend::new(), free_port());
    let Some(firewalld) = Firewalld::start(&engine.network, filter) else { return };
    serve(&engine.network, port);
    closing(port).iter().for_each(|line| firewalld.sh(line));
    let plugin = |engine: &OwnEngine, args: &[&str]| {
        firewalld.run(backend.command(args).env("DOCKER_HOST", engine.host()))
    };

    let start = plugin(&engine, &["start", "--allow-host-port", &port.to_string()]).ok();
    let told = start.stderr.split_once("so a firewall rejects traffic from the engine's bridge; ");
    let advised = told.map(|(_, help)| commands(help)).unwrap_or_default();
    let [around, doors @ ..] = &advised[..] else { panic!("{start:?}") };
    let doctor = plugin(&engine, &["doctor"]).fails(1);
    assert!(doors.len() == 2 && doors.iter().all(|door| door.starts_with("firewall-cmd ")), "{start:?}");
    assert!(doors.iter().all(|door| door.contains(zone) && doctor.stdout.contains(door)), "{doctor:?}");
    doors.iter().for_each(|door| firewalld.sh(door));
    is_reached(&engine, &backend, port);
    firewalld.sh("firewall-cmd --reload");
    is_reached(&engine, &backend, port);
    // Once more does no harm.
    doors.iter().for_each(|door| firewalld.sh(door));

    for door in doors {
        firewalld.sh(&door.replace("--add-", "--remove-"));
    }
    plugin(&engine, &["doctor"]).fails(1);
    plugin(&engine, &around.split(' ').skip(3).collect::<Vec<_>>()).ok();
    is_reached(&engine, &backend, port);
    plugin(&engine, &["stop"]).ok();
}

#[test]
#[ignore = "needs a docker engine, root for an engine of its own, and firewalld"]
fn a_bridge_in_the_usual_zone_is_let_in_by_what_is_advised_and_stays_so() {
    overcome("nftables", "firewall-cmd", |_| vec![]);
}

#[test]
#[ignore = "needs a docker engine, root for an engine of its own, and firewalld"]
fn a_bridge_in_the_usual_zone_of_iptables_is_let_in_by_what_is_advised_and_stays_so() {
    overcome("iptables", "firewall-cmd", |_| vec![]);
}

#[test]
#[ignore = "needs a docker engine, root for an engine of its own, and firewalld"]
fn a_bridge_in_a_zone_that_drops_and_rejects_is_let_in_by_what_is_advised_and_stays_so() {
    overcome("nftables", " --zone=containers ", |port| {
        let line = |words: &str| format!("firewall-cmd --permanent {words}");
        vec![
            line("--new-zone=containers"),
            line("--zone=containers --set-target=DROP"),
            line("--zone=containers --add-interface=docker0"),
            line(&format!(
                "--zone=containers --add-rich-rule='rule family=ipv4 port port={port} protocol=tcp reject'"
            )),
            "firewall-cmd --reload".to_owned(),
        ]
    });
}
