//! The namespace's default gateway, followed as it changes.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use crate::routes::{default_gateways, interface_index, only_loopback};
use crate::sys::{RouteMonitor, RouteTables};
use crate::warning::Warning;

/// The gateways of the namespace this was opened in.
#[derive(Debug)]
pub(super) struct Gateways {
    tables: RouteTables,
    monitor: Option<RouteMonitor>,
}

impl Gateways {
    pub(super) fn open() -> io::Result<Self> {
        // Hung up before the tables are first read: no change can fall in between.
        let monitor =
            RouteMonitor::new().inspect_err(|error| tracing::warn!(%error, "{}", Warning::GatewayStays)).ok();
        Ok(Self { tables: RouteTables::open()?, monitor })
    }

    /// The default gateways with a port, link-local ones with their scope.
    pub(super) fn addrs(&self, port: u16) -> io::Result<Arc<[SocketAddr]>> {
        let found = default_gateways(&self.tables.ipv4()?, &self.tables.ipv6()?);
        let addresses6 = self.tables.addresses6()?;
        Ok(found
            .into_iter()
            .map(|gateway| match gateway.ip {
                IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                    let scope = interface_index(&gateway.interface, &addresses6).unwrap_or(0);
                    SocketAddrV6::new(ip, port, 0, scope).into()
                }
                ip => SocketAddr::new(ip, port),
            })
            .collect())
    }

    /// Whether the namespace has no way out any more.
    pub(super) fn gone(&self) -> bool {
        self.tables.interfaces().is_ok_and(|interfaces| only_loopback(&interfaces))
    }

    /// Waits until something may have changed; for ever where that cannot be heard.
    pub(super) async fn changed(&self) {
        match &self.monitor {
            Some(monitor) => {
                if let Err(error) = monitor.changed().await {
                    tracing::warn!(%error, "{}", Warning::RouteChanges);
                    std::future::pending().await
                }
            }
            None => std::future::pending().await,
        }
    }
}
