//! Advice about what the kernel has to give, followed word for word.

use std::net::UdpSocket;
use std::process::Command;

use crate::advice::Reader;
use crate::support::{Backend, OwnEngine, Registry, backend_image, base_image, free_port, run, serve};

/// A value below /proc/sys that holds for the whole machine: as it was when this is dropped.
struct Kept {
    path: String,
    before: String,
}

impl Kept {
    fn new(name: &str) -> Self {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let before = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path, before }
    }

    fn set(&self, value: u64) {
        std::fs::write(&self.path, value.to_string()).unwrap();
    }

    /// Some are read-only in all network namespaces but the first (`nf_conntrack_standalone.c`).
    fn may_be_set(&self) -> bool {
        !std::fs::metadata(&self.path).unwrap().permissions().readonly()
    }

    fn now(&self) -> u64 {
        std::fs::read_to_string(&self.path).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.path, &self.before);
    }
}

/// The lines of a check, its verdict first.
fn check(doctor: &str, name: &str) -> Vec<String> {
    let is_it = |line: &&str| line.split_whitespace().nth(1) == Some(name);
    let at = doctor.lines().skip_while(|line| !is_it(line));
    at.take(2).map(str::to_owned).collect()
}

/// The command in the second line of a check.
#[track_caller]
fn advised(lines: &[String]) -> &str {
    lines[1].split('\'').nth(1).unwrap_or_else(|| panic!("{lines:?}"))
}

#[test]
#[ignore = "needs a docker engine, and root for a setting of the kernel"]
fn a_quota_of_pipes_that_is_too_small() {
    let (reader, registry, quota) = (Reader::new(), Registry::start(), Kept::new("fs.pipe-user-pages-soft"));
    quota.set(512);
    reader.0.start(&[registry.port]);
    let said = reader.0.run(&["doctor"]);
    let lines = check(&said.stdout, "pipes");
    assert!(lines[0].starts_with("warn") && lines[0].contains("512 pages"), "{said:?}");
    let command = reader.follows(&said, "sysctl fs.pipe-user-pages-soft=");
    assert_eq!(advised(&lines), command);
    let said = reader.0.run(&["doctor"]);
    assert!(check(&said.stdout, "pipes")[0].starts_with("ok"), "{said:?}");
    reader.0.get(registry.port).ok();
}

/// In the network of an engine's own, whose connections count for themselves; how many it may follow is
/// one number for the machine.
#[test]
#[ignore = "needs a docker engine, and root for an engine and a setting of the kernel"]
fn connections_that_the_host_cannot_follow_any_more() {
    if !Kept::new("net.netfilter.nf_conntrack_max").may_be_set() {
        eprintln!("NOT RUN: this is not the network namespace that sets what all may follow");
        return;
    }
    let (engine, backend, port) = (OwnEngine::start(&[]), Backend::new(), free_port());
    engine.take(&[backend_image(), base_image()]);
    serve(&engine.network, port);
    let most = Kept::new("net.netfilter.nf_conntrack_max");
    let plugin = |args: &[&str]| {
        let mut command = backend.command(args);
        command.env("DOCKER_HOST", engine.host());
        engine.network.run(|| run(&mut command))
    };
    plugin(&["start", "--allow-host-port", &port.to_string()]).ok();
    engine.get(&backend, port).ok();

    // Follows connections from here on, and has as many as there may be: datagrams to nobody, each on
    // ports of its own.
    let table = "add table inet follow; add chain inet follow in { type filter hook input priority 0; }; \
                 add rule inet follow in ct state new counter accept";
    engine.network.run(|| {
        // Half a minute is usual, and to send them all may take longer than that.
        std::fs::write("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "3600").unwrap();
        run(Command::new("nft").arg(table)).ok();
        let (mut sent, most) = (0, most.now() + 1_000);
        while sent < most {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for port in 1..=60_000_u16 {
                // A refusal of an earlier one is told at the next.
                let _ = socket.send_to(b"x", ("127.0.0.1", port));
                sent += 1;
            }
        }
    });
    let doctor = plugin(&["doctor"]);
    let lines = check(&doctor.stdout, "conntrack");
    assert!(!lines[0].starts_with("ok"), "{doctor:?}");
    let command = advised(&lines);
    assert!(command.starts_with("sysctl net.netfilter.nf_conntrack_max="), "{lines:?}");
    run(Command::new("sh").args(["-c", command])).ok();
    let doctor = plugin(&["doctor"]);
    assert!(check(&doctor.stdout, "conntrack")[0].starts_with("ok"), "{doctor:?}");
    engine.get(&backend, port).ok();
    plugin(&["stop"]).ok();
}

/// Of a service whose manager limits it, without the right to go beyond.
#[test]
#[ignore = "needs a docker engine, and root for an engine of its own"]
fn descriptors_that_the_engines_service_may_not_give() {
    let backend = Backend::new();
    let mut engine = OwnEngine::limited_to(1_500);
    engine.take(&[backend_image(), base_image()]);
    let port = free_port();
    serve(&engine.network, port);
    let start = ["start", "--allow-host-port", &port.to_string()];
    engine.plugin(&backend, &start).ok();
    let doctor = engine.plugin(&backend, &["doctor"]);
    let lines = check(&doctor.stdout, "descriptors");
    assert!(lines.len() == 2 && lines[1].contains("LimitNOFILE of its service"), "{doctor:?}");
    // What a service manager does when that is raised, and what is advised for the backend then.
    engine.restart_limited_to(8_192);
    let commands = lines[1].split("'docker assemble backend ").skip(1).map(|rest| rest.split('\'').next());
    let commands: Vec<_> = commands.flatten().collect();
    assert!(commands.len() == 2 && commands[0] == "stop", "{lines:?}");
    assert!(commands[1].starts_with(&start.join(" ")), "{lines:?}");
    for command in commands {
        engine.plugin(&backend, &command.split(' ').collect::<Vec<_>>()).ok();
    }
    let doctor = engine.plugin(&backend, &["doctor"]);
    assert_eq!(check(&doctor.stdout, "descriptors"), [""; 0], "{doctor:?}");
    engine.get(&backend, port).ok();
    engine.plugin(&backend, &["stop"]).ok();
}
