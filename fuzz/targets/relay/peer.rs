//! One end of the relayed connection. It knows what the other does, and judges what it sees.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::pattern::Pattern;
use crate::tcp_info::all_acknowledged;

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In good order (FIN).
    Finished,
    /// Broken (RST).
    Reset,
}

/// How a peer went away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    /// When.
    pub(crate) at: Instant,
    /// With a reset at once; otherwise one follows only if something still comes.
    reset: bool,
    /// Whether all it ever sent had reached the relay's socket.
    pub(crate) settled: bool,
}

#[derive(Debug)]
pub(crate) struct Peer {
    stream: Option<TcpStream>,
    outgoing: Pattern,
    incoming: Pattern,
    /// Whether it has ended its stream.
    pub(crate) finished: bool,
    /// How the other's stream ended, once it has seen that.
    pub(crate) end: Option<End>,
    /// Its connection was found broken by a write, and the kernel tells that only once.
    broken: bool,
    pub(crate) gone: Option<Gone>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, sends: u64, receives: u64) -> Self {
        Self {
            stream: Some(stream),
            outgoing: Pattern::new(sends),
            incoming: Pattern::new(receives),
            finished: false,
            end: None,
            broken: false,
            gone: None,
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.outgoing.position()
    }

    pub(crate) fn received(&self) -> u64 {
        self.incoming.position()
    }

    /// Whether nothing is left for it to see.
    pub(crate) fn is_over(&self) -> bool {
        self.gone.is_some() || self.end.is_some()
    }

    pub(crate) fn send(&mut self, most: usize) {
        let mut left = most;
        while left > 0 {
            let bytes = self.outgoing.ahead(left);
            match self.write(|mut stream| stream.write(bytes)) {
                Some(n) => left -= n,
                None => return,
            }
        }
    }

    pub(crate) fn send_urgent(&mut self) {
        let byte = &self.outgoing.ahead(1)[..1];
        self.write(|stream| SockRef::from(stream).send_out_of_band(byte));
    }

    fn write(&mut self, write: impl FnOnce(&TcpStream) -> io::Result<usize>) -> Option<usize> {
        let stream = self.stream.as_ref().filter(|_| !self.finished && !self.broken)?;
        match write(stream) {
            Ok(n) => {
                self.outgoing.advance(n);
                Some(n)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) if is_reset(&error) => {
                self.broken = true;
                None
            }
            Err(error) => panic!("cannot send: {error}"),
        }
    }

    /// Reads what is there, and tells whether there was anything: bytes or their end.
    pub(crate) fn read(&mut self, most: usize, other: &Self) -> bool {
        let mut buf = [0; 16 * 1024];
        let mut left = most;
        let mut any = false;
        while left > 0 && self.end.is_none() {
            let Some(mut stream) = self.stream.as_ref() else { return any };
            let room = buf.len().min(left);
            match stream.read(&mut buf[..room]) {
                Ok(0) => self.see(if self.broken { End::Reset } else { End::Finished }, other),
                Ok(n) => {
                    self.incoming.check(&buf[..n]);
                    assert!(self.received() <= other.sent(), "more than was sent");
                    left -= n;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return any,
                Err(error) if is_reset(&error) => self.see(End::Reset, other),
                Err(error) => panic!("cannot receive: {error}"),
            }
            any = true;
        }
        any
    }

    /// Sees the other's stream end, and says whether it may.
    fn see(&mut self, end: End, other: &Self) {
        self.end = Some(end);
        let whole = self.received() == other.sent();
        match (end, other.gone) {
            (End::Finished, _) => {
                assert!(other.finished && whole, "a part passed off as the whole: {self:?} of {other:?}")
            }
            (End::Reset, None) => panic!("a reset that nobody sent: {self:?} of {other:?}"),
            (End::Reset, Some(gone)) => {
                let ignored = self.sent() > other.received();
                assert!(gone.reset || ignored, "a reset instead of an end: {self:?} of {other:?}");
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        let Some(stream) = self.stream.as_ref().filter(|_| !self.finished && !self.broken) else { return };
        match stream.shutdown(Shutdown::Write) {
            Ok(()) => self.finished = true,
            Err(error) if error.kind() == ErrorKind::NotConnected => self.broken = true,
            Err(error) => panic!("cannot finish: {error}"),
        }
    }

    /// Closes. With something unread, that is a reset (net/ipv4/tcp.c, `__tcp_close`).
    pub(crate) fn close(&mut self) {
        let Some(stream) = self.stream.as_ref() else { return };
        let unread = rustix::io::ioctl_fionread(stream).expect("a socket knows what is unread") > 0;
        self.go(unread || self.broken);
        self.finished |= !unread && !self.broken;
    }

    pub(crate) fn reset(&mut self) {
        let Some(stream) = self.stream.as_ref() else { return };
        SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket can be told to reset");
        self.go(true);
    }

    fn go(&mut self, reset: bool) {
        let Some(stream) = self.stream.take() else { return };
        let settled = !self.broken && all_acknowledged(&stream);
        drop(stream);
        self.gone = Some(Gone { at: Instant::now(), reset, settled });
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
