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

/// What a pipe is asked to hold where few directions have any: a stream takes a third of the calls then, and a
/// fifth less of a processor's time.
const WIDE_BYTES: usize = 1024 * 1024;

/// So many of a thread are that wide. 64 of them use up the kernel's quota for a user
/// (`/proc/sys/fs/pipe-user-pages-soft`), and what a stalled stream leaves in one is in no other account.
const WIDE: usize = 2;

/// What the others are asked to hold.
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
    IDLE.with_borrow_mut(|idle| {
        let wide = idle.last().is_some_and(|pipe| pipe.wide);
        if !wide
            && WIDE_MADE.get() < WIDE
            && let Some(pipe) = make(WIDE_BYTES, WIDE_BYTES, &NARROW_UNTIL)
        {
            WIDE_MADE.set(WIDE_MADE.get() + 1);
            return Some(Box::new(Filled { pipe, len: 0, wide: true }));
        }
        idle.pop().or_else(|| {
            let pipe = make(PIPE_BYTES, LEAST_BYTES, &STARVED_UNTIL)?;
            Some(Box::new(Filled { pipe, len: 0, wide: false }))
        })
    })
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
    IDLE.with_borrow_mut(|idle| {
        if pipe.wide {
            idle.push(pipe);
        } else if idle.len() < KEPT {
            // The wide ones are taken first.
            idle.insert(0, pipe);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directions_have_wide_pipes_and_what_they_give_back_is_taken_first() {
        let widths =
            |pipes: &[Box<Filled>]| pipes.iter().map(|pipe| pipe.pipe.capacity()).collect::<Vec<_>>();
        let mut taken: Vec<_> = (0..=WIDE).map(|_| take().unwrap()).collect();
        assert_eq!(widths(&taken), [WIDE_BYTES, WIDE_BYTES, PIPE_BYTES]);
        taken.drain(..).for_each(put_back);
        assert_eq!(widths(&[take().unwrap(), take().unwrap()]), [WIDE_BYTES; WIDE]);
        // These two were dropped, as those of a connection that broke are.
        assert_eq!(
            widths(&[take().unwrap(), take().unwrap(), take().unwrap()]),
            [WIDE_BYTES, WIDE_BYTES, PIPE_BYTES]
        );
    }
}
