//! The choice between copying and splicing, against what it promises.

#![no_main]

// Private to the relay, and so it stays: its file is compiled into this target.
#[path = "../../sidecar/src/relay/direction.rs"]
#[expect(dead_code, reason = "messages are counted elsewhere")]
mod direction;

// What that file imports as `crate::config`.
use assemble_proxy::config;
use config::Engine;

use arbitrary::Arbitrary;
use direction::{Pace, Path, SCRATCH_BYTES};
use libfuzzer_sys::fuzz_target;

/// What happens to a direction.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Event {
    /// The chosen path worked, and moved this much.
    Moved(Amount),
    /// No pipe was to be had, and this much was copied instead.
    Starved(Amount),
    /// The kernel refused to splice, and this much was copied instead.
    Refused(Amount),
    /// The pipe took nothing, and this much was copied instead (a small tail).
    Bypassed(Amount),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Amount {
    Nothing,
    Small(u16),
    Big(u16),
    Full,
}

impl Amount {
    /// Small is below 16 KiB, big from there on.
    fn bytes(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Small(n) => usize::from(n) % 16_384,
            Self::Big(n) => 16_384 + usize::from(n) % (SCRATCH_BYTES - 16_384),
            Self::Full => SCRATCH_BYTES,
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Forced {
    Auto,
    Copy,
    Splice,
}

fuzz_target!(|input: (Forced, Vec<Event>)| {
    let (engine, events) = input;
    let engine = match engine {
        Forced::Auto => Engine::Auto,
        Forced::Copy => Engine::Copy,
        Forced::Splice => Engine::Splice,
    };
    let mut pace = Pace::new(engine);
    assert_eq!(pace.path() == Path::Splice, engine == Engine::Splice);
    let mut past = Past { refused: false, starved: false, copied: Vec::new(), spliced: Vec::new() };
    for event in events {
        let before = pace.path();
        happen(&mut pace, event, &mut past);
        let after = pace.path();
        assert_eq!(after, past.expected(engine, before));
        match after {
            Path::Copy => past.spliced.clear(),
            Path::Splice => past.copied.clear(),
        }
    }
});

/// Tells it what the pump would tell it.
fn happen(pace: &mut Pace, event: Event, past: &mut Past) {
    match (pace.path(), event) {
        (Path::Copy, event) => {
            let n = event.amount().bytes();
            pace.copied(n);
            past.copied.push(n);
        }
        (Path::Splice, Event::Moved(amount)) => {
            pace.spliced(amount.bytes());
            past.spliced.push(amount.bytes());
        }
        (Path::Splice, Event::Bypassed(amount)) => {
            pace.copied(amount.bytes());
            assert_eq!(pace.path(), Path::Splice, "a copy beside splicing is no reason to switch");
            pace.spliced(amount.bytes());
            past.spliced.push(amount.bytes());
        }
        (Path::Splice, Event::Starved(amount)) => {
            pace.starved();
            assert_eq!(pace.path(), Path::Copy);
            // It was copied after all, and counts like any copy.
            pace.copied(amount.bytes());
            past.spliced.clear();
            past.starved = true;
            past.copied.push(amount.bytes());
        }
        (Path::Splice, Event::Refused(amount)) => {
            pace.refused();
            past.refused = true;
            assert_eq!(pace.path(), Path::Copy);
            pace.copied(amount.bytes());
        }
    }
}

impl Event {
    fn amount(self) -> Amount {
        let (Self::Moved(amount) | Self::Starved(amount) | Self::Refused(amount) | Self::Bypassed(amount)) =
            self;
        amount
    }
}

/// What has moved on the path chosen now, since it was chosen.
struct Past {
    refused: bool,
    starved: bool,
    copied: Vec<usize>,
    spliced: Vec<usize>,
}

impl Past {
    /// The path after all this, of a direction that was on `before`.
    fn expected(&mut self, engine: Engine, before: Path) -> Path {
        let all_of_last = |moved: &[usize], n: usize, holds: fn(&usize) -> bool| {
            moved.len() >= n && moved[moved.len() - n..].iter().all(holds)
        };
        let streams = all_of_last(&self.copied, 1, |n| *n == SCRATCH_BYTES)
            || all_of_last(&self.copied, 2, |n| *n >= 16_384);
        let talks = all_of_last(&self.spliced, 3, |n| *n < 16_384);
        let was_copied = std::mem::take(&mut self.starved) || before == Path::Copy;
        match engine {
            _ if self.refused => Path::Copy,
            Engine::Copy => Path::Copy,
            Engine::Splice => Path::Splice,
            Engine::Auto if was_copied && streams => Path::Splice,
            Engine::Auto if was_copied || talks => Path::Copy,
            Engine::Auto => Path::Splice,
        }
    }
}
