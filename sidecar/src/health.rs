//! Whether the relay of a port serves, asked without a connection to its target.
//!
//! The answer comes over a unix socket with an abstract name, which belongs to the network
//! namespace (unix(7)) just as the port does: no file system is needed, and a probe run in the
//! same container or in any other that shares the namespace finds it.

use std::io::{self, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdUnixListener, UnixStream};
use std::time::Duration;

use tokio::net::UnixListener;

/// How long a probe waits: a relay that cannot answer in that time does not serve.
const PATIENCE: Duration = Duration::from_secs(2);

fn address(port: u16) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("assemble-proxy/{port}"))
}

/// Answers probes for as long as it is polled.
#[derive(Debug)]
pub struct Responder {
    listener: UnixListener,
}

impl Responder {
    /// Takes the name that belongs to `port`. Needs a runtime.
    ///
    /// # Errors
    /// The name is taken, as by another relay of that port.
    pub fn bind(port: u16) -> io::Result<Self> {
        let listener = StdUnixListener::bind_addr(&address(port)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)? })
    }

    /// Answers each probe by an end of stream after `ok`. Runs beside the relay on the same
    /// thread, so an answer shows that connections are being served.
    pub async fn run(self) {
        loop {
            let answered = match self.listener.accept().await {
                Ok((stream, _)) => stream.try_write(ANSWER).map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "a health probe was not answered");
                // Descriptors may be exhausted, and the loop must not spin on it.
                tokio::time::sleep(crate::accept::REST).await;
            }
        }
    }
}

const ANSWER: &[u8] = b"ok\n";

/// Asks the relay of `port` in this network namespace. Blocks for at most two seconds.
///
/// # Errors
/// Nobody answers: no relay of that port runs here, or it hangs.
pub fn probe(port: u16) -> io::Result<()> {
    let mut stream = UnixStream::connect_addr(&address(port)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer)?;
    if answer == *ANSWER { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
