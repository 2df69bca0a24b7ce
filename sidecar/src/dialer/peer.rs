//! What the dialer does for each of those who ask: it takes requests, and hands over the sockets that
//! it has made.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use explained::Explained;
use rustix::io::Errno;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::grants::Dialer;
use super::protocol::{MOST, Malformed, Order, Reply, Request, Talk};
use crate::reports::{Topic, report};
use crate::sys::{Control, DESCRIPTORS, PacketSocket, Passed};

/// After so many orders of one channel, each of up to 16 sockets, the others have their turn.
const BURST: u32 = 2;

const _: () = assert!(MOST as usize <= DESCRIPTORS, "they go with one packet");

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
    /// A peer is no relay, or one of another version.
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
    dialer: &'a Dialer,
}

/// What is handed over, or why nothing is.
type Answer = Result<Vec<OwnedFd>, Reply>;

impl<'a> Peer<'a> {
    pub(super) const fn new(socket: PacketSocket, dialer: &'a Dialer) -> Self {
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
        // So that other versions understand it; who has gone already does without.
        let _ = self.socket.send(&reply.encode(Talk::One), &[]);
    }

    fn tell(&self, refusal: &Refusal) {
        let told = self.dialer.reports.note(Topic::Request, &refusal.to_string());
        report!(told, info, error = %refusal, "a request was refused");
    }

    async fn granted(&self) -> Result<(), Refusal> {
        let uid = self.socket.peer_uid()?;
        let Dialer { own_uid, ref config, .. } = *self.dialer;
        if uid != 0 && uid != own_uid && Some(uid) != config.peer_uid {
            return Err(Refusal::User(uid));
        }
        let asked = tokio::select! {
            biased;
            asked = timeout(PATIENCE, self.request()) => asked.map_err(|_| Refusal::Silent)??,
            () = self.dialer.crowded.notified() => return Ok(()),
        };
        match asked {
            Request::Health(Talk::One) => self.answer(Talk::One, Err(Reply::Healthy)).await,
            Request::Dial(port) => self.dial(port).await,
            first => self.channel(first).await,
        }
    }

    /// Answers the only request of a connection, of a relay that wants to be connected. What was sent along with
    /// it is seen before anything is dialled.
    async fn dial(&self, port: u16) -> Result<(), Refusal> {
        if !self.dialer.config.allow.allows(port) {
            return Err(Refusal::NotAllowed(port));
        }
        let connected = tokio::select! {
            biased;
            more = self.request() => return match more {
                Err(Refusal::Empty) => Ok(()),
                Err(Refusal::Broken(error)) => Err(error.into()),
                _ => Err(Refusal::Several),
            },
            connected = self.dialer.connect(port) => connected,
        };
        let answer = connected.map(|socket| vec![socket.unregistered()]);
        self.answer(Talk::One, answer.map_err(|error| Reply::Failed(error.errno()))).await
    }

    /// Serves a channel that begins with this.
    async fn channel(&self, first: Request) -> Result<(), Refusal> {
        let mut request = first;
        for turn in 1_u32.. {
            match request {
                Request::Health(Talk::Channel) => self.answer(Talk::Channel, Err(Reply::Healthy)).await?,
                Request::Sockets(order) => self.answer(Talk::Channel, self.sockets(order)).await?,
                Request::Health(Talk::One) | Request::Dial(_) => return Err(Refusal::Malformed),
            }
            if turn.is_multiple_of(BURST) {
                yield_now().await;
            }
            request = tokio::select! {
                biased;
                asked = self.request() => match asked {
                    // It has gone.
                    Err(Refusal::Empty) => return Ok(()),
                    asked => asked?,
                },
                () = self.dialer.crowded.notified() => return Ok(()),
            };
        }
        Ok(())
    }

    fn sockets(&self, order: Order) -> Answer {
        if !self.dialer.config.allow.allows(order.to.port) {
            self.tell(&Refusal::NotAllowed(order.to.port));
            return Err(Reply::NotAllowed);
        }
        self.dialer.sockets(order).map_err(|error| Reply::Failed(error.errno()))
    }

    /// Sends it. A descriptor is the peer's alone from then on, and may not be touched: a setting made here
    /// would be made there as well.
    async fn answer(&self, talk: Talk, mut answer: Answer) -> Result<(), Refusal> {
        loop {
            match self.send(talk, &answer) {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                    timeout(PATIENCE, self.socket.room()).await.map_err(|_| Refusal::Deaf)??;
                }
                // Too many are on their way that were not received.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::TOOMANYREFS) && answer.is_ok() => {
                    answer = Err(Reply::Failed(Errno::TOOMANYREFS.raw_os_error()));
                }
                sent => return Ok(sent?),
            }
        }
    }

    fn send(&self, talk: Talk, answer: &Answer) -> io::Result<()> {
        let (reply, made) = match answer {
            Ok(made) => (Reply::Granted, &made[..]),
            Err(reply) => (*reply, &[][..]),
        };
        tracing::debug!(?reply, sockets = made.len(), "answered");
        let descriptors: Vec<BorrowedFd<'_>> = made.iter().map(AsFd::as_fd).collect();
        self.socket.send(&reply.encode(talk), &descriptors)
    }

    async fn request(&self) -> Result<Request, Refusal> {
        // One byte more than the longest has, or a longer packet would pass for one.
        let mut buf = [0; Request::BYTES + 1];
        poll_fn(|cx| {
            // No room for descriptors: the kernel closes those that come, before anybody has them.
            let packet = std::task::ready!(self.socket.poll_recv(cx, &mut buf, Control::None))?;
            let request = match Request::decode(packet.bytes) {
                _ if matches!(packet.passed, Passed::Some(_)) => Err(Refusal::Descriptors),
                _ if packet.bytes.is_empty() => Err(Refusal::Empty),
                Ok(request) if !packet.cut => Ok(request),
                Ok(_) | Err(Malformed) => Err(Refusal::Malformed),
            };
            std::task::Poll::Ready(request)
        })
        .await
    }
}
