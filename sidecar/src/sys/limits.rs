//! How many descriptors this process may hold.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open descriptors as far as an unprivileged process may, and tells it.
///
/// The soft limit is usually 1024 for the sake of programs that use select(2) (getrlimit(2)).
#[must_use]
pub fn raise_descriptor_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// A descriptor kept for the moment when there are no others.
#[derive(Debug)]
pub struct Reserve(Option<OwnedFd>);

impl Reserve {
    /// Takes one.
    ///
    /// # Errors
    /// Those of fcntl(2): none is left even now.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Some(Self::open()?)))
    }

    /// Does what needs a descriptor for a moment with the one kept back, and takes it again.
    pub fn lend<T>(&mut self, needy: impl FnOnce() -> T) -> T {
        self.0 = None;
        let done = needy();
        self.0 = Self::open().ok();
        done
    }

    /// Any descriptor will do, and this one can be had in every sandbox.
    fn open() -> io::Result<OwnedFd> {
        Ok(fcntl_dupfd_cloexec(io::stderr(), 0)?)
    }
}
