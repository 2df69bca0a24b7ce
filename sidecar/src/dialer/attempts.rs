//! What all who ask a dialer share, and the attempts of each that take time.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use assemble_contract::AllowList;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use super::{Number, ROWS};
use crate::config::CongestionControl;
use crate::connect::{ConnectError, Connector};
use crate::reports::Reports;
use crate::sys::Socket;

/// So many requests of a channel may wait behind its attempts; more wait in the queue of its socket, unread.
const WAITING: usize = 1024;

/// So many attempts at once that take time, of all who ask; each has a descriptor.
const ATTEMPTS: usize = 512;

/// Everything a dialer is told.
#[derive(Clone, Debug)]
pub struct DialServerConfig {
    pub socket: PathBuf,
    /// What it dials.
    pub allow: AllowList,
    /// Who may ask, beside root and the user it runs as; the socket is that user's then.
    pub peer_uid: Option<u32>,
    /// Limit on one attempt to connect.
    pub connect_timeout: Duration,
    /// What sets the pace of sending to them.
    pub congestion_control: CongestionControl,
}

/// What all who ask share.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) config: DialServerConfig,
    pub(super) reports: Arc<Reports>,
    pub(super) connector: Connector,
    pub(super) own_uid: u32,
    attempts: Arc<Semaphore>,
    /// Waited for by those who are silent, the longest silent first.
    pub(super) crowded: Notify,
}

impl Dialer {
    pub(super) fn new(config: DialServerConfig, connector: Connector, own_uid: u32) -> Self {
        let attempts = Arc::new(Semaphore::new(ATTEMPTS));
        Self { config, reports: Arc::default(), connector, own_uid, attempts, crowded: Notify::new() }
    }

    /// Ends the channel that has been silent longest, or the next one that is silent.
    pub(super) fn make_room(&self) {
        self.crowded.notify_one();
    }

    /// Begins to connect over IPv4.
    pub(super) fn begin(&self, port: u16) -> Result<OwnedFd, ConnectError> {
        self.connector.begin(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
    }

    /// Ends what was begun over IPv4, else connects over IPv6. When neither works the first one's reason
    /// counts: the second one often is that there is no IPv6.
    pub(super) async fn finish(
        &self,
        begun: Result<OwnedFd, ConnectError>,
        port: u16,
    ) -> Result<Socket, ConnectError> {
        let ended = match begun {
            Ok(begun) => self.connector.finish(begun, port).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(socket) => Ok(socket),
            Err(error) => {
                let ipv6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
                self.connector.connect(ipv6).await.map_err(|_| error)
            }
        }
    }
}

/// The requests of a channel that take time.
#[derive(Default)]
pub(super) struct Attempts {
    tasks: JoinSet<Ended>,
    running: Vec<(Number, AbortHandle)>,
    /// Those for which there was no room.
    waiting: VecDeque<(Number, u16)>,
}

/// Which one, and how.
pub(super) type Ended = (Number, Result<Socket, ConnectError>);

impl Attempts {
    /// Whether the channel has fewer attempts than are still free for all. So one whose target hangs
    /// takes half of them, and two a third each; there is always something left for the next one.
    pub(super) fn has_room(&self, dialer: &Dialer) -> bool {
        let own = self.running.len();
        own == 0 || own < dialer.attempts.available_permits()
    }

    pub(super) fn are_none(&self) -> bool {
        self.running.is_empty()
    }

    /// Goes on with what was begun.
    pub(super) fn start(
        &mut self,
        number: Number,
        begun: Result<OwnedFd, ConnectError>,
        port: u16,
        dialer: &Arc<Dialer>,
    ) {
        let dialer = Arc::clone(dialer);
        let permit = Arc::clone(&dialer.attempts).try_acquire_owned().ok();
        let attempt = self.tasks.spawn(async move {
            let ended = (number, dialer.finish(begun, port).await);
            drop(permit);
            ended
        });
        self.running.push((number, attempt));
    }

    /// The next one that has ended, or none where there is none.
    pub(super) async fn ended(&mut self) -> Option<Ended> {
        loop {
            match self.tasks.join_next().await? {
                // Else it was cancelled as it ended.
                Ok((number, dialled)) => {
                    if self.remove(number).is_some() {
                        return Some((number, dialled));
                    }
                }
                Err(aborted) => {
                    if let Ok(panic) = aborted.try_into_panic() {
                        resume_unwind(panic);
                    }
                }
            }
        }
    }

    /// Whether those of one more packet may wait.
    pub(super) fn may_wait(&self) -> bool {
        self.waiting.len() + ROWS <= WAITING
    }

    pub(super) fn wait(&mut self, number: Number, port: u16) {
        self.waiting.push_back((number, port));
    }

    /// The first one that waits, if there is room for it.
    pub(super) fn next(&mut self, dialer: &Dialer) -> Option<(Number, u16)> {
        if self.has_room(dialer) { self.waiting.pop_front() } else { None }
    }

    /// Forgets a request, if it is under way.
    pub(super) fn cancel(&mut self, number: Number) -> bool {
        if let Some(attempt) = self.remove(number) {
            attempt.abort();
            return true;
        }
        let waiting = self.waiting.iter().position(|(waiting, _)| *waiting == number);
        waiting.and_then(|at| self.waiting.remove(at)).is_some()
    }

    fn remove(&mut self, number: Number) -> Option<AbortHandle> {
        let at = self.running.iter().position(|(running, _)| *running == number)?;
        Some(self.running.swap_remove(at).1)
    }
}
