//! The relay's end of a channel.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::DialerError;
use super::requests::{Requests, Unanswered};
use super::{Malformed, Reply, Request};
use crate::connect::ConnectError;
use crate::sys::{Control, PacketSocket, Passed, verify_loopback};

/// An answer as the protocol wants it: with a descriptor if it says that it has one, and else without.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) number: Option<u32>,
    pub(super) reply: Reply,
    passed: Option<OwnedFd>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Broken {
    /// The dialer has gone.
    Gone(io::Error),
    Nonsense,
}

impl Broken {
    pub(super) fn at(self, path: &Path) -> DialerError {
        match self {
            Self::Gone(cause) => DialerError::Absent { path: path.to_owned(), cause },
            Self::Nonsense => DialerError::Nonsense,
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// Receives an answer.
pub(super) fn poll_answer(socket: &PacketSocket, cx: &mut Context<'_>) -> Poll<Result<Answer, Broken>> {
    // One byte more than an answer has, or a longer packet would pass for one.
    let mut buf = [0; Reply::BYTES + 1];
    let packet = ready!(socket.poll_recv(cx, &mut buf, Control::One))?;
    if packet.bytes.is_empty() {
        return Poll::Ready(Err(Broken::Gone(io::ErrorKind::UnexpectedEof.into())));
    }
    Poll::Ready(match (Reply::decode(packet.bytes), packet.passed) {
        (Ok((number, Reply::Connected)), Passed::One(fd)) => {
            Ok(Answer { number, reply: Reply::Connected, passed: Some(fd) })
        }
        (Ok((_, Reply::Connected)), _) | (Err(Malformed), _) => Err(Broken::Nonsense),
        (Ok((number, reply)), Passed::Nothing) => Ok(Answer { number, reply, passed: None }),
        (Ok(_), _) => Err(Broken::Nonsense),
    })
}

impl Answer {
    /// The connection to `port` that was asked for.
    pub(super) fn connection(self, port: u16) -> Result<OwnedFd, DialerError> {
        match (self.reply, self.passed) {
            (Reply::Connected, Some(fd)) => match verify_loopback(&fd, port) {
                Ok(()) => Ok(fd),
                Err(cause) => Err(DialerError::Impostor { port, cause }),
            },
            (Reply::Failed(errno), _) => Err(ConnectError::Io(io::Error::from_raw_os_error(errno)).into()),
            (Reply::NotAllowed, _) => Err(DialerError::NotAllowed(port)),
            _ => Err(DialerError::Nonsense),
        }
    }
}

/// Connects, waiting while the dialer's queue is full: the kernel has no event for that.
pub(super) async fn connect(path: &Path) -> io::Result<PacketSocket> {
    let mut pause = Duration::from_millis(1);
    loop {
        match PacketSocket::connect(path) {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(64));
            }
            connected => return connected,
        }
    }
}

/// What opening has come to.
pub(super) enum Opened {
    Channel(Arc<Channel>),
    /// The dialer answers one question per connection.
    Older,
}

/// The relay's end of a channel. A task of its own reads the answers, until the channel has ended.
#[derive(Debug)]
pub(super) struct Channel {
    socket: PacketSocket,
    requests: Mutex<Requests>,
    /// Whoever sends: those who wait for room do so one after the other.
    turn: tokio::sync::Mutex<()>,
}

impl Channel {
    /// Opens a channel to the dialer at `path`. Needs a runtime, on which it is read.
    pub(super) async fn open(path: &Path) -> Result<Opened, Broken> {
        let socket = connect(path).await?;
        socket.send(&Request::Health.numbered(0), None)?;
        match poll_fn(|cx| poll_answer(&socket, cx)).await? {
            Answer { number: Some(0), reply: Reply::Healthy, .. } => {}
            Answer { number: None, reply: Reply::Malformed, .. } => return Ok(Opened::Older),
            _ => return Err(Broken::Nonsense),
        }
        let channel =
            Arc::new(Self { socket, requests: Mutex::default(), turn: tokio::sync::Mutex::default() });
        tokio::spawn(Reader(Arc::clone(&channel)).read());
        Ok(Opened::Channel(channel))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.requests().have_ended()
    }

    /// Ends it, and with it what reads it.
    pub(super) fn end(&self) {
        self.socket.hang_up();
    }

    /// Asks for a connection to `port`, and cancels that when it is dropped. None when the channel ended
    /// before there was an answer.
    pub(super) async fn ask(&self, port: u16) -> Option<Result<OwnedFd, DialerError>> {
        let (asker, answer) = oneshot::channel();
        let added = self.requests().add(port, asker);
        let Some(number) = added else {
            self.end();
            return None;
        };
        let mut request = Asked { channel: self, number, is_sent: false };
        self.send(&Request::Dial(port).numbered(number)).await.ok()?;
        request.is_sent = true;
        answer.await.ok()
    }

    async fn send(&self, packet: &[u8]) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        loop {
            match self.socket.send(packet, None) {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => self.socket.room().await?,
                sent => return sent,
            }
        }
    }

    /// Gives an answer to whoever waits for it.
    ///
    /// # Errors
    /// It is not one that a dialer would give.
    fn answered(&self, answer: Answer) -> Result<(), Malformed> {
        let number = answer.number.ok_or(Malformed)?;
        let Unanswered { port, asker, .. } = self.requests().take(number).ok_or(Malformed)?;
        let Some(asker) = asker else {
            // One that comes too late is closed.
            return if matches!(answer.reply, Reply::Malformed | Reply::Healthy) {
                Err(Malformed)
            } else {
                Ok(())
            };
        };
        let connection = answer.connection(port);
        let is_false = matches!(connection, Err(DialerError::Nonsense | DialerError::Impostor { .. }));
        // The same for one who goes away in this very moment.
        let _ = asker.send(connection);
        if is_false { Err(Malformed) } else { Ok(()) }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, for as long as somebody waits for the answer.
struct Asked<'a> {
    channel: &'a Channel,
    number: u32,
    is_sent: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.channel.requests().take(self.number);
        } else if self.channel.requests().abandon(self.number) {
            // A dialer that reads so little that there is no room gives up by itself.
            let _ = self.channel.socket.send(&Request::Cancel.numbered(self.number), None);
        }
    }
}

/// Reads the answers. However it ends, nobody waits for one any more.
struct Reader(Arc<Channel>);

impl Reader {
    async fn read(self) {
        let channel = &self.0;
        let broken = loop {
            match poll_fn(|cx| poll_answer(&channel.socket, cx)).await {
                Ok(answer) => match channel.answered(answer) {
                    Ok(()) => {}
                    Err(Malformed) => break Broken::Nonsense,
                },
                Err(broken) => break broken,
            }
        };
        tracing::debug!(?broken, "the channel to the dialer has ended");
        if let Broken::Nonsense = broken {
            for request in self.end() {
                request.asker.map(|asker| asker.send(Err(DialerError::Nonsense)));
            }
        }
    }

    fn end(&self) -> VecDeque<Unanswered> {
        // Whoever is about to cancel finds that there is nothing left.
        self.0.end();
        self.0.requests().end()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.end());
    }
}
