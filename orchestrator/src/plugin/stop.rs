//! The ways in which a command is asked to end: signals, and the socket by which the docker
//! command that runs this plugin says that it ends itself.

use std::io;

use tokio::io::AsyncReadExt;

use crate::cancel::{Canceller, Cause};

/// How many signals it takes to end at once, without cleaning up; the docker command then also
/// kills its plugin.
const PATIENCE: u32 = 3;

/// Watches for the end and passes it on. `socket` is the value of `DOCKER_CLI_PLUGIN_SOCKET`.
/// Never returns: it ends with the runtime, or ends the process on the third signal.
///
/// # Errors
/// When signals cannot be watched.
pub fn watch(canceller: Canceller, socket: Option<String>) -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new()?;
    Ok(async move {
        let parent = parent_ends(socket);
        tokio::pin!(parent);
        let mut parent_ended = false;
        let mut count = 0;
        loop {
            tokio::select! {
                cause = signals.next() => {
                    count += 1;
                    if count == PATIENCE {
                        std::process::exit(1);
                    }
                    canceller.cancel(cause);
                }
                () = &mut parent, if !parent_ended => {
                    parent_ended = true;
                    canceller.cancel(Cause::Parent);
                }
            }
        }
    })
}

/// Waits until the docker command closes its end of the socket. Nothing else comes through it.
async fn parent_ends(socket: Option<String>) {
    if let Some(socket) = socket {
        match connect(&socket) {
            Ok(mut stream) => {
                let mut buffer = [0; 64];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
                return;
            }
            // An older docker command, or one that is gone: its signals still come.
            Err(error) => tracing::debug!(%error, socket, "no word from the docker command"),
        }
    }
    std::future::pending().await
}

#[cfg(unix)]
fn connect(path: &str) -> io::Result<tokio::net::UnixStream> {
    use std::os::unix::net::{SocketAddr, UnixStream};
    #[cfg(target_os = "linux")]
    let address = {
        use std::os::linux::net::SocketAddrExt;
        match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        }
    };
    #[cfg(not(target_os = "linux"))]
    let address = SocketAddr::from_pathname(path)?;
    let stream = UnixStream::connect_addr(&address)?;
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

#[cfg(not(unix))]
fn connect(_: &str) -> io::Result<tokio::io::Empty> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    async fn next(&mut self) -> Cause {
        tokio::select! {
            _ = self.interrupt.recv() => Cause::Interrupt,
            _ = self.terminate.recv() => Cause::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Cause {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Cause::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
