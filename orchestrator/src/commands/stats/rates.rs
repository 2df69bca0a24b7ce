//! Samples to rates. Pure.

use std::collections::VecDeque;
use std::time::Instant;

use assemble_contract::{Ports, Status};
use explained::Explained;

/// How many ticks a line remembers, for its sparkline.
const HISTORY: usize = 20;

/// Why the counters of a sidecar are not known, in the place of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum NoCounters {
    /// The sidecar is in the network of an earlier run of the backend.
    #[error("stale")]
    #[advice = "`docker assemble backend start`"]
    Stale,
    /// The sidecar's image cannot tell its counters.
    #[error("older version")]
    #[advice = "`docker assemble backend start`"]
    Old,
    /// The sidecar is of an image that the user named.
    #[error("other image")]
    #[advice = "nothing"]
    Foreign,
    /// The sidecar hangs, or the engine refused to ask it.
    #[error("no answer")]
    #[advice = "`docker assemble backend doctor`"]
    Silent,
    /// The sidecar has vanished.
    #[error("missing")]
    #[advice = "`docker assemble backend start`"]
    Missing,
    /// The sidecar does not run.
    #[error("{state}")]
    #[advice = "`docker assemble backend start`"]
    Stopped {
        /// What it does instead.
        state: String,
    },
}

/// What one sidecar said once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) ports: Ports,
    /// Whether it is of one port of the range whose sample is before it.
    pub(super) part: bool,
    pub(super) at: Instant,
    /// What it told, or in a word or two why nothing.
    pub(super) known: Result<Status, NoCounters>,
}

/// Bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) up: u64,
    pub(super) down: u64,
}

/// One forward as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) last: Sample,
    /// Between the last two samples; `None` when one of them is missing.
    pub(super) rate: Option<Rate>,
    /// Bytes per second both ways together, the latest last.
    pub(super) history: VecDeque<u64>,
}

/// The lines after another round of samples. A forward that is gone is forgotten.
pub(super) fn advance(before: Vec<Line>, samples: Vec<Sample>) -> Vec<Line> {
    let mut before: Vec<Option<Line>> = before.into_iter().map(Some).collect();
    let mut step = |sample: Sample| {
        let known =
            before.iter_mut().find(|line| line.as_ref().is_some_and(|line| line.last.ports == sample.ports));
        let Some(old) = known.and_then(Option::take) else {
            return Line { last: sample, rate: None, history: VecDeque::new() };
        };
        let rate = rate(&old.last, &sample);
        let mut history = old.history;
        history.extend(rate.map(|rate| rate.up.saturating_add(rate.down)));
        while history.len() > HISTORY {
            history.pop_front();
        }
        Line { last: sample, rate, history }
    };
    samples.into_iter().map(&mut step).collect()
}

fn rate(old: &Sample, new: &Sample) -> Option<Rate> {
    let (Ok(before), Ok(after)) = (&old.known, &new.known) else { return None };
    let nanos = new.at.checked_duration_since(old.at)?.as_nanos();
    // Counters that went back are those of a relay that was started anew: what it has done since
    // is not known to belong to this second.
    let per_second = |before: u64, after: u64| {
        let bytes = u128::from(after.checked_sub(before)?);
        u64::try_from((bytes * 1_000_000_000).checked_div(nanos)?).ok()
    };
    Some(Rate {
        up: per_second(before.bytes_up, after.bytes_up)?,
        down: per_second(before.bytes_down, after.bytes_down)?,
    })
}

/// Numbers as bars, the largest as the highest. All zero are the lowest.
pub(super) fn sparkline<'a>(numbers: impl IntoIterator<Item = &'a u64> + Clone) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = u128::from(numbers.clone().into_iter().copied().max().unwrap_or(0)).max(1);
    let bar = |number: &u64| {
        let height = (u128::from(*number) * 7).div_ceil(most);
        BARS[usize::try_from(height).unwrap_or(7).min(7)]
    };
    numbers.into_iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(port: u16, at: Instant, up: u64, down: u64) -> Sample {
        let ports = assemble_contract::Port::new(port).unwrap().into();
        Sample {
            ports,
            part: false,
            at,
            known: Ok(Status { bytes_up: up, bytes_down: down, ..Status::default() }),
        }
    }

    #[test]
    fn a_rate_is_what_two_samples_differ_by_in_a_second() {
        let begin = Instant::now();
        let later = begin + Duration::from_millis(2000);
        let lines = advance(Vec::new(), vec![sample(5000, begin, 100, 0)]);
        assert_eq!(lines[0].rate, None);
        let lines = advance(lines, vec![sample(5000, later, 4100, 10)]);
        assert_eq!(lines[0].rate, Some(Rate { up: 2000, down: 5 }));
        assert_eq!(lines[0].history, [2005]);
    }

    #[test]
    fn a_relay_that_was_started_anew_has_no_rate_at_first() {
        let begin = Instant::now();
        let later = begin + Duration::from_secs(1);
        let lines = advance(Vec::new(), vec![sample(5000, begin, 100, 0)]);
        assert_eq!(advance(lines.clone(), vec![sample(5000, later, 99, 5)])[0].rate, None);
        let silent = Sample {
            known: Err(NoCounters::Stopped { state: "paused".to_owned() }),
            ..sample(5000, later, 0, 0)
        };
        assert_eq!(advance(lines.clone(), vec![silent])[0].rate, None);
        assert_eq!(advance(lines, vec![sample(5000, begin, 100, 0)])[0].rate, None, "no time has passed");
    }

    #[test]
    fn forwards_come_and_go() {
        let begin = Instant::now();
        let later = begin + Duration::from_secs(1);
        let lines = advance(Vec::new(), vec![sample(1, begin, 0, 0), sample(2, begin, 5, 0)]);
        let lines = advance(lines, vec![sample(2, later, 6, 0), sample(3, later, 0, 0)]);
        let seen: Vec<_> =
            lines.iter().map(|line| (line.last.ports.first().get(), line.rate.map(|rate| rate.up))).collect();
        assert_eq!(seen, [(2, Some(1)), (3, None)]);
    }

    #[test]
    fn the_past_is_forgotten_in_the_end() {
        let begin = Instant::now();
        let mut lines = Vec::new();
        for second in 0..50 {
            lines = advance(lines, vec![sample(1, begin + Duration::from_secs(second), second * 10, 0)]);
        }
        assert_eq!(lines[0].history, [10; HISTORY]);
    }

    #[test]
    fn bars_are_as_high_as_their_numbers() {
        assert_eq!(sparkline(&[] as &[u64]), "");
        assert_eq!(sparkline(&[0, 0]), "▁▁");
        assert_eq!(sparkline(&[0, 1, 7]), "▁▂█");
        assert_eq!(sparkline(&[u64::MAX, 1, 0]), "█▂▁");
    }
}
