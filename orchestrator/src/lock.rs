//! One start at a time: two would see each other's half-made containers.
//!
//! The lock is a file of this machine, held by the kernel until the process ends. A start from
//! another machine is met only through the engine's own conflicts.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::desired::UserName;
use crate::digest;

/// How often a lock that somebody holds is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// A held lock; dropping it gives it back.
#[derive(Debug)]
pub struct Lock(
    #[cfg(unix)]
    #[expect(dead_code)]
    nix::fcntl::Flock<std::fs::File>,
);

/// The lock file for one user's backend on one engine, in `directory`.
#[must_use]
pub fn path(directory: &Path, user: &UserName, endpoint: &str) -> PathBuf {
    let engine = digest::hex(endpoint, 4);
    directory.join(format!("{}-{engine}.lock", user.backend()))
}

/// Waits for the lock; `waiting` is called once if somebody holds it.
///
/// # Errors
/// When the file cannot be made or locked. That is no reason not to start: the lock is a
/// courtesy between starts, not what makes one correct.
#[cfg(unix)]
pub async fn acquire(path: &Path, waiting: impl FnOnce()) -> io::Result<Lock> {
    use std::os::unix::fs::OpenOptionsExt;

    use nix::errno::Errno;
    use nix::fcntl::{Flock, FlockArg};
    use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

    // The directory may be everybody's: a link that somebody else put there is not followed, and a pipe not
    // waited for.
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(O_NOFOLLOW | O_NONBLOCK)
        .open(path)?;
    let mut waiting = Some(waiting);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Lock(lock)),
            Err((unlocked, Errno::EWOULDBLOCK)) => file = unlocked,
            Err((_, errno)) => return Err(errno.into()),
        }
        if let Some(waiting) = waiting.take() {
            waiting();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits for nothing: there is no lock on this platform.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub async fn acquire(_: &Path, _: impl FnOnce()) -> io::Result<Lock> {
    Ok(Lock())
}
