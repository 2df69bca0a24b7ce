//! What becomes of the network namespace: the gateway moves, or all of it is of no use any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use assemble_contract::TargetHost;

use super::gateway::Gateways;
use super::{Upstream, UpstreamError};
use crate::warning::Warning;

/// A namespace without interfaces for this long has lost them for good; one that is moved
/// between networks has new ones by then.
const GONE_FOR_GOOD: Duration = Duration::from_secs(1);

impl Upstream {
    /// Keeps the gateway's address up to date for as long as it is polled.
    ///
    /// Without a gateway new connections are reset, and served again once there is one.
    ///
    /// Resolves when the namespace has no interface but loopback any more, or its owner has gone: a
    /// container that is restarted gets a new namespace, and whoever stays behind in the old one is of
    /// no use.
    pub async fn watch(&self) -> UpstreamError {
        let Some(gateways) = &self.gateways else { return std::future::pending().await };
        let owner_listens = || gateways.has_listener(self.owner_socket.as_deref()?);
        let mut had_owner = false;
        loop {
            tokio::select! {
                () = gateways.changed() => {
                    self.follow(gateways);
                    if gateways.gone() {
                        tokio::time::sleep(GONE_FOR_GOOD).await;
                        if gateways.gone() {
                            return UpstreamError::NamespaceGone { port: self.port };
                        }
                    }
                }
                () = self.asked.notified() => {}
            }
            match owner_listens() {
                Some(true) => had_owner = true,
                Some(false) if had_owner => {
                    tokio::time::sleep(GONE_FOR_GOOD).await;
                    if owner_listens() == Some(false) {
                        let socket = self.owner_socket.clone().unwrap_or_default();
                        return UpstreamError::OwnerGone { port: self.port, socket };
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes the gateway's address as it is now, if that is the target.
    fn follow(&self, gateways: &Gateways) {
        if self.target.host == TargetHost::Gateway {
            match gateways.addrs(self.port()) {
                Ok(addrs) => self.moved(addrs),
                Err(error) => tracing::warn!(%error, "{}", Warning::Routes),
            }
        }
    }

    /// Has [`Self::watch`] look at the namespace. An engine that is down asks for nobody's health, so
    /// that whoever ends for what is seen then is started again, and beside the owner's next run.
    pub fn look(&self) {
        self.asked.notify_one();
    }

    fn moved(&self, addrs: Arc<[SocketAddr]>) {
        let mut known = self.addrs.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *known != addrs {
            tracing::info!(from = ?*known, to = ?addrs, "the gateway has changed");
            *known = addrs;
        }
    }
}
