//! Random conversations against a model of what a transparent connection would do.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::peers::{KIB, MIB, Peer};
use crate::relay::{Pair, Setup};
use crate::setups::every_engine;
use crate::sockets::{End, PATIENCE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Near,
    Far,
}

/// One thing that one side does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sends what is taken of so many bytes without waiting.
    Send(Side, u64),
    /// Reads what is there, at most so many bytes. A side that does not is stalled.
    Read(Side, u64),
    /// Ends its stream.
    Finish(Side),
    /// Nobody does anything for so many milliseconds.
    Pause(u64),
}

/// How the conversation ends.
#[derive(Clone, Copy, Debug)]
enum Finale {
    /// Both sides finish.
    Orderly,
    /// One side resets once the relay has received everything from it.
    Settled(Side),
    /// One side resets whatever is under way.
    Abrupt(Side),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Near), Just(Side::Far)]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![1..100_u64, 1..64 * KIB, 1..4 * MIB, Just(64 * KIB), Just(256 * KIB)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (side(), size()).prop_map(|(side, size)| Step::Send(side, size)),
        4 => (side(), size()).prop_map(|(side, size)| Step::Read(side, size)),
        1 => side().prop_map(Step::Finish),
        1 => (1..10_u64).prop_map(Step::Pause),
    ]
}

fn conversation() -> impl Strategy<Value = (Vec<Step>, Finale)> {
    let finale = prop_oneof![
        2 => Just(Finale::Orderly),
        1 => side().prop_map(Finale::Settled),
        1 => side().prop_map(Finale::Abrupt),
    ];
    (prop::collection::vec(step(), 0..30), finale)
}

/// The two sides, and which of them have ended their streams.
struct Model {
    near: Peer,
    far: Peer,
    finished: Vec<Side>,
}

impl Model {
    /// A side and the other one.
    fn pair(&mut self, side: Side) -> (&mut Peer, &mut Peer) {
        match side {
            Side::Near => (&mut self.near, &mut self.far),
            Side::Far => (&mut self.far, &mut self.near),
        }
    }

    fn has_finished(&self, side: Side) -> bool {
        self.finished.contains(&side)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(side, n) if !self.has_finished(side) => {
                self.pair(side).0.outgoing.offer(n);
            }
            Step::Finish(side) if !self.has_finished(side) => {
                self.pair(side).0.finish();
                self.finished.push(side);
            }
            Step::Send(..) | Step::Finish(_) => {}
            Step::Read(side, n) => {
                let (reader, writer) = self.pair(side);
                let end = reader.incoming.take(n);
                let complete = reader.incoming.received() == writer.outgoing.sent();
                let writer_finished = self.has_finished(other(side));
                match end {
                    None => {}
                    Some(End::Finished) => assert!(writer_finished && complete, "an end too early"),
                    Some(End::Reset) => panic!("a reset that nobody sent"),
                }
            }
            Step::Pause(ms) => std::thread::sleep(Duration::from_millis(ms)),
        }
    }

    fn end_orderly(mut self) {
        for side in [Side::Near, Side::Far] {
            self.step(Step::Finish(side));
        }
        let Self { mut near, mut far, .. } = self;
        std::thread::scope(|scope| {
            let near_end = scope.spawn(|| near.incoming.rest());
            assert_eq!(far.incoming.rest(), End::Finished);
            assert_eq!(near_end.join().unwrap(), End::Finished);
        });
        assert_eq!(near.incoming.received(), far.outgoing.sent());
        assert_eq!(far.incoming.received(), near.outgoing.sent());
    }

    fn end_with_reset(self, by: Side, settled: bool) {
        let (finished, witness_finished) = (self.has_finished(by), self.has_finished(other(by)));
        let (breaker, mut witness) = match by {
            Side::Near => (self.near, self.far),
            Side::Far => (self.far, self.near),
        };
        let sent = breaker.outgoing.sent();
        let end = std::thread::scope(|scope| {
            let end = scope.spawn(|| witness.incoming.rest());
            if settled {
                breaker.wait_until_received();
            }
            breaker.reset();
            end.join().unwrap()
        });
        let received = witness.incoming.received();
        // A finished stream may be seen to end before the reset comes.
        assert!(end == End::Reset || finished && received == sent, "a part was passed off as the whole");
        if settled {
            assert_eq!(received, sent, "bytes that the relay had received were lost");
        }
        if end == End::Finished && !witness_finished {
            witness.expect_broken_within(PATIENCE);
        }
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Near => Side::Far,
        Side::Far => Side::Near,
    }
}

every_engine! {
    /// Whatever two peers do, each sees what it would have seen without the relay: all bytes in
    /// order, an end of stream for an end of stream, a reset for a reset.
    fn any_conversation_is_relayed_faithfully(setup: Setup) {
        converse(&setup, 60);
    }
}

#[test]
#[ignore = "long: make soak"]
fn thousands_of_conversations_are_relayed_faithfully() {
    Setup::every_engine().for_each(|setup| converse(&setup, crate::scaled(5_000)));
}

fn converse(setup: &Setup, cases: u32) {
    // What fails is printed with its steps; timing plays a part, so a stored seed would not help.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let conversation_holds = |(steps, finale): (Vec<Step>, Finale)| {
        let Pair { near, far, relay: _relay } = setup.open();
        let mut model = Model { near, far, finished: Vec::new() };
        steps.into_iter().for_each(|step| model.step(step));
        match finale {
            Finale::Orderly => model.end_orderly(),
            Finale::Settled(side) => model.end_with_reset(side, true),
            Finale::Abrupt(side) => model.end_with_reset(side, false),
        }
        Ok(())
    };
    TestRunner::new(config).run(&conversation(), conversation_holds).unwrap();
}
