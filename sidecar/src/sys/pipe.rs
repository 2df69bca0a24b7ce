//! A kernel pipe, used as a queue of page references between two sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};

/// A non-blocking pipe.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

impl Pipe {
    /// Makes a pipe and asks for `capacity` bytes.
    ///
    /// The kernel may give less: `/proc/sys/fs/pipe-max-size` bounds one pipe and
    /// `/proc/sys/fs/pipe-user-pages-soft` all pipes of one user, across the whole host
    /// (pipe(7)). [`Pipe::capacity`] says what was given.
    ///
    /// # Errors
    /// Those of pipe2(2): no descriptor is left, or a policy forbids it.
    pub fn new(capacity: usize) -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let capacity = fcntl_setpipe_size(&write, capacity).or_else(|_| fcntl_getpipe_size(&write))?;
        Ok(Self { read, write, capacity })
    }

    /// How many bytes it takes when every page of it is full.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn read_end(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    pub(super) fn write_end(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }
}
