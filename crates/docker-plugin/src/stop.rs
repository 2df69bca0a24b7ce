//! The ways in which a command is asked to end: signals, and the socket by which the docker
//! command that runs this plugin says that it ends itself (docker/cli, `cli-plugins/socket`).

use std::io;

use tokio::io::AsyncReadExt;

use crate::cancel::{Canceller, Cause};
use crate::parent::Parent;

/// How many signals it takes to end at once, whatever is being done; the docker command then also
/// kills its plugin. The second one ends the cleaning up.
const SIGNALS_TO_EXIT: u32 = 3;

/// Watches for the end and passes it on. Never returns: it ends with the runtime, or ends the process on the third signal.
///
/// # Errors
/// When signals cannot be watched.
pub fn watch(canceller: Canceller, parent: Parent) -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new()?;
    Ok(async move {
        let parent = parent_ends(parent);
        tokio::pin!(parent);
        let mut parent_ended = false;
        let mut count: u32 = 0;
        loop {
            tokio::select! {
                cause = signals.next() => {
                    count += 1;
                    match count {
                        1 => canceller.cancel(cause),
                        SIGNALS_TO_EXIT.. => std::process::exit(1),
                        _ => canceller.insist(cause),
                    }
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
async fn parent_ends(Parent { socket, command, .. }: Parent) {
    if let Some(socket) = socket {
        match connect(&socket) {
            Ok(mut stream) => {
                let mut buffer = [0; 64];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
                return;
            }
            // It was asked to end before this plugin came that far, and has closed its end for
            // good. Only of the command that waits for this very process is that to be believed:
            // a program that some plugin started inherits the variables, and may outlive it.
            Err(error) if closed(&error) && command.is_some_and(|command| is_parent(&command)) => return,
            // An older docker command, or one that is gone: its signals still come.
            Err(error) => tracing::debug!(%error, socket, "no word from the docker command"),
        }
    }
    std::future::pending().await
}

/// Whether this is what a socket gives that nobody listens at any more.
fn closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// Whether the process that started this one was itself started by the name `command`
/// (proc(5), `cmdline`).
#[cfg(target_os = "linux")]
fn is_parent(command: &str) -> bool {
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", std::os::unix::process::parent_id()));
    cmdline.is_ok_and(|line| line.split(|byte| *byte == 0).next() == Some(command.as_bytes()))
}

#[cfg(not(target_os = "linux"))]
fn is_parent(_: &str) -> bool {
    false
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
