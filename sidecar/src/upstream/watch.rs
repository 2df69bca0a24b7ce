//! What becomes of the network namespace: the gateway moves, or all of it is of no use any more.

use std::future::pending;
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
        tokio::select! {
            error = self.watch_gateways() => error,
            error = self.watch_owner() => error,
        }
    }

    async fn watch_gateways(&self) -> UpstreamError {
        let Some(gateways) = &self.gateways else { return pending().await };
        loop {
            gateways.changed().await;
            self.follow(gateways);
            if gateways.gone() {
                tokio::time::sleep(GONE_FOR_GOOD).await;
                if gateways.gone() {
                    return UpstreamError::NamespaceGone { port: self.ports };
                }
            }
        }
    }

    async fn watch_owner(&self) -> UpstreamError {
        let Some(owner) = &self.owner else { return pending().await };
        owner.gone().await;
        UpstreamError::OwnerGone { port: self.ports, socket: owner.socket.clone() }
    }

    /// Takes the gateway's address as it is now, if that is the target.
    fn follow(&self, gateways: &Gateways) {
        if self.target.host == TargetHost::Gateway {
            match gateways.addrs(self.target.port.get()) {
                Ok(addrs) => self.moved(addrs),
                Err(error) => tracing::warn!(%error, "{}", Warning::Routes),
            }
        }
    }

    /// Looks for the namespace's owner, for [`Self::watch`] to know, which looks by itself where nobody
    /// asks for health. Whoever ends while the engine is down is started with the owner when it is back.
    pub fn look(&self) {
        if let Some(owner) = &self.owner {
            owner.look();
        }
    }

    fn moved(&self, addrs: Arc<[SocketAddr]>) {
        let mut known = self.addrs.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *known != addrs {
            tracing::info!(from = ?*known, to = ?addrs, "the gateway has changed");
            *known = addrs;
        }
    }
}
