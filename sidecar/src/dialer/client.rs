//! The side that asks: a relay, or a health probe.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use assemble_contract::answer::TIMEOUT;

use super::channel::{self, Answer, Broken, Channel, Opened};
use super::error::DialerError;
use super::{Reply, Request};
use crate::connect::ConnectError;
use crate::sys::Socket;

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

/// A connection that a dialer makes.
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

    /// Has a connection made to `port` of the dialer's loopback. Dropping this cancels it there
    /// as well.
    ///
    /// # Errors
    /// The dialer does not help, its connect(2) fails, or there is no answer within `timeout`.
    pub fn dial(&self, port: u16, timeout: Duration) -> Dialling<'_> {
        // Boxed, so that whoever dials by other ways has no room for this, and no copy of its code.
        Box::pin(async move {
            let answered = tokio::time::timeout(timeout, self.ask(port)).await;
            let fd = answered.map_err(|_| ConnectError::TimedOut(timeout))??;
            Ok(Socket::dialled(fd).map_err(ConnectError::Io)?)
        })
    }

    async fn ask(&self, port: u16) -> Result<OwnedFd, DialerError> {
        for _ in 0..2 {
            let Opened::Channel(channel) = self.opened().await? else {
                return self.ask_older(port).await;
            };
            if let Some(answer) = channel.ask(port).await {
                return answer;
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
        let answer =
            ask_once(&self.path, Request::Dial(port)).await.map_err(|broken| broken.at(&self.path))?;
        let fd = answer.connection(port)?;
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

/// Asks a question that is the only one of its connection.
async fn ask_once(path: &Path, request: Request) -> Result<Answer, Broken> {
    let socket = channel::connect(path).await?;
    socket.send(&request.encode(), &[])?;
    match poll_fn(|cx| channel::poll_answers(&socket, cx)).await?.pop() {
        Some(answer @ Answer { number: None, .. }) => Ok(answer),
        _ => Err(Broken::Nonsense),
    }
}

/// Asks the dialer at `path` whether it serves. Needs a runtime.
///
/// # Errors
/// Nobody answers, or nonsense.
pub async fn probe(path: &Path) -> io::Result<()> {
    match tokio::time::timeout(TIMEOUT, ask_once(path, Request::Health)).await? {
        Ok(Answer { reply: Reply::Healthy, .. }) => Ok(()),
        Ok(_) => Err(io::Error::other(DialerError::Nonsense)),
        Err(broken) => Err(io::Error::other(broken.at(path))),
    }
}
