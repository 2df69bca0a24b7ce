//! The relay's end of a channel.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use tokio::sync::{Notify, oneshot};

use super::error::DialerError;
use super::requests::{Requests, Unanswered};
use super::{Malformed, Reply, Request};
use crate::accept::BACKOFF;
use crate::connect::ConnectError;
use crate::sys::{Control, Packet, PacketSocket, Passed, verify_loopback};

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

/// Receives the answers of a packet.
pub(super) fn poll_answers(socket: &PacketSocket, cx: &mut Context<'_>) -> Poll<Result<Vec<Answer>, Broken>> {
    // One byte more than the longest has, or a longer packet would pass for one.
    let mut buf = [0; Reply::BYTES + 1];
    let packet = ready!(socket.poll_recv(cx, &mut buf, Control::Some))?;
    if packet.bytes.is_empty() {
        return Poll::Ready(Err(Broken::Gone(io::ErrorKind::UnexpectedEof.into())));
    }
    Poll::Ready(answers(packet).ok_or(Broken::Nonsense))
}

fn answers(packet: Packet<'_>) -> Option<Vec<Answer>> {
    // There is room for one in each row of a packet: this process may not have more (unix(7)).
    let (passed, without) = match packet.passed {
        Passed::All(passed) => (passed, Reply::Connected),
        Passed::TooMany => (Vec::new(), Reply::Failed(Errno::MFILE.raw_os_error())),
    };
    let mut passed = passed.into_iter();
    let mut answers = Vec::new();
    for (number, reply) in Reply::decode(packet.bytes).ok()? {
        let reply = if reply == Reply::Connected { without } else { reply };
        let passed = if reply == Reply::Connected { Some(passed.next()?) } else { None };
        answers.push(Answer { number, reply, passed });
    }
    passed.next().is_none().then_some(answers)
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

/// The relay's end of a channel. A task of its own sends the requests and reads the answers, until the channel
/// has ended: all that is asked before its turn comes goes in one packet.
#[derive(Debug)]
pub(super) struct Channel {
    socket: PacketSocket,
    requests: Mutex<Requests>,
    /// There is something to be sent.
    unsent: Notify,
}

impl Channel {
    /// Opens a channel to the dialer at `path`. Needs a runtime, on which it is read.
    pub(super) async fn open(path: &Path) -> Result<Opened, Broken> {
        let socket = connect(path).await?;
        socket.send(&Request::Health.numbered(0), &[])?;
        match poll_fn(|cx| poll_answers(&socket, cx)).await?.as_slice() {
            [Answer { number: Some(0), reply: Reply::Healthy, .. }] => {}
            [Answer { number: None, reply: Reply::Malformed, .. }] => return Ok(Opened::Older),
            _ => return Err(Broken::Nonsense),
        }
        let channel = Arc::new(Self { socket, requests: Mutex::default(), unsent: Notify::new() });
        tokio::spawn(Serving(Arc::clone(&channel)).serve());
        Ok(Opened::Channel(channel))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.requests().have_ended()
    }

    /// Ends it, and with it what serves it.
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
        self.unsent.notify_one();
        let _cancelled = Asked { channel: self, number };
        answer.await.ok()
    }

    /// Sends what is asked, for ever.
    async fn send(&self) -> Infallible {
        loop {
            let packet = self.requests().packet();
            match packet {
                Some(packet) => self.send_packet(&packet).await,
                None => self.unsent.notified().await,
            }
        }
    }

    /// That a dialer has gone is for [`Self::read`] to find, after its last answers; and where there is no
    /// descriptor to wait for room with, there is one later.
    async fn send_packet(&self, packet: &[u8]) {
        while let Err(error) = self.socket.send(packet, &[]) {
            let is_full = error.kind() == io::ErrorKind::WouldBlock;
            if !is_full || self.socket.room().await.is_err() {
                tokio::time::sleep(BACKOFF).await;
            }
        }
    }

    /// Reads answers, for ever.
    async fn read(&self) -> Broken {
        loop {
            let answers = match poll_fn(|cx| poll_answers(&self.socket, cx)).await {
                Ok(answers) => answers,
                Err(broken) => return broken,
            };
            for answer in answers {
                if let Err(Malformed) = self.answered(answer) {
                    return Broken::Nonsense;
                }
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
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.channel.requests().abandon(self.number) {
            self.channel.unsent.notify_one();
        }
    }
}

/// Serves a channel. However it ends, nobody waits for an answer any more.
struct Serving(Arc<Channel>);

impl Serving {
    async fn serve(self) {
        let broken = tokio::select! {
            biased;
            broken = self.0.read() => broken,
            never = self.0.send() => match never {},
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

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end());
    }
}
