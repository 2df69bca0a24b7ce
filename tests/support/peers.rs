//! The two ends of a relayed connection, as a test scripts them.
//!
//! What an end sends is a [`Pattern`] that the other knows, so every received byte is checked
//! against its place in the stream. Nothing waits for ever: every wait ends in a panic after
//! [`PATIENCE`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sha2::{Digest, Sha256};
use socket2::SockRef;

use crate::pattern::Pattern;
use crate::sockets::{End, PATIENCE, eventually};
use crate::tcp_info::all_acknowledged;

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
}

/// What a peer sends.
#[derive(Debug)]
pub(crate) struct Outgoing {
    stream: Arc<TcpStream>,
    pattern: Pattern,
    hash: Option<Sha256>,
}

/// What a peer receives.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: Arc<TcpStream>,
    pattern: Pattern,
    hash: Option<Sha256>,
}

/// Makes two peers of the ends of one connection.
pub(crate) fn peers(near: TcpStream, far: TcpStream, seed: u64) -> (Peer, Peer) {
    let (there, back) = (Pattern::new(2 * seed), Pattern::new(2 * seed + 1));
    (Peer::new(near, there.clone(), back.clone()), Peer::new(far, back, there))
}

impl Peer {
    fn new(stream: TcpStream, sends: Pattern, receives: Pattern) -> Self {
        let stream = Arc::new(stream);
        Self {
            outgoing: Outgoing { stream: Arc::clone(&stream), pattern: sends, hash: None },
            incoming: Incoming { stream, pattern: receives, hash: None },
        }
    }

    /// Takes SHA-256 of what is sent and of what is received from now on: the word of somebody
    /// who knows nothing of patterns.
    pub(crate) fn hashed(mut self) -> Self {
        self.outgoing.hash = Some(Sha256::new());
        self.incoming.hash = Some(Sha256::new());
        self
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.outgoing.stream
    }

    #[track_caller]
    pub(crate) fn send(&mut self, n: u64) {
        self.outgoing.send(n);
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, n: u64) {
        self.incoming.expect(n);
    }

    #[track_caller]
    pub(crate) fn finish(&self) {
        self.outgoing.finish();
    }

    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        self.incoming.expect_end();
    }

    #[track_caller]
    pub(crate) fn expect_reset(&mut self) {
        self.incoming.expect_reset();
    }

    /// Sends one exchange's worth both ways, which shows that the connection works and that
    /// everything before has gone through.
    #[track_caller]
    pub(crate) fn exchange(&mut self, other: &mut Self, n: u64) {
        self.send(n);
        other.expect(n);
        other.send(n);
        self.expect(n);
    }

    /// Waits until the relay's kernel has acknowledged everything that was sent.
    #[track_caller]
    pub(crate) fn wait_until_received(&self) {
        eventually("the relay takes everything", PATIENCE, || all_acknowledged(self.stream()));
    }

    /// Breaks the connection.
    pub(crate) fn reset(self) {
        SockRef::from(self.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Waits for the reset of a connection whose stream may have ended already, when reading
    /// tells nothing more.
    #[track_caller]
    pub(crate) fn expect_broken_within(&self, limit: Duration) {
        let mut fds = [PollFd::new(self.stream().as_fd(), PollFlags::empty())];
        let limit = PollTimeout::try_from(limit).unwrap();
        assert_eq!(poll(&mut fds, limit).unwrap(), 1, "the connection is still alive");
        let error = self.stream().take_error().unwrap();
        assert!(error.is_some(), "the connection ended, but not by a reset");
    }
}

impl Outgoing {
    /// Sends the next `n` bytes.
    #[track_caller]
    pub(crate) fn send(&mut self, n: u64) {
        let end = self.pattern.position() + n;
        while self.pattern.position() < end {
            self.step(end).unwrap_or_else(|error| panic!("cannot send: {error}"));
        }
    }

    fn step(&mut self, end: u64) -> io::Result<usize> {
        let most = usize::try_from((end - self.pattern.position()).min(MIB)).unwrap();
        let ahead = self.pattern.ahead(most);
        let n = uninterrupted(|| (&*self.stream).write(ahead))?;
        self.pattern.advance(n);
        if let Some(hash) = &mut self.hash {
            hash.update(&ahead[..n]);
        }
        Ok(n)
    }

    /// Sends what is taken without waiting, at most `n`; says how much that was.
    pub(crate) fn offer(&mut self, n: u64) -> u64 {
        self.stream.set_nonblocking(true).unwrap();
        let start = self.pattern.position();
        let end = start + n;
        while self.pattern.position() < end && self.step(end).is_ok() {}
        self.stream.set_nonblocking(false).unwrap();
        self.pattern.position() - start
    }

    /// Sends until nothing has been taken for a while; says how much it was in all.
    pub(crate) fn send_until_blocked(&mut self) -> u64 {
        const QUIET: u16 = 400;
        loop {
            self.offer(u64::from(u32::MAX));
            let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)];
            if poll(&mut fds, QUIET).unwrap() == 0 {
                return self.sent();
            }
        }
    }

    /// Sends for as long as the connection lasts.
    pub(crate) fn send_until_broken(&mut self) -> io::Error {
        loop {
            if let Err(error) = self.step(u64::MAX) {
                return error;
            }
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.pattern.position()
    }

    /// SHA-256 of what was sent, by a peer that is [`Peer::hashed`].
    pub(crate) fn sha256(&self) -> Option<Vec<u8>> {
        self.hash.clone().map(|hash| hash.finalize().to_vec())
    }

    /// Ends the stream (FIN); the other direction stays.
    #[track_caller]
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the stream can be ended");
    }
}

impl Incoming {
    /// Reads the next `n` bytes, which must be those that were sent.
    #[track_caller]
    pub(crate) fn expect(&mut self, n: u64) {
        let end = self.pattern.position() + n;
        let mut buffer = vec![0; usize::try_from(n.min(256 * KIB)).unwrap()];
        while self.pattern.position() < end {
            let at = self.pattern.position();
            let most = usize::try_from((end - at).min(buffer.len() as u64)).unwrap();
            match uninterrupted(|| (&*self.stream).read(&mut buffer[..most])) {
                Ok(0) => panic!("the stream ended after {at} bytes, {} before its end", end - at),
                Ok(n) => self.check(&buffer[..n]),
                Err(error) => panic!("cannot read beyond {at} bytes, {} were missing: {error}", end - at),
            }
        }
    }

    /// Reads to the end, checking every byte; says how the end was.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> End {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match uninterrupted(|| (&*self.stream).read(&mut buffer)) {
                Ok(0) => return End::Finished,
                Ok(n) => self.check(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return End::Reset,
                Err(error) => panic!("no end after {} bytes: {error}", self.received()),
            }
        }
    }

    /// Reads what is there, at most `n` bytes, without waiting; says how it ended if it did.
    #[track_caller]
    pub(crate) fn take(&mut self, n: u64) -> Option<End> {
        self.stream.set_nonblocking(true).unwrap();
        let mut buffer = vec![0; usize::try_from(n).unwrap()];
        let read = (&*self.stream).read(&mut buffer);
        self.stream.set_nonblocking(false).unwrap();
        match read {
            Ok(0) if n > 0 => Some(End::Finished),
            Ok(n) => {
                self.check(&buffer[..n]);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(End::Reset),
            Err(error) => panic!("cannot read: {error}"),
        }
    }

    #[track_caller]
    fn check(&mut self, got: &[u8]) {
        self.pattern.check(got);
        if let Some(hash) = &mut self.hash {
            hash.update(got);
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.pattern.position()
    }

    /// SHA-256 of what was received, by a peer that is [`Peer::hashed`].
    pub(crate) fn sha256(&self) -> Option<Vec<u8>> {
        self.hash.clone().map(|hash| hash.finalize().to_vec())
    }

    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.next_end(), End::Finished, "a reset instead of an end of stream");
    }

    #[track_caller]
    pub(crate) fn expect_reset(&mut self) {
        assert_eq!(self.next_end(), End::Reset, "an end of stream instead of a reset");
    }

    #[track_caller]
    fn next_end(&mut self) -> End {
        let before = self.received();
        let end = self.rest();
        assert_eq!(self.received(), before, "more bytes than were expected came before the end");
        end
    }
}

/// Calls again what was interrupted: a socket with a time limit fails when its process was stopped
/// for a while and goes on (signal(7)).
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
