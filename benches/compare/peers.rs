//! The forwarders: what each is called, how it is configured, what it can take.

mod commands;

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::process::{descriptor_limit, find};
use crate::topology::Room;
use commands::{
    docker_proxy, haproxy, haproxy_splice, least, least_busy, nginx, nothing, ours, ours_busy,
    ours_to_loopback, pasta, portunus, realm, socat, systemd,
};

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
