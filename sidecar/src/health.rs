//! Whether the relay of a port, or of several in a row, serves, and what it has done, asked without a connection to its
//! target.
//!
//! The answer comes over a unix socket with an abstract name, which belongs to the network
//! namespace (unix(7)) just as the port does: no file system is needed, and a probe run in the
//! same container or in any other that shares the namespace finds it. There is no request to be
//! read, so nobody can send a wrong one; whoever connects is answered at once.

use std::io::{self, Read};
use std::iter;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use assemble_contract::Ports;
use assemble_contract::answer::{self, LONGEST, SERVES, TIMEOUT};
use assemble_contract::argv::HANGS;
use explained::Explained;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

use crate::session::Shared;
use crate::status::{self, Way};
use crate::sys::time_used;

/// Why nothing is known of a relay; the cause is beside it.
#[derive(Debug, thiserror::Error, Explained)]
pub enum HealthError {
    /// `health`: no such relay in this namespace.
    #[error("no relay of port {port} serves here")]
    #[advice = "look at its log"]
    NoRelay {
        /// The port, or the range.
        port: Ports,
    },
    /// `health`: the relay hangs.
    #[error("the relay of port {port} does not answer")]
    #[advice = "look at its log"]
    #[status = "3"]
    Hangs {
        /// The port, or the range.
        port: Ports,
    },
    /// `status` was asked about a port that no relay of this network namespace serves, or one that hangs.
    #[error("no relay of port {port} answers here")]
    #[advice = "check the port and the namespace"]
    NoAnswer {
        /// The port, or the range.
        port: Ports,
    },
}

impl HealthError {
    /// What it means that [`probe`] failed so.
    #[must_use]
    pub fn of(port: Ports, failure: &io::Error) -> Self {
        // The kernel's word that nobody has the name; whoever has it accepts without being asked.
        let is_alone = failure.kind() == io::ErrorKind::ConnectionRefused;
        if is_alone { Self::NoRelay { port } } else { Self::Hangs { port } }
    }

    /// The status to end with.
    #[must_use]
    pub fn status(&self) -> u8 {
        if matches!(self, Self::Hangs { .. }) { HANGS } else { 1 }
    }
}

fn address(ports: Ports) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(answer::socket_name(ports))
}

/// So many are told the same, and so many are given their answers at once that do not take them at once. One
/// more takes the place of the first: whoever asks and does not read keeps nobody else from an answer.
const AT_ONCE: usize = 4;

/// What the answers about very many ports take of the thread's time is so many times left to the connections
/// then. It is not the clock's: on a busy machine askers would wait for other programs, too.
const REST: u32 = 3;

/// Answers probes for as long as it is polled.
#[derive(Debug)]
pub struct Responder {
    listener: UnixListener,
    shared: Arc<Shared>,
}

impl Responder {
    /// Takes the name that belongs to these ports. Needs a runtime.
    ///
    /// # Errors
    /// The name is taken, as by another relay of those ports.
    pub fn bind(ports: Ports, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = StdUnixListener::bind_addr(&address(ports)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, shared })
    }

    /// Answers each probe by an end of stream after `ok` and the status. Runs beside the relay on
    /// the same thread, so an answer shows that connections are being served.
    pub async fn run(self) {
        let mut unfinished: [Option<AbortHandle>; AT_ONCE] = Default::default();
        let mut oldest = 0;
        loop {
            let asked = self.listener.accept().await;
            let began = time_used();
            self.shared.upstream.look();
            let answered = asked.map(|(first, _)| {
                let askers: Vec<_> = iter::once(first).chain(self.waiting()).collect();
                let answer: Arc<[u8]> = self.answer().into();
                for stream in askers {
                    // A fresh socket takes it at once and whole, but that of very many ports; one whose peer has
                    // gone takes nothing.
                    let Ok(written) = stream.try_write(&answer) else { continue };
                    if written == answer.len() {
                        continue;
                    }
                    let writing = tokio::spawn(finish(stream, Arc::clone(&answer), written)).abort_handle();
                    let is_free =
                        |slot: &Option<AbortHandle>| slot.as_ref().is_none_or(AbortHandle::is_finished);
                    let place = unfinished.iter().position(is_free).unwrap_or_else(|| {
                        oldest = (oldest + 1) % AT_ONCE;
                        oldest
                    });
                    unfinished[place].replace(writing).inspect(AbortHandle::abort);
                }
            });
            let rest = match answered {
                Ok(()) => time_used().saturating_sub(began) * REST,
                Err(error) => {
                    tracing::debug!(%error, "a health probe was not answered");
                    // Descriptors may be exhausted, and the loop must not spin on it.
                    crate::accept::BACKOFF
                }
            };
            // The clock knows nothing shorter.
            if rest >= Duration::from_millis(1) {
                tokio::time::sleep(rest).await;
            }
        }
    }

    /// Some of those who have asked by now.
    fn waiting(&self) -> impl Iterator<Item = UnixStream> {
        let mut cx = Context::from_waker(Waker::noop());
        let next = move || match self.listener.poll_accept(&mut cx) {
            Poll::Ready(Ok((stream, _))) => Some(stream),
            _ => None,
        };
        iter::from_fn(next).take(AT_ONCE - 1)
    }

    fn answer(&self) -> Vec<u8> {
        let Shared { upstream, services, capacity, .. } = &*self.shared;
        let addrs: Vec<String> = upstream.addrs().iter().map(ToString::to_string).collect();
        let way = Way {
            target: upstream.target(),
            addrs: &addrs,
            resolved: upstream.resolved(),
            fallback: upstream.fallback(),
            dialer: upstream.dialer(),
        };
        answer::write(&status::describe(&way, services, *capacity, Instant::now()))
    }
}

/// Writes an answer from this byte on, for as long as whoever asked may wait.
async fn finish(mut stream: UnixStream, answer: Arc<[u8]>, from: usize) {
    let _ = tokio::time::timeout(TIMEOUT, stream.write_all(&answer[from..])).await;
}

/// Asks the relay of `ports` in this network namespace. Blocks for at most two seconds.
///
/// # Errors
/// Nobody answers: no relay of exactly those ports runs here, or it hangs.
pub fn probe(ports: Ports) -> io::Result<()> {
    let mut stream = StdUnixStream::connect_addr(&address(ports)?)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut answer = [0; SERVES.len()];
    stream.read_exact(&mut answer)?;
    if answer == *SERVES { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// All that the relay of `ports` in this network namespace answers, at most [`LONGEST`].
/// Blocks for at most two seconds.
///
/// # Errors
/// Nobody answers, or not to the end in that time.
pub fn ask(ports: Ports) -> io::Result<Vec<u8>> {
    let until = Instant::now() + TIMEOUT;
    let mut stream = StdUnixStream::connect_addr(&address(ports)?)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // The limit is on the whole: one who sends byte by byte would be waited for again each time.
    while answer.len() < LONGEST {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&piece[..n]),
            // As after a pause of the process (signal(7)).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}
