//! How many descriptors this process may hold, and how much memory it is given at a time.

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

/// Has this process given memory by the page, never by 2 MiB because of the first byte (huge pages,
/// madvise(2)): so it takes what it uses, and no more.
pub fn refuse_huge_pages() {
    // A kernel that does not know them gives none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
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
