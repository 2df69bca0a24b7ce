//! Who listens at a unix socket, told by the kernel, and how that one is ended.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use assemble_contract::answer::{DIALER_ASKED, DIALER_SERVES, TIMEOUT};
use nix::sys::signal::kill;
use nix::sys::socket::sockopt::{PeerCredentials, ReceiveTimeout, SendTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, recv, send, setsockopt,
    socket,
};
use nix::sys::time::TimeVal;
use nix::unistd::{Pid, geteuid};

/// Who listens.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    pub(super) pid: u32,
    /// Whether it answers as a dialer does.
    pub(super) serves: bool,
}

/// How a process is told to end.
#[derive(Clone, Copy)]
pub(super) enum Signal {
    End,
    Kill,
}

/// Asks the dialer at a path, for no longer than [`TIMEOUT`] each way.
pub(super) fn ask(path: &Path) -> io::Result<Peer> {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    let limit = TimeVal::new(TIMEOUT.as_secs().try_into().unwrap_or(2), 0);
    setsockopt(&socket, SendTimeout, &limit)?;
    setsockopt(&socket, ReceiveTimeout, &limit)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let (uid, pid) = credentials(&socket)?;
    if uid != own_uid() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // One byte more than the answer has, or a longer one would pass for it.
    let mut answer = [0; DIALER_SERVES.len() + 1];
    let answered = send(socket.as_raw_fd(), &DIALER_ASKED, MsgFlags::MSG_NOSIGNAL)
        .and_then(|_| recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()));
    Ok(Peer { pid, serves: answered.is_ok_and(|length| answer[..length] == DIALER_SERVES) })
}

/// The user who listens at a socket for streams.
pub(super) fn owner(path: &Path) -> io::Result<u32> {
    Ok(credentials(&UnixStream::connect(path)?)?.0)
}

fn credentials(socket: &impl AsFd) -> io::Result<(u32, u32)> {
    let peer = getsockopt(socket, PeerCredentials)?;
    Ok((peer.uid(), peer.pid().unsigned_abs()))
}

pub(super) fn own_uid() -> u32 {
    geteuid().as_raw()
}

/// The command line of a process; nothing where there is none.
pub(super) fn command(pid: u32) -> Vec<String> {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    words.split_terminator('\0').map(str::to_owned).collect()
}

/// Sends a signal to a process, or to nobody where its id is not known in this namespace.
pub(super) fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).ok_or(io::ErrorKind::NotFound)?;
    let signal = match signal {
        Signal::End => nix::sys::signal::Signal::SIGTERM,
        Signal::Kill => nix::sys::signal::Signal::SIGKILL,
    };
    match kill(Pid::from_raw(pid), signal) {
        // Gone meanwhile.
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
