//! The dialer: accepts those who ask.

use std::future::{Future, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use explained::Explained;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::grants::{DialServerConfig, Dialer};
use super::peer::Peer;
use crate::accept::{self, Verdict};
use crate::congestion;
use crate::connect::Connector;
use crate::reports::{Topic, report};
use crate::sys::{PacketListener, Rights};
use crate::warning::Warning;

/// Why a dialer cannot start.
#[derive(Debug, thiserror::Error, Explained)]
pub enum DialServerError {
    /// The dialer's socket cannot be made.
    #[error("cannot listen at \"{path}\": {reason}", path = .path.display(), reason = listen_reason(.cause))]
    #[advice = "correct the path or its rights"]
    Listen {
        path: PathBuf,
        /// The kernel's reason, part of the message already.
        cause: io::Error,
    },
}

fn listen_reason(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "something else is there already".to_owned(),
        _ => cause.to_string(),
    }
}

/// At most so many connections of those who ask; more wait in the kernel's queue, or take the place of
/// a channel that is not in use.
const PEERS: usize = 256;

/// A dialer that listens. Dropping it removes its socket.
#[derive(Debug)]
pub struct DialServer {
    listener: PacketListener,
    dialer: Arc<Dialer>,
}

impl DialServer {
    /// Listens. Needs a runtime.
    ///
    /// # Errors
    /// The path is taken or not allowed.
    pub fn bind(config: DialServerConfig) -> Result<Self, DialServerError> {
        let own_uid = rustix::process::geteuid().as_raw();
        let owner = config.peer_uid.unwrap_or(own_uid);
        let listener = PacketListener::bind(&config.socket, owner)
            .map_err(|cause| DialServerError::Listen { path: config.socket.clone(), cause })?;
        let connector =
            Connector::new(config.connect_timeout, congestion::on_link(config.congestion_control));
        let (reports, crowded) = (Arc::default(), Notify::new());
        Ok(Self { listener, dialer: Arc::new(Dialer { config, reports, connector, own_uid, crowded }) })
    }

    /// All it needs from now on.
    #[must_use]
    pub fn rights(&self) -> Rights {
        let config = &self.dialer.config;
        let dir = config.socket.parent().filter(|dir| !dir.as_os_str().is_empty());
        Rights {
            connect: config.allow.ports().collect(),
            sources: true,
            remove_in: Some(dir.unwrap_or_else(|| Path::new(".")).to_owned()),
            ..Rights::default()
        }
    }

    /// Serves until `shutdown` resolves; requests that are under way are dropped then.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, dialer } = &self;
        let slots = Arc::new(Semaphore::new(PEERS));
        let mut peers = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let reports = Arc::clone(&dialer.reports);
        let _summed_up = reports.summed_up();
        let accept = async || {
            let slot = match Arc::clone(&slots).try_acquire_owned() {
                Ok(slot) => slot,
                Err(_) => {
                    // Ends the channel that has been silent longest, or the next one that is silent.
                    dialer.crowded.notify_one();
                    Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?
                }
            };
            Ok::<_, io::Error>((slot, poll_fn(|cx| listener.poll_accept(cx)).await?))
        };
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                Some(ended) = peers.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "a request was dropped");
                },
                accepted = accept() => match accepted {
                    Ok((slot, peer)) => {
                        reports.went_well(Topic::Accept);
                        let dialer = Arc::clone(dialer);
                        peers.spawn(async move {
                            Peer::new(peer, &dialer).serve().await;
                            drop(slot);
                        });
                    }
                    Err(error) if accept::classify(&error) == Verdict::Next => {}
                    Err(error) => {
                        let told = reports.note(Topic::Accept, &error.to_string());
                        report!(told, warn, %error, "cannot accept just now");
                        tokio::time::sleep(accept::BACKOFF).await;
                    }
                },
            }
        }
    }
}

impl Drop for DialServer {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.dialer.config.socket) {
            tracing::warn!(%error, "{}", Warning::Socket(self.dialer.config.socket.clone()));
        }
    }
}
