//! What the dialer does for each of those who ask: it takes requests, and hands over what it has
//! connected.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use explained::Explained;
use rustix::io::Errno;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::attempts::{Attempts, Dialer, Number};
use super::{Malformed, Reply, Request};
use crate::connect::ConnectError;
use crate::reports::{Topic, report};
use crate::sys::{Control, PacketSocket, Passed, Socket};

/// After so many requests of one channel the others have their turn.
const BURST: u32 = 32;

/// Who asks does so at once, or not at all; and reads the answers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a request was not granted.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "log"]
pub enum Refusal {
    /// Another user's relay.
    #[error("user \"{uid}\" may not ask", uid = .0)]
    #[advice = "`--peer-uid`"]
    User(u32),
    /// A peer says nothing.
    #[error("no request within {seconds} s", seconds = PATIENCE.as_secs())]
    #[advice = "nothing"]
    Silent,
    /// A relay hangs, or a peer is none.
    #[error("the answers are not read")]
    #[advice = "look who asks"]
    Deaf,
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

/// One of those who ask.
pub(super) struct Peer<'a> {
    socket: PacketSocket,
    dialer: &'a Arc<Dialer>,
}

impl<'a> Peer<'a> {
    pub(super) const fn new(socket: PacketSocket, dialer: &'a Arc<Dialer>) -> Self {
        Self { socket, dialer }
    }

    /// Serves it until one side ends the connection.
    pub(super) async fn serve(&self) {
        let Err(refusal) = self.granted().await else { return };
        self.tell(&refusal);
        let reply = match refusal {
            Refusal::User(_) | Refusal::Broken(_) | Refusal::Deaf => return,
            Refusal::NotAllowed(_) => Reply::NotAllowed,
            _ => Reply::Malformed,
        };
        // Who has gone already does without.
        let _ = self.socket.send(&reply.encode(), None);
    }

    fn tell(&self, refusal: &Refusal) {
        let told = self.dialer.reports.note(Topic::Request, &refusal.to_string());
        report!(told, info, error = %refusal, "a request was refused");
    }

    async fn granted(&self) -> Result<(), Refusal> {
        let uid = self.socket.peer_uid()?;
        let Dialer { own_uid, ref config, .. } = **self.dialer;
        if uid != 0 && uid != own_uid && Some(uid) != config.peer_uid {
            return Err(Refusal::User(uid));
        }
        let asked = tokio::select! {
            biased;
            asked = timeout(PATIENCE, self.request()) => asked.map_err(|_| Refusal::Silent)??,
            () = self.dialer.crowded.notified() => return Ok(()),
        };
        match asked {
            (None, Request::Health) => self.answer(None, Reply::Healthy, None).await,
            (None, Request::Dial(port)) if !config.allow.allows(port) => Err(Refusal::NotAllowed(port)),
            (number, request) => self.channel(number, request).await,
        }
    }

    /// Serves a channel, of which this is the first request, or the only request of a connection.
    async fn channel(&self, number: Number, request: Request) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        let is_channel = number.is_some();
        if !is_channel {
            // What was sent along with it is seen before anything is dialled.
            tokio::select! {
                biased;
                more = self.request() => return only(more),
                () = std::future::ready(()) => {}
            }
        }
        self.asked(number, request, &mut attempts).await?;
        for turn in 1_u32.. {
            if !is_channel && attempts.are_none() {
                break;
            }
            tokio::select! {
                biased;
                Some((number, dialled)) = attempts.ended() => self.dialled(number, dialled).await?,
                asked = self.request(), if attempts.may_wait() => match asked {
                    more if !is_channel => return only(more),
                    Ok((Some(number), request)) => self.asked(Some(number), request, &mut attempts).await?,
                    Ok((None, _)) => return Err(Refusal::Malformed),
                    // It has gone.
                    Err(Refusal::Empty) => return Ok(()),
                    Err(refusal) => return Err(refusal),
                },
                () = self.dialer.crowded.notified(), if attempts.are_none() => return Ok(()),
            }
            while let Some((number, port)) = attempts.next(self.dialer) {
                self.dial(number, port, &mut attempts).await?;
            }
            if turn.is_multiple_of(BURST) {
                yield_now().await;
            }
        }
        Ok(())
    }

    async fn asked(&self, number: Number, request: Request, attempts: &mut Attempts) -> Result<(), Refusal> {
        match request {
            Request::Health => self.answer(number, Reply::Healthy, None).await,
            Request::Cancel if attempts.cancel(number) => {
                let cancelled = Reply::Failed(Errno::CANCELED.raw_os_error());
                self.answer(number, cancelled, None).await
            }
            // The answer has crossed it.
            Request::Cancel => Ok(()),
            Request::Dial(port) if !self.dialer.config.allow.allows(port) => {
                self.tell(&Refusal::NotAllowed(port));
                self.answer(number, Reply::NotAllowed, None).await
            }
            Request::Dial(port) if attempts.has_room(self.dialer) => self.dial(number, port, attempts).await,
            Request::Dial(port) => {
                attempts.wait(number, port);
                Ok(())
            }
        }
    }

    /// Connects at once, as it usually can be done, or begins to.
    async fn dial(&self, number: Number, port: u16, attempts: &mut Attempts) -> Result<(), Refusal> {
        let begun = self.dialer.begin(port).and_then(|begun| {
            let is_made = self.dialer.connector.is_made(begun.as_fd(), port)?;
            Ok((begun, is_made))
        });
        let begun = match begun {
            Ok((made, true)) => return self.answer(number, Reply::Connected, Some(made.as_fd())).await,
            Ok((begun, false)) => Ok(begun),
            Err(error) => Err(error),
        };
        attempts.start(number, begun, port, self.dialer);
        Ok(())
    }

    /// Hands over what was dialled, or says why there is nothing.
    async fn dialled(&self, number: Number, dialled: Result<Socket, ConnectError>) -> Result<(), Refusal> {
        match dialled {
            Ok(socket) => self.answer(number, Reply::Connected, Some(socket.as_fd())).await,
            Err(error) => self.answer(number, Reply::Failed(error.errno()), None).await,
        }
    }

    /// Answers, perhaps with a descriptor. That is the peer's alone from then on, and may not be touched:
    /// a setting made here would be made there as well. Where this fails its drop resets the connection,
    /// which nobody wants.
    async fn answer(&self, number: Number, reply: Reply, fd: Option<BorrowedFd<'_>>) -> Result<(), Refusal> {
        tracing::debug!(number, ?reply, "answered");
        loop {
            match self.send(number, reply, fd) {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                    timeout(PATIENCE, self.socket.room()).await.map_err(|_| Refusal::Deaf)??;
                }
                // Too many are on their way that were not received.
                Err(error) if fd.is_some() && Errno::from_io_error(&error) == Some(Errno::TOOMANYREFS) => {
                    let failed = Reply::Failed(Errno::TOOMANYREFS.raw_os_error());
                    return Ok(self.send(number, failed, None)?);
                }
                sent => return Ok(sent?),
            }
        }
    }

    fn send(&self, number: Number, reply: Reply, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        match number {
            Some(number) => self.socket.send(&reply.numbered(number), fd),
            None => self.socket.send(&reply.encode(), fd),
        }
    }

    async fn request(&self) -> Result<(Number, Request), Refusal> {
        // One byte more than a request has, or a longer packet would pass for one.
        let mut buf = [0; Request::BYTES + 1];
        poll_fn(|cx| {
            // No room for descriptors: the kernel closes those that come, before anybody has them.
            let packet = std::task::ready!(self.socket.poll_recv(cx, &mut buf, Control::None))?;
            let request = match Request::decode(packet.bytes) {
                _ if !matches!(packet.passed, Passed::Nothing) => Err(Refusal::Descriptors),
                _ if packet.bytes.is_empty() => Err(Refusal::Empty),
                Ok(request) if !packet.cut => Ok(request),
                Ok(_) | Err(Malformed) => Err(Refusal::Malformed),
            };
            std::task::Poll::Ready(request)
        })
        .await
    }
}

/// What comes on a connection that is for one request.
fn only(more: Result<(Number, Request), Refusal>) -> Result<(), Refusal> {
    match more {
        Err(Refusal::Empty) => Ok(()),
        Err(Refusal::Broken(error)) => Err(error.into()),
        _ => Err(Refusal::Several),
    }
}
