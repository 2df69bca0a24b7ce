//! What a dialer grants, and what all who ask share.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use assemble_contract::AllowList;
use tokio::sync::Notify;

use super::protocol::{Loopback, Order};
use crate::config::CongestionControl;
use crate::connect::{ConnectError, Connector};
use crate::reports::Reports;
use crate::sys::Socket;

/// Everything a dialer is told.
#[derive(Clone, Debug)]
pub struct DialServerConfig {
    pub socket: PathBuf,
    /// What may be reached.
    pub allow: AllowList,
    /// Who may ask, beside root and the user it runs as; the socket is that user's then.
    pub peer_uid: Option<u32>,
    /// Limit on one attempt to connect, for relays that have the dialer connect.
    pub connect_timeout: Duration,
    /// What sets the pace of sending to services.
    pub congestion_control: CongestionControl,
}

/// What all who ask share.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) config: DialServerConfig,
    pub(super) reports: Arc<Reports>,
    pub(super) connector: Connector,
    pub(super) own_uid: u32,
    /// Waited for by those who are silent, the longest silent first.
    pub(super) crowded: Notify,
}

impl Dialer {
    /// As many as can be had, if there is one at all. Each comes from the loopback address that it is for.
    pub(super) fn sockets(&self, Order { to, count }: Order) -> Result<Vec<OwnedFd>, ConnectError> {
        let mut made = Vec::new();
        for _ in 0..count {
            match self.connector.socket_from(to.ip()) {
                Ok(socket) => made.push(socket),
                Err(error) if made.is_empty() => return Err(error.into()),
                Err(_) => break,
            }
        }
        Ok(made)
    }

    /// Connects over IPv4, else over IPv6. When neither works the first one's reason counts: the second one often
    /// is that there is no IPv6.
    pub(super) async fn connect(&self, port: u16) -> Result<Socket, ConnectError> {
        let to = |ipv6| Loopback { ipv6, port }.addr();
        match self.connector.connect(to(false)).await {
            Err(error) => self.connector.connect(to(true)).await.map_err(|_| error),
            connected => connected,
        }
    }
}
