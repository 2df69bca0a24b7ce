//! Empty pipes and an empty buffer waiting for their next use, for each thread.

use std::cell::{Cell, RefCell};
use std::thread::LocalKey;
use std::time::{Duration, Instant};

use super::direction::SCRATCH_BYTES;
use crate::sys::Pipe;

/// A pipe with what it holds.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) pipe: Pipe,
    pub(super) len: usize,
    wide: bool,
}

impl Drop for Filled {
    fn drop(&mut self) {
        if self.wide {
            WIDE_MADE.set(WIDE_MADE.get().saturating_sub(1));
        }
    }
}

/// Bytes that were read and not yet written. It has room for all that one read can give, whatever this
/// one gave: of blocks of all the sizes that peers may have in mind an allocator keeps some for each,
/// and a slow reader would cost them all.
#[derive(Debug)]
pub(super) struct Spill {
    pub(super) bytes: Vec<u8>,
    pub(super) sent: usize,
}

/// What a pipe is asked to hold where few directions have any: a stream takes a third of the calls then.
const WIDE_BYTES: usize = 1024 * 1024;

/// So many of a thread are that wide. The kernel's quota for a user (`/proc/sys/fs/pipe-user-pages-soft`) is 64 of
/// them, and what a stalled stream leaves in one is in no other account.
const WIDE: usize = 2;

/// What the others are asked to hold.
const PIPE_BYTES: usize = 256 * 1024;

/// A pipe smaller than this, as the kernel gives once the quota is used up, is slower than
/// copying.
const LEAST_BYTES: usize = 64 * 1024;

/// Pipes that are not wide and are kept when idle: more directions are seldom mid-transfer at once. `doctor` counts
/// on what all that are kept take of the quota.
const KEPT: usize = 8;

/// How long nothing is asked of a kernel that had no good pipe to give.
const STARVED: Duration = Duration::from_secs(1);

/// Empty pipes, in their boxes as a direction holds them.
type Idle = RefCell<Vec<Box<Filled>>>;

thread_local! {
    static WIDE_PIPES: Idle = const { RefCell::new(Vec::new()) };
    static PIPES: Idle = const { RefCell::new(Vec::new()) };
    /// How many wide ones there are, idle or not.
    static WIDE_MADE: Cell<usize> = const { Cell::new(0) };
    static NARROW_UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static STARVED_UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
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

/// An empty pipe, from the pool or new, and a wide one if that can be; `None` while the kernel gives none worth
/// having.
pub(super) fn take() -> Option<Box<Filled>> {
    let wide = || {
        let may_be = WIDE_MADE.get() < WIDE;
        let pipe = may_be.then(|| make(WIDE_BYTES, WIDE_BYTES, &NARROW_UNTIL)).flatten()?;
        WIDE_MADE.set(WIDE_MADE.get() + 1);
        Some(Box::new(Filled { pipe, len: 0, wide: true }))
    };
    let narrow = || {
        let pipe = make(PIPE_BYTES, LEAST_BYTES, &STARVED_UNTIL)?;
        Some(Box::new(Filled { pipe, len: 0, wide: false }))
    };
    WIDE_PIPES
        .with_borrow_mut(Vec::pop)
        .or_else(wide)
        .or_else(|| PIPES.with_borrow_mut(Vec::pop))
        .or_else(narrow)
}

/// A pipe of at least so many bytes, unless the kernel had none such to give a moment ago.
fn make(bytes: usize, least: usize, refused_until: &'static LocalKey<Cell<Option<Instant>>>) -> Option<Pipe> {
    if refused_until.get().is_some_and(|until| Instant::now() < until) {
        return None;
    }
    let pipe = Pipe::new(bytes).ok().filter(|pipe| pipe.capacity() >= least);
    refused_until.set(pipe.is_none().then(|| Instant::now() + STARVED));
    pipe
}

/// Takes back a pipe that is **known to be empty**. One that may hold a byte has to be dropped:
/// that byte would go to the next client.
pub(super) fn put_back(pipe: Box<Filled>) {
    if pipe.wide {
        WIDE_PIPES.with_borrow_mut(|idle| idle.push(pipe));
    } else {
        PIPES.with_borrow_mut(|idle| {
            if idle.len() < KEPT {
                idle.push(pipe);
            }
        });
    }
}

/// Leaves the wide pipes to others: this thread has no connections.
pub(crate) fn rest() {
    WIDE_PIPES.with_borrow_mut(Vec::clear);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directions_have_wide_pipes_for_as_long_as_the_thread_has_connections() {
        let take = || take().unwrap();
        let are_wide = |pipes: &[Box<Filled>]| pipes.iter().map(|pipe| pipe.wide).collect::<Vec<_>>();
        if Pipe::new(WIDE_BYTES).unwrap().capacity() < WIDE_BYTES {
            // As for a user whose quota is used up.
            assert_eq!(are_wide(&[take()]), [false]);
            return;
        }
        let mut taken = vec![take(), take(), take()];
        assert_eq!(are_wide(&taken), [true, true, false]);
        taken.drain(..).for_each(put_back);
        assert_eq!(are_wide(&[take(), take(), take()]), [true, true, false]);
        // These were dropped, as those of connections that broke are.
        put_back(take());
        assert_eq!(WIDE_MADE.get(), 1);
        rest();
        assert_eq!(WIDE_MADE.get(), 0);
        assert_eq!(are_wide(&[take()]), [true]);
    }
}
