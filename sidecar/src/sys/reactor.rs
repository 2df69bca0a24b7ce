//! Descriptors and the runtime's epoll instance.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the current runtime; on refusal it is handed back.
///
/// # Errors
/// Those of epoll_ctl(2).
pub(super) fn register(fd: OwnedFd, interest: Interest) -> Result<AsyncFd<OwnedFd>, (OwnedFd, io::Error)> {
    #[allow(
        deprecated,
        reason = "deprecated because a type that is only `AsRawFd` may lie about its descriptor; an `OwnedFd` \
                  cannot, and the replacement is an unsafe function"
    )]
    AsyncFd::try_with_interest(fd, interest).map_err(tokio::io::unix::AsyncFdTryNewError::into_parts)
}
