//! What the dialer does for each of those who ask: it takes requests, and hands over what it has
//! connected.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use explained::Explained;
use rustix::io::Errno;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::attempts::{Attempts, Dialer};
use super::{Malformed, Number, ROWS, Reply, Request};
use crate::connect::ConnectError;
use crate::reports::{Topic, report};
use crate::sys::{Control, DESCRIPTORS, PacketSocket, Passed, Socket};

/// After so many packets of one channel, each of up to 16 requests, the others have their turn.
const BURST: u32 = 2;

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
    dialer: &'a Arc<Dialer>,
    /// Answers that are still to be sent.
    unsent: Vec<(Number, Answer)>,
}

type Answer = Result<OwnedFd, Reply>;

fn reply(answer: &Answer) -> Reply {
    answer.as_ref().err().copied().unwrap_or(Reply::Connected)
}

const _: () = assert!(ROWS <= DESCRIPTORS, "each row may have one");

impl<'a> Peer<'a> {
    pub(super) const fn new(socket: PacketSocket, dialer: &'a Arc<Dialer>) -> Self {
        Self { socket, dialer, unsent: Vec::new() }
    }

    /// Serves it until one side ends the connection.
    pub(super) async fn serve(&mut self) {
        let Err(refusal) = self.granted().await else { return };
        self.tell(&refusal);
        let reply = match refusal {
            Refusal::User(_) | Refusal::Broken(_) | Refusal::Deaf => return,
            Refusal::NotAllowed(_) => Reply::NotAllowed,
            _ => Reply::Malformed,
        };
        // Who has gone already does without.
        let _ = self.socket.send(&reply.encode(), &[]);
    }

    fn tell(&self, refusal: &Refusal) {
        let told = self.dialer.reports.note(Topic::Request, &refusal.to_string());
        report!(told, info, error = %refusal, "a request was refused");
    }

    async fn granted(&mut self) -> Result<(), Refusal> {
        let uid = self.socket.peer_uid()?;
        let Dialer { own_uid, ref config, .. } = **self.dialer;
        if uid != 0 && uid != own_uid && Some(uid) != config.peer_uid {
            return Err(Refusal::User(uid));
        }
        let asked = tokio::select! {
            biased;
            asked = timeout(PATIENCE, self.requests()) => asked.map_err(|_| Refusal::Silent)??,
            () = self.dialer.crowded.notified() => return Ok(()),
        };
        match *asked {
            [(None, Request::Dial(port))] if !config.allow.allows(port) => Err(Refusal::NotAllowed(port)),
            _ => self.channel(asked).await,
        }
    }

    /// Serves a channel, of which these are the first requests, or the only request of a connection.
    async fn channel(&mut self, asked: Vec<(Number, Request)>) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        let is_channel = !matches!(*asked, [(None, _)]);
        if let [(None, Request::Dial(_))] = *asked {
            // What was sent along with it is seen before anything is dialled.
            tokio::select! {
                biased;
                more = self.requests() => return only(more),
                () = std::future::ready(()) => {}
            }
        }
        self.asked(asked, &mut attempts);
        for turn in 1_u32.. {
            self.flush().await?;
            while let Some((number, port)) = attempts.next(self.dialer) {
                self.dial(number, port, &mut attempts);
                self.flush().await?;
            }
            if !is_channel && attempts.are_none() {
                break;
            }
            tokio::select! {
                biased;
                Some((number, dialled)) = attempts.ended() => self.dialled(number, dialled),
                asked = self.requests(), if attempts.may_wait() => match asked {
                    more if !is_channel => return only(more),
                    Ok(asked) if matches!(*asked, [(None, _)]) => return Err(Refusal::Malformed),
                    Ok(asked) => self.asked(asked, &mut attempts),
                    // It has gone.
                    Err(Refusal::Empty) => return Ok(()),
                    Err(refusal) => return Err(refusal),
                },
                () = self.dialer.crowded.notified(), if attempts.are_none() => return Ok(()),
            }
            if turn.is_multiple_of(BURST) {
                yield_now().await;
            }
        }
        Ok(())
    }

    fn asked(&mut self, asked: Vec<(Number, Request)>, attempts: &mut Attempts) {
        for (number, request) in asked {
            match request {
                Request::Health => self.answer(number, Err(Reply::Healthy)),
                Request::Cancel if attempts.cancel(number) => {
                    self.fail(number, Errno::CANCELED.raw_os_error())
                }
                // The answer has crossed it.
                Request::Cancel => {}
                Request::Dial(port) if !self.dialer.config.allow.allows(port) => {
                    self.tell(&Refusal::NotAllowed(port));
                    self.answer(number, Err(Reply::NotAllowed));
                }
                Request::Dial(port) if attempts.has_room(self.dialer) => self.dial(number, port, attempts),
                Request::Dial(port) => attempts.wait(number, port),
            }
        }
    }

    /// Connects at once, as it usually can be done, or begins to.
    fn dial(&mut self, number: Number, port: u16, attempts: &mut Attempts) {
        let begun = self.dialer.begin(port).and_then(|begun| {
            let is_made = self.dialer.connector.is_made(begun.as_fd(), port)?;
            Ok((begun, is_made))
        });
        let begun = match begun {
            Ok((made, true)) => return self.answer(number, Ok(made)),
            Ok((begun, false)) => Ok(begun),
            Err(error) => Err(error),
        };
        attempts.start(number, begun, port, self.dialer);
    }

    /// Hands over what was dialled, or says why there is nothing.
    fn dialled(&mut self, number: Number, dialled: Result<Socket, ConnectError>) {
        match dialled {
            Ok(socket) => self.answer(number, Ok(socket.unregistered())),
            Err(error) => self.fail(number, error.errno()),
        }
    }

    fn fail(&mut self, number: Number, errno: i32) {
        self.answer(number, Err(Reply::Failed(errno)));
    }

    /// Notes an answer, which goes with those to the other requests of its packet.
    fn answer(&mut self, number: Number, answer: Answer) {
        tracing::debug!(number, reply = ?reply(&answer), "answered");
        self.unsent.push((number, answer));
    }

    /// Sends the answers. A descriptor is the peer's alone from then on, and may not be touched: a setting
    /// made here would be made there as well. Where this fails its drop resets the connection, which nobody
    /// wants.
    async fn flush(&mut self) -> Result<(), Refusal> {
        while !self.unsent.is_empty() {
            match self.send() {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                    timeout(PATIENCE, self.socket.room()).await.map_err(|_| Refusal::Deaf)??;
                }
                // Too many are on their way that were not received.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::TOOMANYREFS) => {
                    for (_, answer) in self.unsent.iter_mut().filter(|(_, answer)| answer.is_ok()) {
                        *answer = Err(Reply::Failed(Errno::TOOMANYREFS.raw_os_error()));
                    }
                }
                sent => {
                    sent?;
                    self.unsent.clear();
                }
            }
        }
        Ok(())
    }

    fn send(&self) -> io::Result<()> {
        let descriptors = self.unsent.iter().filter_map(|(_, answer)| answer.as_ref().ok());
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.map(AsFd::as_fd).collect();
        let replies: Vec<_> = self.unsent.iter().map(|(number, answer)| (*number, reply(answer))).collect();
        self.socket.send(&Reply::packet(&replies), &descriptors)
    }

    async fn requests(&self) -> Result<Vec<(Number, Request)>, Refusal> {
        // One byte more than the longest has, or a longer packet would pass for one.
        let mut buf = [0; Request::BYTES + 1];
        poll_fn(|cx| {
            // No room for descriptors: the kernel closes those that come, before anybody has them.
            let packet = std::task::ready!(self.socket.poll_recv(cx, &mut buf, Control::None))?;
            let requests = match Request::decode(packet.bytes) {
                _ if matches!(packet.passed, Passed::TooMany) => Err(Refusal::Descriptors),
                _ if packet.bytes.is_empty() => Err(Refusal::Empty),
                Ok(requests) if !packet.cut => Ok(requests),
                Ok(_) | Err(Malformed) => Err(Refusal::Malformed),
            };
            std::task::Poll::Ready(requests)
        })
        .await
    }
}

/// What comes on a connection that is for one request.
fn only(more: Result<Vec<(Number, Request)>, Refusal>) -> Result<(), Refusal> {
    match more {
        Err(Refusal::Empty) => Ok(()),
        Err(Refusal::Broken(error)) => Err(error.into()),
        _ => Err(Refusal::Several),
    }
}
