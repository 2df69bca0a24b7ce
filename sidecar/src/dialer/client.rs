//! The side that asks: a relay, or a health probe.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use assemble_contract::answer::TIMEOUT;
use rustix::io::Errno;

use super::channel::{self, Broken, Channel, Opened, Said};
use super::error::DialerError;
use super::protocol::{Loopback, Reply, Request, Talk};
use crate::connect::{ConnectError, Connector};
use crate::sys::{Socket, verify_fresh, verify_loopback};

/// A dialer somewhere, known by the path of its socket, and the channel to it.
///
/// One that is gone is noticed at once, and waited for a moment: another may take its place, as where its list
/// of ports has changed.
#[derive(Debug)]
pub struct DialClient {
    path: PathBuf,
    known: Mutex<Known>,
    /// Held by whoever finds out: the others wait for what comes of it.
    opening: tokio::sync::Mutex<()>,
}

/// What is known of the dialer.
#[derive(Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// Kept open by the task that reads it.
    Channel(Weak<Channel>),
    /// It knows no channels, as of then.
    Older(Instant),
    /// There was one, which is not there any more, as of then.
    Gone(Instant),
}

/// What a dialer has handed over.
enum Handed {
    /// Not connected yet, and where it came from.
    Socket(OwnedFd, Arc<Channel>),
    /// By an older one.
    Connection(OwnedFd),
}

/// A connection by way of a dialer.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = Result<Socket, DialerError>> + Send + 'a>>;

/// For how long a dialer is taken for an older one, before the next may be tried.
const OLDER: Duration = Duration::from_secs(60);

/// For how long one that was there is waited for, and how often it is looked for meanwhile.
const AWAY: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);

impl DialClient {
    /// Knows the path; nothing is asked yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: Mutex::default(), opening: tokio::sync::Mutex::default() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Connects to `port` of the dialer's loopback: over IPv4, else over IPv6. When neither works the first
    /// one's reason counts: the second one often is that there is no IPv6.
    ///
    /// # Errors
    /// The dialer does not help, or there is no connection, within the time that one attempt has.
    pub fn dial<'a>(&'a self, port: u16, connector: &'a Connector) -> Dialling<'a> {
        // Boxed, so that whoever dials by other ways has no room for this, and no copy of its code.
        Box::pin(async move {
            let until = Instant::now() + connector.timeout();
            match self.connect(Loopback { ipv6: false, port }, connector, until).await? {
                Ok(socket) => Ok(socket),
                Err(error @ ConnectError::TimedOut(_)) => Err(error.into()),
                Err(error) => {
                    let ipv6 = self.connect(Loopback { ipv6: true, port }, connector, until).await;
                    ipv6.ok().and_then(Result::ok).ok_or_else(|| error.into())
                }
            }
        })
    }

    /// Connects, or says why this address does not lead there, though another one may.
    async fn connect(
        &self,
        to: Loopback,
        connector: &Connector,
        until: Instant,
    ) -> Result<Result<Socket, ConnectError>, DialerError> {
        let left = || until.saturating_duration_since(Instant::now());
        let in_time = tokio::time::timeout(left(), self.socket(to)).await;
        let in_time = in_time.map_err(|_| ConnectError::TimedOut(connector.timeout()));
        match in_time? {
            Ok(Handed::Socket(socket, channel)) => {
                // Now, since it may have been handed over twice.
                verify_fresh(&socket, to.ip()).map_err(|cause| {
                    channel.end();
                    DialerError::Impostor { port: to.port, cause }
                })?;
                Ok(connector.connect_with(socket, to.addr(), left()).await)
            }
            Ok(Handed::Connection(fd)) => Ok(Ok(Socket::dialled(fd).map_err(ConnectError::Io)?)),
            Err(DialerError::Connect(error)) if lacks_address(&error) => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }

    async fn socket(&self, to: Loopback) -> Result<Handed, DialerError> {
        for _ in 0..2 {
            let Opened::Channel(channel) = self.opened().await? else {
                return self.ask_older(to.port).await.map(Handed::Connection);
            };
            if let Some(answer) = channel.socket(to).await {
                return answer.map(|socket| Handed::Socket(socket, channel));
            }
        }
        let cause = io::ErrorKind::UnexpectedEof.into();
        Err(DialerError::Absent { path: self.path.clone(), cause })
    }

    async fn opened(&self) -> Result<Opened, DialerError> {
        if let Some(opened) = self.known().opened() {
            return Ok(opened);
        }
        let _turn = self.opening.lock().await;
        if let Some(opened) = self.known().opened() {
            return Ok(opened);
        }
        let opened = loop {
            match Channel::open(&self.path).await {
                Ok(opened) => break opened,
                Err(Broken::Gone(_)) if self.known().may_come_back() => tokio::time::sleep(LOOK).await,
                Err(broken) => return Err(broken.at(&self.path)),
            }
        };
        *self.known() = match &opened {
            Opened::Channel(channel) => Known::Channel(Arc::downgrade(channel)),
            Opened::Older => Known::Older(Instant::now()),
        };
        Ok(opened)
    }

    async fn ask_older(&self, port: u16) -> Result<OwnedFd, DialerError> {
        let said = ask_once(&self.path, Request::Dial(port)).await.map_err(|broken| broken.at(&self.path))?;
        let fd = match (said.reply, <[OwnedFd; 1]>::try_from(said.passed)) {
            (Reply::Granted, Ok([fd])) => fd,
            (Reply::Failed(errno), Err(_)) => {
                return Err(ConnectError::Io(io::Error::from_raw_os_error(errno)).into());
            }
            (Reply::NotAllowed, Err(_)) => return Err(DialerError::NotAllowed(port)),
            _ => return Err(DialerError::Nonsense),
        };
        verify_loopback(&fd, port).map_err(|cause| DialerError::Impostor { port, cause })?;
        // Not all of them have done this.
        Socket::prepare(fd.as_fd()).map_err(ConnectError::Io)?;
        Ok(fd)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for DialClient {
    fn drop(&mut self) {
        if let Some(Opened::Channel(channel)) = self.known().opened() {
            channel.end();
        }
    }
}

impl Known {
    fn opened(&self) -> Option<Opened> {
        match self {
            Self::Channel(channel) => {
                channel.upgrade().filter(|channel| !channel.has_ended()).map(Opened::Channel)
            }
            Self::Older(since) if since.elapsed() < OLDER => Some(Opened::Older),
            Self::Nothing | Self::Older(_) | Self::Gone(_) => None,
        }
    }

    /// Whether one that cannot be reached may be about to be again.
    fn may_come_back(&mut self) -> bool {
        match self {
            Self::Channel(_) | Self::Older(_) => *self = Self::Gone(Instant::now()),
            Self::Gone(since) if since.elapsed() >= AWAY => *self = Self::Nothing,
            Self::Gone(_) | Self::Nothing => {}
        }
        !matches!(self, Self::Nothing)
    }
}

/// Whether the dialer's side has no such loopback address.
fn lacks_address(error: &ConnectError) -> bool {
    [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT].iter().any(|errno| error.errno() == errno.raw_os_error())
}

/// Asks a question that is the only one of its connection.
async fn ask_once(path: &Path, request: Request) -> Result<Said, Broken> {
    let socket = channel::connect(path).await?;
    socket.send(&request.encode(), &[])?;
    let said = poll_fn(|cx| channel::poll_said(&socket, cx)).await?;
    if said.talk == Talk::One { Ok(said) } else { Err(Broken::Nonsense) }
}

/// Asks the dialer at `path` whether it serves. Needs a runtime.
///
/// # Errors
/// Nobody answers, or nonsense.
pub async fn probe(path: &Path) -> io::Result<()> {
    match tokio::time::timeout(TIMEOUT, ask_once(path, Request::Health(Talk::One))).await? {
        Ok(Said { reply: Reply::Healthy, passed, .. }) if passed.is_empty() => Ok(()),
        Ok(_) => Err(io::Error::other(DialerError::Nonsense)),
        Err(broken) => Err(io::Error::other(broken.at(path))),
    }
}
