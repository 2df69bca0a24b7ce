//! Descriptors and the runtime's epoll instance.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What keeps a descriptor open and always tells the same one, as the runtime has to rely on.
pub(super) trait Owner: AsRawFd {}

impl Owner for OwnedFd {}
impl Owner for Arc<OwnedFd> {}

/// Registers a descriptor with the current runtime; on refusal it is handed back.
///
/// # Errors
/// Those of epoll_ctl(2).
pub(super) fn register<T: Owner>(fd: T, interest: Interest) -> Result<AsyncFd<T>, (T, io::Error)> {
    #[allow(
        deprecated,
        reason = "deprecated because a type that is only `AsRawFd` may lie about its descriptor; an `Owner` \
                  does not, and the replacement is an unsafe function"
    )]
    AsyncFd::try_with_interest(fd, interest).map_err(tokio::io::unix::AsyncFdTryNewError::into_parts)
}
