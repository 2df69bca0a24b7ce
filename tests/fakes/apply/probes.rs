//! How a start finds out that what it made serves, on engines that are slow or forbid it.

use std::time::Duration;

use docker_assemble::desired::ContainerName;
use docker_plugin::cancel::Cancel;
use tokio::time::Instant;

use super::{Desired, FakeEngine, all_run, fresh, must_start, names, run_start, two_ports};
use crate::world::{ports, wish};

/// How many commands ran at the same moment at most, of those that `counts`.
fn at_once(engine: &FakeEngine, counts: impl Fn(&ContainerName) -> bool) -> usize {
    let commands = engine.world().commands.clone();
    let alike = || commands.iter().filter(|(container, ..)| counts(container));
    let during = |at: Instant| alike().filter(|(_, from, to)| *from <= at && at < *to).count();
    alike().map(|(_, from, _)| during(*from)).max().unwrap_or(0)
}

/// A command that takes long is waited for. One that is dropped would run on in the engine beside the
/// next one, and make the machine slower still.
#[tokio::test(start_paused = true)]
async fn a_slow_probe_is_waited_for_and_none_runs_beside_it() {
    let engine = fresh();
    engine.world().command_takes = Duration::from_secs(12);
    must_start(&engine, &two_ports()).await;
    assert_eq!(names(&engine), all_run());
    let containers = engine.world().containers.clone();
    for container in containers {
        assert_eq!(engine.world().commands.iter().filter(|(name, ..)| *name == container.name).count(), 1);
    }
}

/// Many ports do not have the engine start as many processes at once, be it in the backend, where a
/// sidecar of one's own is looked for, or in their containers.
#[tokio::test(start_paused = true)]
async fn many_probes_are_made_a_few_at_a_time() {
    let many: Vec<u16> = (5000..5040).collect();
    for own_image in [false, true] {
        let engine = fresh();
        engine.world().command_takes = Duration::from_secs(1);
        if own_image {
            // It has no program to ask, so the table of listeners is read in the backend.
            engine.world().refused_commands = (500, many.len());
            let listens = |port: &u16| format!("0: 0100007F:{port:04X} 00000000:0000 0A\n");
            let table = many.iter().map(listens).collect();
            engine.world().said.insert(wish().user.backend(), (0, table));
        }
        must_start(&engine, &Desired { forwards: ports(&many), ..wish() }).await;
        assert!((1..=4).contains(&at_once(&engine, |_| true)), "{own_image}");
        let containers = engine.world().containers.clone();
        for container in containers {
            assert!(at_once(&engine, |name| *name == container.name) <= 1, "{own_image}");
        }
    }
}

/// The limit on a start holds however long a probe takes.
#[tokio::test(start_paused = true)]
async fn a_probe_that_does_not_end_is_given_up_in_time() {
    let engine = fresh();
    engine.world().hung.insert(wish().user.backend());
    let (result, _) = run_start(&engine, &wish(), &Cancel::never()).await;
    let words = result.unwrap_err().to_string();
    assert!(words.ends_with("was not ready within 60 s: the probe did not end"), "{words}");
    assert_eq!(names(&engine), []);
}

/// Who forbids commands, or knows of none, will say the same the next time: it is said at once, in the
/// words of the refusal, and nothing is left.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_all_commands_is_told_at_once() {
    for status in [401, 403, 404, 405] {
        for forwards in [ports(&[]), ports(&[5000, 6000])] {
            let engine = fresh();
            engine.world().refused_commands = (status, usize::MAX);
            let wish = Desired { forwards, ..wish() };
            let begun = Instant::now();
            let (result, _) = run_start(&engine, &wish, &Cancel::never()).await;
            let words = result.unwrap_err().to_string();
            assert!(words.contains("run a command in container \"docker-assemble-backend-ann"), "{words}");
            assert!(words.ends_with(": the filter forbids it"), "{words}");
            assert_eq!(begun.elapsed(), Duration::ZERO, "{status}");
            assert_eq!(names(&engine), []);
        }
    }
}

/// An engine with much to do is asked again.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_may_heal_is_not_the_last_word() {
    for status in [409, 500] {
        let engine = fresh();
        engine.world().refused_commands = (status, 3);
        must_start(&engine, &Desired { forwards: ports(&[]), ..wish() }).await;
        assert_eq!(engine.world().refused_commands.1, 0);
    }
}
