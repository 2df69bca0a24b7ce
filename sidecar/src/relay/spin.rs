//! Looking for the next message again and again, in place of sleeping until it comes.
//!
//! To wake a sleeper on another core can take longer than all else in a short exchange. A task that gives
//! way in a circle does without: whenever nobody else has anything to do, the runtime asks the kernel for
//! events and does not wait for them. It is a task like any other, so whoever is sent something has its turn.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use crate::sys::times_preempted;

thread_local! {
    static SPIN: Cell<Spin> = const { Cell::new(Spin::NEVER) };
}

/// What a thread knows of its messages.
#[derive(Clone, Copy, Debug)]
struct Spin {
    /// How many there were.
    messages: u64,
    worth: Worth,
    /// Whether a task is at it.
    spinning: bool,
}

impl Spin {
    const NEVER: Self = Self { messages: 0, worth: Worth::UNKNOWN, spinning: false };
}

/// A message was passed on. Spins for the next one, for so many microseconds, where that is worth it.
pub(super) fn message(limit: NonZeroU32) {
    let mut spin = SPIN.get();
    spin.messages += 1;
    if !spin.spinning && spin.worth.is_tried() {
        spin.spinning = true;
        tokio::spawn(until_in_vain(Duration::from_micros(limit.get().into())));
    }
    SPIN.set(spin);
}

/// Spins until no message has come for `limit`, or one only after somebody else had taken the core, who may
/// be the very one that was waited for: then it is quicker to sleep.
async fn until_in_vain(limit: Duration) {
    /// Lets another task begin, however this one ends.
    struct Spinning;
    impl Drop for Spinning {
        fn drop(&mut self) {
            SPIN.set(Spin { spinning: false, ..SPIN.get() });
        }
    }
    let _spinning = Spinning;
    let (mut messages, mut since) = (SPIN.get().messages, Instant::now());
    let preempted = times_preempted();
    loop {
        yield_now().await;
        let (mut spin, now) = (SPIN.get(), Instant::now());
        let has_come = spin.messages != messages;
        if now - since > limit || has_come && times_preempted() != preempted {
            spin.worth.in_vain();
            return SPIN.set(spin);
        }
        if has_come {
            (messages, since) = (spin.messages, now);
            spin.worth.paid();
            SPIN.set(spin);
        }
    }
}

/// Whether it is worth to spin, by how it went before. Pure.
#[derive(Clone, Copy, Debug)]
struct Worth {
    /// How often it may be in vain before it is rested from.
    credit: u8,
    /// How many messages the last rest was long.
    rest: u16,
    /// How many of them are left of it.
    left: u16,
}

impl Worth {
    const UNKNOWN: Self = Self { credit: 0, rest: 0, left: 0 };
    /// Who asks and then thinks has one that pays for each that does not, and may begin with either.
    const MOST_CREDIT: u8 = 4;
    /// Where it never pays, it is tried with one message of so many.
    const LONGEST_REST: u16 = 1024;

    const fn is_tried(&mut self) -> bool {
        let is_tried = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_tried
    }

    fn paid(&mut self) {
        self.rest = 0;
        self.credit = (self.credit + 1).min(Self::MOST_CREDIT);
    }

    fn in_vain(&mut self) {
        match self.credit.checked_sub(1) {
            Some(credit) => self.credit = credit,
            None => {
                self.rest = (self.rest * 2).clamp(1, Self::LONGEST_REST);
                self.left = self.rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often of so many messages it is tried, where it always goes like this.
    fn tried(worth: &mut Worth, messages: usize, went: fn(&mut Worth)) -> usize {
        let mut count = 0;
        for _ in 0..messages {
            if worth.is_tried() {
                went(worth);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn where_it_pays_it_goes_on() {
        let mut worth = Worth::UNKNOWN;
        assert_eq!(tried(&mut worth, 1000, Worth::paid), 1000);
    }

    #[test]
    fn where_it_never_pays_it_is_hardly_ever_tried() {
        let mut worth = Worth::UNKNOWN;
        let (first, later) =
            (tried(&mut worth, 2048, Worth::in_vain), tried(&mut worth, 102_500, Worth::in_vain));
        assert!(first <= 12, "{first}");
        assert_eq!(later, 100);
    }

    #[test]
    fn one_who_asks_and_then_thinks_is_answered_soon() {
        let mut worth = Worth::UNKNOWN;
        let mut in_vain = 0;
        for _ in 0..1000 {
            // For the answer, which comes at once, and for the next question, which does not.
            if worth.is_tried() {
                worth.paid();
            }
            if worth.is_tried() {
                worth.in_vain();
                in_vain += 1;
            }
            assert_eq!(worth.left, 0);
        }
        assert_eq!(in_vain, 1000);
    }

    #[test]
    fn once_it_pays_again_the_rests_are_over() {
        let mut worth = Worth::UNKNOWN;
        tried(&mut worth, 100_000, Worth::in_vain);
        while !worth.is_tried() {}
        worth.paid();
        assert_eq!(tried(&mut worth, 1000, Worth::paid), 1000);
    }

    /// Without a message nothing runs: the task that spins has ended by itself, and there is no other.
    #[tokio::test]
    async fn it_ends_when_no_message_comes() {
        message(NonZeroU32::MIN);
        assert!(SPIN.get().spinning);
        let metrics = tokio::runtime::Handle::current().metrics();
        while metrics.num_alive_tasks() > 0 {
            yield_now().await;
        }
        assert!(!SPIN.get().spinning);
        assert_eq!(SPIN.get().worth.left, 1);
    }
}
