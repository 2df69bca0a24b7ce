//! Empty pipes and an empty buffer waiting for their next use, for each thread.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::direction::SCRATCH_BYTES;
use crate::sys::Pipe;

/// A pipe with what it holds.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) pipe: Pipe,
    pub(super) len: usize,
}

/// Bytes that were read and not yet written. It has room for all that one read can give, whatever this
/// one gave: of blocks of all the sizes that peers may have in mind an allocator keeps some for each,
/// and a slow reader would cost them all.
#[derive(Debug)]
pub(super) struct Spill {
    pub(super) bytes: Vec<u8>,
    pub(super) sent: usize,
}

/// What a pipe is asked to hold. Bigger ones move more per call, but 64 of 1 MiB use up the
/// kernel's quota for a user (`/proc/sys/fs/pipe-user-pages-soft`).
const PIPE_BYTES: usize = 256 * 1024;

/// A pipe smaller than this, as the kernel gives once the quota is used up, is slower than
/// copying.
const LEAST_BYTES: usize = 64 * 1024;

/// Pipes kept when idle: more than that many directions are seldom mid-transfer at once.
const KEPT: usize = 16;

/// How long nothing is asked of a kernel that had no good pipe to give.
const STARVED: Duration = Duration::from_secs(1);

thread_local! {
    #[expect(clippy::vec_box, reason = "they are taken and put back in their boxes, as a direction holds them")]
    static IDLE: RefCell<Vec<Box<Filled>>> = const { RefCell::new(Vec::new()) };
    static RETRY_AT: Cell<Option<Instant>> = const { Cell::new(None) };
    static SPARE: Cell<Option<Box<Spill>>> = const { Cell::new(None) };
}

impl Spill {
    /// One with these bytes, which are one read's at most.
    pub(super) fn of(bytes: &[u8]) -> Box<Self> {
        let mut spill = SPARE
            .take()
            .unwrap_or_else(|| Box::new(Self { bytes: Vec::with_capacity(SCRATCH_BYTES), sent: 0 }));
        spill.sent = 0;
        spill.bytes.clear();
        spill.bytes.extend_from_slice(bytes);
        spill
    }

    /// Keeps its room for the next one that is needed.
    pub(super) fn put_back(self: Box<Self>) {
        SPARE.set(Some(self));
    }
}

/// An empty pipe, from the pool or new; `None` while the kernel gives none worth having.
pub(super) fn take() -> Option<Box<Filled>> {
    if let Some(pipe) = IDLE.with_borrow_mut(Vec::pop) {
        return Some(pipe);
    }
    if RETRY_AT.get().is_some_and(|at| Instant::now() < at) {
        return None;
    }
    let pipe = Pipe::new(PIPE_BYTES).ok().filter(|pipe| pipe.capacity() >= LEAST_BYTES);
    RETRY_AT.set(pipe.is_none().then(|| Instant::now() + STARVED));
    pipe.map(|pipe| Box::new(Filled { pipe, len: 0 }))
}

/// Takes back a pipe that is **known to be empty**. One that may hold a byte has to be dropped:
/// that byte would go to the next client.
pub(super) fn put_back(pipe: Box<Filled>) {
    IDLE.with_borrow_mut(|idle| {
        if idle.len() < KEPT {
            idle.push(pipe);
        }
    });
}
