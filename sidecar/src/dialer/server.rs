//! The dialer: takes requests, and hands over what it has connected.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use assemble_contract::AllowList;
use explained::Explained;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Malformed, Reply, Request};
use crate::accept::{self, Verdict};
use crate::config::CongestionControl;
use crate::congestion;
use crate::connect::{ConnectError, Connector};
use crate::reports::{Reports, Topic, report};
use crate::sys::{Control, PacketListener, PacketSocket, Rights, Socket};
use crate::warning::Warning;

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

/// At most so many requests at once, each with two descriptors; more wait in the kernel's queue.
const REQUESTS: usize = 64;

/// Who asks does so at once, or not at all.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// A dialer that listens. Dropping it removes its socket.
#[derive(Debug)]
pub struct DialServer {
    listener: PacketListener,
    config: Arc<DialServerConfig>,
    connector: Arc<Connector>,
    /// Who it runs as; found out in time, since a confined process may not ask.
    own_uid: u32,
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
            Arc::new(Connector::new(config.connect_timeout, congestion::on_link(config.congestion_control)));
        Ok(Self { listener, config: Arc::new(config), connector, own_uid })
    }

    /// All it needs from now on.
    #[must_use]
    pub fn rights(&self) -> Rights {
        let dir = self.config.socket.parent().filter(|dir| !dir.as_os_str().is_empty());
        Rights {
            connect: self.config.allow.ports().collect(),
            remove_in: Some(dir.unwrap_or_else(|| Path::new(".")).to_owned()),
            ..Rights::default()
        }
    }

    /// Serves until `shutdown` resolves; requests that are under way are dropped then.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let slots = Arc::new(Semaphore::new(REQUESTS));
        let mut requests = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let reports = Arc::<Reports>::default();
        let _summed_up = reports.summed_up();
        let accept = async || {
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((slot, poll_fn(|cx| self.listener.poll_accept(cx)).await?))
        };
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                Some(ended) = requests.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "a request was dropped");
                },
                accepted = accept() => match accepted {
                    Ok((slot, peer)) => {
                        let (config, connector) = (Arc::clone(&self.config), Arc::clone(&self.connector));
                        let (own_uid, reports) = (self.own_uid, Arc::clone(&reports));
                        reports.went_well(Topic::Accept);
                        requests.spawn(async move {
                            serve(&peer, &config, &connector, own_uid, &reports).await;
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
        if let Err(error) = std::fs::remove_file(&self.config.socket) {
            tracing::warn!(%error, "{}", Warning::Socket(self.config.socket.clone()));
        }
    }
}

/// Why a request was not granted.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "log"]
pub enum Refusal {
    /// Another user's relay.
    #[error("user \"{uid}\" may not ask", uid = .0)]
    #[advice = "`--peer-uid`"]
    User(u32),
    /// A peer says nothing.
    #[error("no request within {seconds} s", seconds = REQUEST_TIMEOUT.as_secs())]
    #[advice = "nothing"]
    Silent,
    /// A peer is no relay.
    #[error("an empty request")]
    #[advice = "look who asks"]
    Empty,
    /// A peer is no relay.
    #[error("a request that comes with descriptors")]
    #[advice = "look who asks"]
    Descriptors,
    /// A peer is no relay.
    #[error("a request that cannot be read")]
    #[advice = "look who asks"]
    Malformed,
    /// A peer is no relay.
    #[error("more than one request")]
    #[advice = "look who asks"]
    Several,
    /// A relay asks for a port that is not allowed.
    #[error("port \"{port}\" is not on the list", port = .0)]
    #[advice = "`--allow`"]
    NotAllowed(u16),
    /// A relay ended meanwhile.
    #[error("the peer broke off: {error}", error = .0)]
    #[advice = "nothing"]
    Broken(#[from] io::Error),
}

async fn serve(
    peer: &PacketSocket,
    config: &DialServerConfig,
    connector: &Connector,
    own_uid: u32,
    reports: &Reports,
) {
    let refusal = match granted(peer, config, connector, own_uid).await {
        Ok(()) => return,
        Err(refusal) => refusal,
    };
    let told = reports.note(Topic::Request, &refusal.to_string());
    report!(told, info, error = %refusal, "a request was refused");
    let reply = match refusal {
        Refusal::User(_) | Refusal::Broken(_) => return,
        Refusal::NotAllowed(_) => Reply::NotAllowed,
        _ => Reply::Malformed,
    };
    // Who has gone already does without.
    let _ = peer.send(&reply.encode(), None);
}

async fn granted(
    peer: &PacketSocket,
    config: &DialServerConfig,
    connector: &Connector,
    own_uid: u32,
) -> Result<(), Refusal> {
    let uid = peer.peer_uid()?;
    if uid != 0 && uid != own_uid && Some(uid) != config.peer_uid {
        return Err(Refusal::User(uid));
    }
    let asked = tokio::time::timeout(REQUEST_TIMEOUT, request(peer)).await;
    let port = match asked.map_err(|_| Refusal::Silent)?? {
        Request::Health => return Ok(peer.send(&Reply::Healthy.encode(), None)?),
        Request::Dial(port) if config.allow.allows(port) => port,
        Request::Dial(port) => return Err(Refusal::NotAllowed(port)),
    };
    // Looked at first: what was sent along with a request is seen before anything is dialled.
    let dialled = tokio::select! {
        biased;
        more = request(peer) => return match more {
            Err(Refusal::Empty) => {
                tracing::debug!(port, "the peer went away while dialling");
                Ok(())
            }
            Err(Refusal::Broken(error)) => Err(error.into()),
            _ => Err(Refusal::Several),
        },
        dialled = dial(port, connector) => dialled,
    };
    match dialled {
        Ok(socket) => {
            // On failure the drop resets the connection that nobody wants. Else it is the peer's
            // alone, and may not be touched: a setting made here would be made there as well.
            peer.send(&Reply::Connected.encode(), Some(socket.as_fd()))?;
            tracing::debug!(port, uid, "handed over");
        }
        Err(error) => {
            tracing::debug!(port, uid, %error, "cannot connect");
            peer.send(&Reply::Failed(error.errno()).encode(), None)?;
        }
    }
    Ok(())
}

async fn request(peer: &PacketSocket) -> Result<Request, Refusal> {
    // One byte more than a request has, or a longer packet would pass for one.
    let mut buf = [0; Request::BYTES + 1];
    poll_fn(|cx| {
        // No room for descriptors: the kernel closes those that come, before anybody has them.
        let packet = std::task::ready!(peer.poll_recv(cx, &mut buf, Control::None))?;
        let request = match Request::decode(packet.bytes) {
            _ if packet.descriptors_cut || !packet.descriptors.is_empty() => Err(Refusal::Descriptors),
            _ if packet.bytes.is_empty() => Err(Refusal::Empty),
            Ok(request) if !packet.cut => Ok(request),
            Ok(_) | Err(Malformed) => Err(Refusal::Malformed),
        };
        std::task::Poll::Ready(request)
    })
    .await
}

/// Connects over IPv4, else over IPv6. When neither works the first one's reason counts: the
/// second one often is that there is no IPv6.
async fn dial(port: u16, connector: &Connector) -> Result<Socket, ConnectError> {
    let to = |ip: IpAddr| connector.connect(SocketAddr::new(ip, port));
    match to(Ipv4Addr::LOCALHOST.into()).await {
        Ok(socket) => Ok(socket),
        Err(error) => to(Ipv6Addr::LOCALHOST.into()).await.map_err(|_| error),
    }
}
