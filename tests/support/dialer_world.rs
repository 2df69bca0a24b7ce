//! A host with a dialer, a container, and what is asked of both.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::dialer::{DialerProcess, socket_path};
use crate::namespace::Namespace;
use crate::process::{Launch, Process};
use crate::procfs::{descriptors, is_idle};
use crate::sockets::{End, PATIENCE, answer, eventually};

pub(crate) const RESET: (Vec<u8>, End) = (Vec::new(), End::Reset);
pub(crate) const FAILED_BY_DIALER: &str = r#"connections_failed_total{reason="dialer"}"#;
pub(crate) const FAILED_BY_REFUSAL: &str = r#"connections_failed_total{reason="refused"}"#;

/// A host with a dialer, and a container without any link to it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) container: Namespace,
    pub(crate) host: Namespace,
    pub(crate) path: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { container: Namespace::new(), host: Namespace::new(), path: socket_path() }
    }

    pub(crate) fn dialer(&self, allow: &str) -> DialerProcess {
        DialerProcess::start(&self.path, &["--allow", allow], &self.host)
    }

    pub(crate) fn relay(&self, to: &str) -> Process {
        self.relay_with(to, &[])
    }

    pub(crate) fn relay_with(&self, to: &str, args: &[&str]) -> Process {
        self.launch(to).args(args.iter().copied()).start()
    }

    pub(crate) fn launch(&self, to: &str) -> Launch {
        let dialer = ["--dialer", self.path.to_str().unwrap()];
        Launch::to(to).args(dialer).with_metrics().inside(&self.container)
    }

    pub(crate) fn listen(&self, addr: &str) -> TcpListener {
        self.host.run(|| TcpListener::bind(addr).unwrap())
    }

    pub(crate) fn answer(&self, relay: &Process) -> (Vec<u8>, End) {
        self.container.run(|| answer(relay.addr()))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// How many sockets a process has that does nothing: the last probe's may be about to close.
#[track_caller]
pub(crate) fn sockets(pid: u32) -> usize {
    eventually("it has nothing to do", PATIENCE, || is_idle(pid));
    descriptors(pid).sockets
}

/// Waits until a process has no more sockets than it had.
#[track_caller]
pub(crate) fn expect_no_leak(pid: u32, before: usize) {
    eventually("no descriptor is left behind", PATIENCE, || descriptors(pid).sockets <= before);
}
