//! The load: clients, the server they talk to, and the least relay between them. Single threads on
//! epoll, since they are pinned to one core anyway.
//!
//! The first byte of a connection tells the server what to do with it. Streams are thrown away
//! in the kernel when they arrive (`MSG_TRUNC`, tcp(7)): the core that sends and receives should
//! not be busier than the forwarder's.

pub(crate) mod client;
mod connections;
mod hold;
pub(crate) mod least;
mod pingpong;
pub(crate) mod server;
mod streams;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use client::{Kind, Load, say};

impl Load {
    /// Does it, and says what came of it.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let outcome = match self.kind {
            Kind::Up | Kind::Down => streams::run(self),
            Kind::Pingpong => pingpong::run(self),
            Kind::Connect => connections::run(self),
            Kind::Hold | Kind::Slow => hold::run(self),
        };
        say(&outcome?.line())?;
        Ok(())
    }
}

/// Bytes of one send of a stream.
const CHUNK: usize = 256 * 1024;
/// Bytes of one receive of a stream; nothing is written there.
const DISCARD: usize = 1024 * 1024;

/// What the server does with a connection: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// Sends everything back, this byte included.
    Echo,
    /// Throws everything away.
    Sink,
    /// Sends for ever.
    Source,
}

impl Service {
    const fn byte(self) -> u8 {
        match self {
            Self::Echo => b'e',
            Self::Sink => b's',
            Self::Source => b'g',
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            b'e' => Some(Self::Echo),
            b's' => Some(Self::Sink),
            b'g' => Some(Self::Source),
            _ => None,
        }
    }
}

/// An epoll set with its event buffer.
struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    fn new() -> io::Result<Self> {
        let none = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: vec![none; 256] })
    }

    fn add(&self, fd: impl AsFd, token: usize, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token as u64), flags)?)
    }

    fn modify(&self, fd: impl AsFd, token: usize, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token as u64), flags)?)
    }

    /// Waits, then tells how many events [`Self::event`] has.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
        match epoll::wait(&self.epoll, &mut self.events[..], timeout.as_ref()) {
            Ok(n) => Ok(n),
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn event(&self, index: usize) -> (usize, EventFlags) {
        let Event { flags, data } = self.events[index];
        (usize::try_from(data.u64()).unwrap_or(usize::MAX), flags)
    }
}

/// Receives up to [`DISCARD`] bytes and drops them; 0 is the end of the stream.
fn discard(fd: impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    Ok(recv(fd, room, RecvFlags::TRUNC)?.1)
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
