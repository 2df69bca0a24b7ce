//! The forwarders: what each is called, how it is configured, what it can take.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::process::{descriptor_limit, find};
use crate::topology::Room;

/// A forwarder, or the lack of one.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// The Debian package whose version the report tells.
    pub(crate) package: &'static str,
    pub(crate) way: Way,
    /// Descriptors per connection while it is used, processes aside.
    pub(crate) descriptors: u64,
    /// Whether a connection costs it a process, so that thousands are out of the question.
    pub(crate) forks: bool,
    /// Whether only messages back and forth say anything of it.
    pub(crate) messages_only: bool,
    start: fn(&Setup<'_>) -> anyhow::Result<Vec<String>>,
}

/// The way from client to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// No forwarder, over the link: what the others are measured against.
    Direct,
    /// A forwarder beside the client, listening on loopback.
    Beside,
    /// No forwarder, over the server's loopback: what the next one is measured against.
    Loopback,
    /// A forwarder outside the client's namespace, to the server's loopback.
    Outside,
    /// A forwarder beside the client, to the server's loopback: somebody there makes the
    /// connections.
    HandedOver,
}

impl Way {
    /// Whether nothing forwards.
    pub(crate) const fn is_bare(self) -> bool {
        matches!(self, Self::Direct | Self::Loopback)
    }

    pub(crate) const fn client(self) -> Room {
        match self {
            Self::Direct | Self::Beside | Self::HandedOver => Room::Client,
            Self::Loopback => Room::Server,
            Self::Outside => Room::Island,
        }
    }

    pub(crate) const fn forwarder(self) -> Room {
        match self {
            Self::Outside => Room::Server,
            _ => self.client(),
        }
    }

    /// What ratios refer to.
    pub(crate) const fn baseline(self) -> &'static str {
        match self {
            Self::Direct | Self::Beside => "direct",
            Self::Loopback | Self::Outside | Self::HandedOver => "direct-lo",
        }
    }
}

/// What a forwarder is told.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) program: &'a str,
    /// A directory of its own, for its configuration.
    pub(crate) dir: &'a Path,
    pub(crate) port: u16,
    /// Where a helper listens in the server's namespace.
    pub(crate) dialer: &'a str,
    pub(crate) server_ip: &'a str,
    pub(crate) server_port: u16,
    /// How many connections it has to take.
    pub(crate) flows: usize,
    /// The file that stands for the client's namespace, for those who enter it themselves.
    pub(crate) client_namespace: String,
}

impl Peer {
    /// The command line, after its configuration was written where it needs one.
    pub(crate) fn command(&self, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
        (self.start)(setup).with_context(|| format!("cannot configure {}", self.name))
    }

    /// How many connections it can hold within the descriptors a process may have.
    pub(crate) fn capacity(&self) -> usize {
        if self.forks {
            return 200;
        }
        usize::try_from((descriptor_limit() - 500) / self.descriptors.max(1)).unwrap_or(usize::MAX)
    }

    /// The file to run, if this machine has it.
    pub(crate) fn program(&self, builds: &Builds) -> Option<PathBuf> {
        match self.name {
            "ours" | "ours-lo" | "ours-busy" => Some(builds.ours.clone()),
            "before" | "before-lo" => builds.before.clone(),
            "least" | "least-busy" => std::env::current_exe().ok(),
            "systemd" => find("systemd-socket-activate").map(Into::into),
            "haproxy-splice" => find("haproxy").map(Into::into),
            "portunus" => find("portunus-standalone").map(Into::into),
            name => find(name).map(Into::into),
        }
    }
}

/// What our own relay was built into.
#[derive(Clone, Debug)]
pub(crate) struct Builds {
    pub(crate) ours: PathBuf,
    /// Another one to compare it with.
    pub(crate) before: Option<PathBuf>,
}

const fn peer(
    name: &'static str,
    package: &'static str,
    start: fn(&Setup<'_>) -> anyhow::Result<Vec<String>>,
) -> Peer {
    Peer { name, package, way: Way::Beside, descriptors: 2, forks: false, messages_only: false, start }
}

/// Everyone, the baselines and ours first.
pub(crate) fn all() -> Vec<Peer> {
    vec![
        Peer { way: Way::Direct, ..peer("direct", "", nothing) },
        peer("ours", "", ours),
        Peer { messages_only: true, ..peer("ours-busy", "", ours_busy) },
        peer("before", "", ours),
        Peer { way: Way::HandedOver, ..peer("ours-lo", "", ours_to_loopback) },
        Peer { way: Way::HandedOver, ..peer("before-lo", "", ours_to_loopback) },
        Peer { messages_only: true, ..peer("least", "", least) },
        Peer { messages_only: true, ..peer("least-busy", "", least_busy) },
        peer("haproxy", "haproxy", haproxy),
        peer("haproxy-splice", "", haproxy_splice),
        peer("nginx", "libnginx-mod-stream", nginx),
        Peer { forks: true, ..peer("socat", "socat", socat) },
        Peer { descriptors: 6, ..peer("systemd", "systemd", systemd) },
        Peer { descriptors: 6, ..peer("docker-proxy", "docker.io", docker_proxy) },
        Peer { descriptors: 6, ..peer("realm", "", realm) },
        Peer { descriptors: 6, ..peer("portunus", "", portunus) },
        Peer { way: Way::Loopback, ..peer("direct-lo", "", nothing) },
        Peer { way: Way::Outside, descriptors: 6, ..peer("pasta", "passt", pasta) },
    ]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn nothing(_: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    Ok(Vec::new())
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn ours(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_port, .. } = setup;
    Ok(words(&[program, "--port", &port.to_string(), "--to", &format!("gateway:{server_port}")]))
}

/// Ours, awake between messages.
fn ours_busy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    Ok([ours(setup)?, words(&["--busy-poll", "50"])].concat())
}

/// Our own, which does nothing but relay messages: a bound for the others.
#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn least(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    let to = format!("{server_ip}:{server_port}");
    Ok(words(&[program, "least", "--port", &port.to_string(), "--to", &to]))
}

fn least_busy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    Ok([least(setup)?, words(&["--busy"])].concat())
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn ours_to_loopback(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_port, dialer, .. } = setup;
    let (port, to) = (port.to_string(), format!("loopback:{server_port}"));
    Ok(words(&[program, "--port", &port, "--to", &to, "--dialer", dialer]))
}

fn haproxy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    haproxy_with("option splice-auto", setup)
}

/// Told to splice always: on its own it decides only now and then, and may miss a stream that is
/// fast from its first byte.
fn haproxy_splice(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    haproxy_with("option splice-request\n  option splice-response", setup)
}

fn haproxy_with(splicing: &str, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, dir, port, server_ip, server_port, flows, .. } = setup;
    // It refuses to start with fewer descriptors than connections and pipes may take. Its own
    // rule is a pipe for every fourth connection; where that is too much, what is left.
    let limit = usize::try_from(descriptor_limit()).unwrap_or(usize::MAX);
    let connections = (flows + 100).max(2000);
    let pipes = (connections / 4).min(limit.saturating_sub(2 * connections + 100) / 2);
    let config = format!(
        "global\n  maxconn {connections}\n  maxpipes {pipes}\n  nbthread 1\n\
         defaults\n  mode tcp\n  {splicing}\n  timeout connect 10s\n  timeout client 1h\n  \
         timeout server 1h\n\
         listen relay\n  bind 127.0.0.1:{port}\n  server target {server_ip}:{server_port}\n"
    );
    let file = write(dir, "haproxy.cfg", &config)?;
    Ok(words(&[program, "-db", "-q", "-f", &file]))
}

fn nginx(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let Setup { program, dir, port, server_ip, server_port, flows, .. } = setup;
    // Compiled in elsewhere; Debian has it in a file.
    let load = if Path::new(MODULE).exists() { format!("load_module {MODULE};") } else { String::new() };
    let config = format!(
        "{load}\ndaemon off;\nworker_processes 1;\npid {}/nginx.pid;\nerror_log stderr crit;\n\
         worker_rlimit_nofile {limit};\nevents {{ worker_connections {connections}; }}\n\
         stream {{ server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass {server_ip}:{server_port}; \
         proxy_timeout 1h; }} }}\n",
        dir.display(),
        limit = descriptor_limit(),
        connections = (2 * flows + 200).max(4096),
    );
    let file = write(dir, "nginx.conf", &config)?;
    Ok(words(&[program, "-e", "stderr", "-p", &dir.display().to_string(), "-c", &file]))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn socat(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    Ok(words(&[
        program,
        &format!("TCP4-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=4096,nodelay"),
        &format!("TCP4:{server_ip}:{server_port},nodelay"),
    ]))
}

fn systemd(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    let proxy = ["/usr/lib/systemd/systemd-socket-proxyd", "/lib/systemd/systemd-socket-proxyd"]
        .into_iter()
        .find(|file| Path::new(file).exists())
        .context("systemd-socket-proxyd is not installed")?;
    Ok(words(&[
        program,
        "--listen",
        &format!("127.0.0.1:{port}"),
        proxy,
        // 256 unless told.
        "--connections-max=100000",
        &format!("{server_ip}:{server_port}"),
    ]))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn docker_proxy(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    // The engine waits for a word on descriptor 3, and the proxy closes whatever it finds there.
    let line = format!(
        "exec {program} -proto tcp -host-ip 127.0.0.1 -host-port {port} \
         -container-ip {server_ip} -container-port {server_port} 3>/dev/null"
    );
    Ok(words(&["/bin/sh", "-c", &line]))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn realm(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, port, server_ip, server_port, .. } = setup;
    Ok(words(&[
        program,
        "-l",
        &format!("127.0.0.1:{port}"),
        "-r",
        &format!("{server_ip}:{server_port}"),
        "-n",
        &descriptor_limit().to_string(),
    ]))
}

fn portunus(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, dir, port, server_ip, server_port, .. } = setup;
    let config = format!(
        "[global]\nlog_level = \"warn\"\n\n[[rule]]\nname = \"relay\"\nprotocol = \"tcp\"\n\
         listen_port = {port}\ntarget = \"{server_ip}:{server_port}\"\n"
    );
    Ok(words(&[program, "--config", &write(dir, "portunus.toml", &config)?]))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this form")]
fn pasta(setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let Setup { program, server_port, client_namespace, .. } = setup;
    Ok(words(&[
        program,
        "--foreground",
        "--quiet",
        "--ipv4-only",
        // Else it becomes nobody, who may not enter a namespace that root has made.
        "--runas",
        "0:0",
        "--netns-only",
        "--tcp-ports",
        "none",
        "--udp-ports",
        "none",
        "--udp-ns",
        "none",
        "--tcp-ns",
        &server_port.to_string(),
        "--netns",
        client_namespace,
    ]))
}

fn write(dir: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let file = dir.join(name);
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}
