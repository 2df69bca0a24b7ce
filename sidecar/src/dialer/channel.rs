//! The relay's end of a channel.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::Notify;

use super::error::DialerError;
use super::pool::{Answer, Pool, Taken};
use super::protocol::{Loopback, Malformed, Reply, Request, Talk};
use crate::accept::BACKOFF;
use crate::sys::{Control, PacketSocket, Passed};

/// A packet of a dialer.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) talk: Talk,
    pub(super) reply: Reply,
    pub(super) passed: Vec<OwnedFd>,
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

impl From<Malformed> for Broken {
    fn from(Malformed: Malformed) -> Self {
        Self::Nonsense
    }
}

/// Receives a packet.
pub(super) fn poll_said(socket: &PacketSocket, cx: &mut Context<'_>) -> Poll<Result<Said, Broken>> {
    // One byte more than it has, or a longer packet would pass for one.
    let mut buf = [0; Reply::BYTES + 1];
    let packet = ready!(socket.poll_recv(cx, &mut buf, Control::Some))?;
    if packet.bytes.is_empty() {
        return Poll::Ready(Err(Broken::Gone(io::ErrorKind::UnexpectedEof.into())));
    }
    let (talk, reply) = Reply::decode(packet.bytes)?;
    Poll::Ready(Ok(match packet.passed {
        // There is room for all that go with a packet: this process may not have more (unix(7)).
        Passed::Some(none) if none.is_empty() && reply == Reply::Granted => {
            Said { talk, reply: Reply::Failed(Errno::MFILE.raw_os_error()), passed: none }
        }
        Passed::Some(passed) | Passed::All(passed) => Said { talk, reply, passed },
    }))
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

/// The relay's end of a channel. A task of its own sends the orders and reads the answers, until the channel
/// has ended.
#[derive(Debug)]
pub(super) struct Channel {
    socket: PacketSocket,
    pool: Mutex<Pool>,
    /// There is something to be sent.
    unsent: Notify,
}

impl Channel {
    /// Opens a channel to the dialer at `path`. Needs a runtime, on which it is read.
    pub(super) async fn open(path: &Path) -> Result<Opened, Broken> {
        let socket = connect(path).await?;
        socket.send(&Request::Health(Talk::Channel).encode(), &[])?;
        match poll_fn(|cx| poll_said(&socket, cx)).await? {
            Said { passed, .. } if !passed.is_empty() => return Err(Broken::Nonsense),
            Said { talk: Talk::Channel, reply: Reply::Healthy, .. } => {}
            Said { talk: Talk::One, reply: Reply::Malformed, .. } => return Ok(Opened::Older),
            _ => return Err(Broken::Nonsense),
        }
        let channel = Arc::new(Self { socket, pool: Mutex::default(), unsent: Notify::new() });
        tokio::spawn(Serving(Arc::clone(&channel)).serve());
        Ok(Opened::Channel(channel))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.pool().has_ended()
    }

    /// Ends it, and with it what serves it.
    pub(super) fn end(&self) {
        self.socket.hang_up();
        drop(self.pool().end());
    }

    /// A socket for a port of the dialer's loopback. None when the channel ended before there was one.
    pub(super) async fn socket(&self, to: Loopback) -> Option<Answer> {
        let taken = {
            let mut pool = self.pool();
            let taken = pool.take(to, Instant::now());
            if pool.has_orders() {
                self.unsent.notify_one();
            }
            taken?
        };
        match taken {
            Taken::Here(socket) => Some(Ok(socket)),
            Taken::Later(answer) => answer.await.ok(),
        }
    }

    /// Sends what is asked for, for ever.
    async fn send(&self) -> Infallible {
        loop {
            let order = self.pool().next_order();
            match order {
                Some(order) => self.send_packet(&Request::Sockets(order).encode()).await,
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
            let said = match poll_fn(|cx| poll_said(&self.socket, cx)).await {
                Ok(said) => said,
                Err(broken) => return broken,
            };
            if let Err(Malformed) = self.said(said) {
                return Broken::Nonsense;
            }
        }
    }

    /// Gives what came to those who wait for it.
    ///
    /// # Errors
    /// It is nothing that a dialer would give.
    fn said(&self, Said { talk, reply, passed }: Said) -> Result<(), Malformed> {
        let mut pool = self.pool();
        if talk != Talk::Channel {
            return Err(Malformed);
        }
        pool.answered(reply, passed, Instant::now())?;
        if pool.has_orders() {
            self.unsent.notify_one();
        }
        Ok(())
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
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
        let waiting = self.0.pool().end();
        if let Broken::Nonsense = broken {
            for asker in waiting {
                // Who has gone does without.
                let _ = asker.send(Err(DialerError::Nonsense));
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.end();
    }
}
