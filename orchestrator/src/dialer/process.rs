//! Where a dialer can be a process, and how one comes and goes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use assemble_contract::image::NAME;
use docker_plugin::bounded;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::peer::{self, Peer, Signal};
use super::{DialerError, NotHere, manager};
use crate::desired::UserName;
use crate::observed::{HostDialer, Process};
use crate::spec::{self, dialer_socket};
use crate::{digest, proxy_image};

/// What the names of their directories begin with.
const PREFIX: &str = "docker-assemble-";

/// How long a dialer may take to begin.
const BEGIN: Duration = Duration::from_secs(30);

/// How long one may take to end, and to be killed.
const LIMIT: Duration = Duration::from_secs(5);

/// How long the pauses between two looks at it are, at first and at most.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is said of one that says nothing.
const SILENT: &str = "it does not answer";

/// The directory of the dialer of one user's backend on one engine. `host` is where the engine says that it
/// runs, and `runtime` what `XDG_RUNTIME_DIR` says.
///
/// # Errors
/// Why it cannot be here.
pub fn place(user: &UserName, endpoint: &str, host: &str, runtime: Option<&Path>) -> Result<String, NotHere> {
    let socket = endpoint.strip_prefix("unix://").ok_or(NotHere::Elsewhere)?;
    if super::hostname() != host {
        return Err(NotHere::Elsewhere);
    }
    match peer::owner(Path::new(socket)) {
        Ok(owner) if owner == peer::own_uid() => {}
        Ok(owner) => return Err(NotHere::User(owner)),
        Err(_) => return Err(NotHere::Elsewhere),
    }
    directory(user, endpoint, runtime).ok_or(NotHere::NoDirectory)
}

/// That directory, wherever the engine is; `None` where the user has none for sockets.
pub fn directory(user: &UserName, endpoint: &str, runtime: Option<&Path>) -> Option<String> {
    // Where systemd makes it, for a shell that was not told.
    let usual = || PathBuf::from(format!("/run/user/{}", peer::own_uid()));
    let runtime = runtime.map_or_else(usual, Path::to_owned);
    runtime.join(name(user, endpoint)).into_os_string().into_string().ok().filter(|_| runtime.is_dir())
}

/// What that directory is called, wherever it is and however the path of the engine's socket is written.
fn name(user: &UserName, endpoint: &str) -> String {
    let socket = endpoint.strip_prefix("unix://").and_then(|socket| fs::canonicalize(socket).ok());
    let engine = socket.map_or_else(|| endpoint.to_owned(), |socket| format!("unix://{}", socket.display()));
    // Short, since the paths of sockets have some hundred letters at most.
    format!("{PREFIX}{}", digest::hex(format!("{user}\n{engine}"), 8))
}

/// What is in a directory of the dialer of this backend on this engine; `None` where there is none of this
/// user's. The path may come from a label, which whoever may ask the engine for containers can write: a
/// dialer of another backend's is none of this one's.
pub async fn look(user: &UserName, endpoint: &str, directory: &str) -> Option<HostDialer> {
    let path = Path::new(directory);
    if path.file_name() != Some(OsStr::new(&name(user, endpoint))) || !is_ours(path) {
        return None;
    }
    let command = |peer: Peer| Process { id: peer.pid, command: peer::command(peer.pid) };
    let process = listener(directory).await.filter(|peer| peer.serves).map(command);
    Some(HostDialer { directory: directory.to_owned(), process })
}

/// Runs a dialer in the place of the one that may run there, and waits until it serves; its process.
///
/// # Errors
/// Nothing of it is left then but its directory.
pub async fn start(dialer: &spec::HostDialer) -> Result<u32, DialerError> {
    let directory = Path::new(&dialer.directory);
    stop(&dialer.directory).await?;
    install(directory, &dialer.program)
        .map_err(|error| DialerError::Directory { path: directory.to_owned(), error })?;
    let mut launched = launch(dialer).await?;
    let (until, mut pause) = (Instant::now() + BEGIN, PAUSE);
    loop {
        if let Some(peer) = listener(&dialer.directory).await.filter(|peer| peer.serves) {
            return Ok(peer.pid);
        }
        let ended = launched.end(&dialer.directory).await;
        if ended.is_some() || Instant::now() >= until {
            // It may be about to listen.
            if let Launched::Child(mut child) = launched {
                child.kill().await.ok();
            }
            stop(&dialer.directory).await?;
            let said = ended.unwrap_or_else(|| SILENT.to_owned());
            return Err(DialerError::Start { program: dialer.command().remove(0), said });
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Ends the dialer of a directory, if there is one, and removes the directory with what is put there.
///
/// # Errors
/// It cannot be ended, or the directory not be removed, as it is not when there is anything else in it.
pub async fn end(directory: &str) -> Result<(), DialerError> {
    let path = Path::new(directory);
    if !is_ours(path) {
        return Ok(());
    }
    stop(directory).await?;
    match remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DialerError::Directory { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Whether this is a directory that this user has for a dialer.
fn is_ours(path: &Path) -> bool {
    let is_named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    // A link would lead elsewhere.
    is_named && fs::symlink_metadata(path).is_ok_and(|there| there.is_dir() && there.uid() == peer::own_uid())
}

/// Removes the directory with the programs, the socket and the log.
fn remove(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(NAME) || ["dial.sock", "log"].contains(&name.as_str()) {
            fs::remove_file(directory.join(name))?;
        }
    }
    fs::remove_dir(directory)
}

/// Ends what listens in a directory.
///
/// # Errors
/// It does not end.
pub async fn stop(directory: &str) -> Result<(), DialerError> {
    manager::stop(directory).await;
    let Some(peer) = listener(directory).await else { return Ok(()) };
    let stays = |error| DialerError::Stays { pid: peer.pid, socket: dialer_socket(directory), error };
    let mut signal = Signal::End;
    loop {
        let until = Instant::now() + LIMIT;
        match listener(directory).await {
            Some(now) if now.pid == peer.pid => peer::send_signal(now.pid, signal).map_err(stays)?,
            _ => return Ok(()),
        }
        while listener(directory).await.is_some_and(|now| now.pid == peer.pid) {
            match signal {
                Signal::End if Instant::now() >= until => break,
                Signal::Kill if Instant::now() >= until => {
                    return Err(stays(std::io::ErrorKind::TimedOut.into()));
                }
                _ => sleep(PAUSE).await,
            }
        }
        signal = Signal::Kill;
    }
}

/// Who listens in a directory.
async fn listener(directory: &str) -> Option<Peer> {
    let socket = PathBuf::from(dialer_socket(directory));
    // The kernel lets it wait for an answer.
    tokio::task::spawn_blocking(move || peer::ask(&socket).ok()).await.ok().flatten()
}

/// Makes the directory, for this user alone, and puts the program there.
fn install(directory: &Path, program: &str) -> std::io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(directory)?;
    if !is_ours(directory) {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    let path = directory.join(program);
    if path.exists() {
        return Ok(());
    }
    let (new, bytes) = (path.with_extension("new"), proxy_image::program().map_err(std::io::Error::other)?);
    fs::write(&new, bytes)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o700))?;
    fs::rename(new, path)
}

/// What a dialer was started as.
enum Launched {
    /// A unit of the user's service manager, which also starts it again after a crash.
    Unit,
    /// Where there is none: a process of a session of its own, which no terminal ends.
    Child(Child),
}

async fn launch(dialer: &spec::HostDialer) -> Result<Launched, DialerError> {
    let (directory, command) = (&dialer.directory, dialer.command());
    if manager::run(directory, &command).await {
        return Ok(Launched::Unit);
    }
    let failed = |error| DialerError::Start { program: command[0].clone(), said: format!("{error}") };
    let log = fs::File::create(log(directory)).map_err(failed)?;
    let mut detached = Command::new("setsid");
    detached.args(&command).current_dir("/").stdin(Stdio::null());
    detached.stdout(log.try_clone().map_err(failed)?).stderr(log);
    Ok(Launched::Child(detached.spawn().map_err(failed)?))
}

impl Launched {
    /// What there is to say of one that has ended.
    async fn end(&mut self, directory: &str) -> Option<String> {
        match self {
            Self::Unit => manager::failure(directory).await,
            Self::Child(child) => child.try_wait().ok().flatten().map(|_| last_words(directory)),
        }
    }
}

fn last_words(directory: &str) -> String {
    let log = bounded::read_to_string(log(directory)).unwrap_or_default();
    log.lines().last().map_or_else(|| SILENT.to_owned(), |line| line.trim().to_owned())
}

fn log(directory: &str) -> PathBuf {
    Path::new(directory).join("log")
}
