//! How one direction of a connection moves its bytes: the decisions, without the calls. Pure.

use crate::config::Engine;

/// Bytes the shared scratch buffer holds: what one `recv` can take.
pub(crate) const SCRATCH_BYTES: usize = 64 * 1024;

/// A read of at least this much looks like a stream rather than a message.
const BIG: usize = 16 * 1024;

/// Whether so many bytes at one go are messages.
pub(crate) const fn is_message(bytes: u64) -> bool {
    0 < bytes && bytes < BIG as u64
}

/// So many big reads in a row start splicing; so many small rounds in a row end it.
const ENTER_AFTER: u8 = 2;
const LEAVE_AFTER: u8 = 3;

/// Where the next bytes go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The scratch buffer in user memory: cheapest for messages.
    Copy,
    /// A pipe in the kernel: cheapest for streams.
    Splice,
}

/// Chooses the path of one direction, with hysteresis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    engine: Engine,
    path: Path,
    streak: u8,
}

impl Pace {
    pub(crate) const fn new(engine: Engine) -> Self {
        let path = match engine {
            Engine::Splice => Path::Splice,
            Engine::Auto | Engine::Copy => Path::Copy,
        };
        Self { engine, path, streak: 0 }
    }

    pub(crate) const fn path(self) -> Path {
        self.path
    }

    /// `n` bytes came through the scratch buffer while it was the chosen path.
    pub(crate) const fn copied(&mut self, n: usize) {
        match (self.engine, self.path) {
            (Engine::Copy, _) | (_, Path::Splice) => {}
            (Engine::Splice, Path::Copy) => self.switch(Path::Splice),
            (Engine::Auto, Path::Copy) if n == SCRATCH_BYTES => self.switch(Path::Splice),
            (Engine::Auto, Path::Copy) if n >= BIG => self.count(ENTER_AFTER, Path::Splice),
            (Engine::Auto, Path::Copy) => self.streak = 0,
        }
    }

    /// `n` bytes went into an empty pipe.
    pub(crate) const fn spliced(&mut self, n: usize) {
        if !matches!(self.engine, Engine::Auto) {
            return;
        }
        if n < BIG {
            self.count(LEAVE_AFTER, Path::Copy);
        } else {
            self.streak = 0;
        }
    }

    /// No pipe was to be had just now: copies, and asks again when the stream is as big as before.
    pub(crate) const fn starved(&mut self) {
        self.switch(Path::Copy);
    }

    /// The kernel refuses to splice these sockets: copies for good.
    pub(crate) const fn refused(&mut self) {
        self.engine = Engine::Copy;
        self.switch(Path::Copy);
    }

    const fn count(&mut self, enough: u8, then: Path) {
        self.streak += 1;
        if self.streak >= enough {
            self.switch(then);
        }
    }

    const fn switch(&mut self, path: Path) {
        self.path = path;
        self.streak = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_copied_for_ever() {
        let mut pace = Pace::new(Engine::Auto);
        for _ in 0..1000 {
            pace.copied(BIG - 1);
            assert_eq!(pace.path(), Path::Copy);
        }
    }

    #[test]
    fn a_stream_is_spliced_from_its_second_big_read_or_its_first_full_one() {
        let mut pace = Pace::new(Engine::Auto);
        pace.copied(BIG);
        assert_eq!(pace.path(), Path::Copy);
        pace.copied(BIG);
        assert_eq!(pace.path(), Path::Splice);

        let mut pace = Pace::new(Engine::Auto);
        pace.copied(SCRATCH_BYTES);
        assert_eq!(pace.path(), Path::Splice);
    }

    #[test]
    fn one_small_read_between_big_ones_starts_the_count_again() {
        let mut pace = Pace::new(Engine::Auto);
        pace.copied(BIG);
        pace.copied(1);
        pace.copied(BIG);
        assert_eq!(pace.path(), Path::Copy);
    }

    #[test]
    fn small_rounds_end_splicing_and_one_big_round_forgives_them() {
        let mut pace = Pace::new(Engine::Auto);
        pace.copied(SCRATCH_BYTES);
        for n in [1, 1, BIG, 1, 1] {
            pace.spliced(n);
            assert_eq!(pace.path(), Path::Splice);
        }
        pace.spliced(1);
        assert_eq!(pace.path(), Path::Copy);
    }

    #[test]
    fn a_forced_engine_stays_but_a_refusal_ends_splicing_for_good() {
        let mut pace = Pace::new(Engine::Copy);
        pace.copied(SCRATCH_BYTES);
        assert_eq!(pace.path(), Path::Copy);

        let mut pace = Pace::new(Engine::Splice);
        for _ in 0..10 {
            pace.spliced(1);
        }
        assert_eq!(pace.path(), Path::Splice);
        pace.refused();
        pace.copied(SCRATCH_BYTES);
        assert_eq!(pace.path(), Path::Copy);
    }
}
