//! Which of many equal reports are told, and when the others are summed up. Pure.
//!
//! A client may try a target that is down a thousand times a minute, and each try fails for the same
//! reason. The first one is told. Those that follow are counted, and their number is told after
//! [`FIRST_PAUSE`], then at intervals that double up to [`LONGEST_PAUSE`]. What has been quiet for a
//! whole interval is forgotten, and told at once when it comes again.

use std::mem::{replace, take};
use std::time::{Duration, Instant};

/// How long equal reports are counted before their number is told for the first time.
pub const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest time between two such tellings.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// So many different reports are told apart, since a client may be able to make up texts; all
/// others count as equal to each other.
pub const MOST: usize = 16;

/// So many equal reports were not told one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated<M> {
    /// What they are about.
    pub topic: M,
    /// What the last one said.
    pub text: String,
    pub times: u64,
}

/// Remembers what was told.
#[derive(Debug)]
pub struct Repeats<M>(Vec<Entry<M>>);

#[derive(Debug)]
struct Entry<M> {
    repeated: Repeated<M>,
    told: Instant,
    pause: Duration,
    due: Instant,
}

impl<M> Default for Repeats<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M: Copy + PartialEq> Repeats<M> {
    /// Whether a report is to be told; else it is counted.
    pub fn note(&mut self, topic: M, text: &str, now: Instant) -> bool {
        let alike = |entry: &Entry<M>| entry.repeated.topic == topic && entry.repeated.text == text;
        let at = self.0.iter().position(alike).or_else(|| (self.0.len() > MOST).then_some(MOST));
        if let Some(Entry { repeated, .. }) = at.map(|at| &mut self.0[at]) {
            repeated.times += 1;
            if repeated.text != text {
                (repeated.topic, repeated.text) = (topic, text.to_owned());
            }
            return false;
        }
        let repeated = Repeated { topic, text: text.to_owned(), times: 0 };
        self.0.push(Entry { repeated, told: now, pause: FIRST_PAUSE, due: now + FIRST_PAUSE });
        true
    }

    /// Whether there is nothing to sum up, nor will be before the next report.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When to look for what is [due](Self::due) next.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.0.iter().map(|entry| entry.due).min()
    }

    /// What is to be told by now.
    pub fn due(&mut self, now: Instant) -> Vec<Repeated<M>> {
        self.0.retain(|entry| entry.repeated.times > 0 || now < entry.due);
        let due = self.0.iter_mut().filter(|entry| entry.due <= now);
        due.map(|entry| {
            entry.pause = LONGEST_PAUSE.min(entry.pause * 2);
            (entry.told, entry.due) = (now, now + entry.pause);
            entry.repeated.tell()
        })
        .collect()
    }

    /// What this is about has gone well. What was counted is told, and what was not is forgotten,
    /// once [`FIRST_PAUSE`] has passed since it was told last: what fails every other time would fill
    /// the log else. Says whether that changes [`Self::next_due`].
    pub fn went_well(&mut self, topic: M) -> bool {
        let mut changed = false;
        for entry in self.0.iter_mut().filter(|entry| entry.repeated.topic == topic) {
            let due = entry.due.min(entry.told + FIRST_PAUSE);
            changed |= replace(&mut entry.due, due) != due;
        }
        changed
    }

    /// All that was counted and not told yet: something else has happened, or nothing more will.
    pub fn flush(&mut self) -> Vec<Repeated<M>> {
        let counted = self.0.iter_mut().filter(|entry| entry.repeated.times > 0);
        counted.map(|entry| entry.repeated.tell()).collect()
    }
}

impl<M: Copy> Repeated<M> {
    fn tell(&mut self) -> Self {
        Self { topic: self.topic, text: self.text.clone(), times: take(&mut self.times) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn repeated(text: &str, times: u64) -> Repeated<char> {
        Repeated { topic: 'm', text: text.to_owned(), times }
    }

    /// A day of failures, one a second: the numbers that are told add up to all of them.
    #[test]
    fn the_first_is_told_and_the_others_are_summed_up_at_growing_intervals() {
        const DAY: u32 = 24 * 60 * 60;
        let (start, mut repeats) = (Instant::now(), Repeats::default());
        let (mut told, mut sums) = (0, Vec::new());
        for second in 0..DAY {
            let now = start + SECOND * second;
            sums.extend(repeats.due(now).into_iter().map(|repeated| (second, repeated.times)));
            told += u64::from(repeats.note('m', "refused", now));
        }
        let rest = repeats.flush();
        assert_eq!(told, 1);
        let summed: u64 = sums.iter().map(|(_, times)| times).sum();
        assert_eq!(told + summed + rest[0].times, u64::from(DAY));
        assert_eq!(sums[..4], [(10, 9), (30, 20), (70, 40), (150, 80)]);
        assert!(sums.len() < 40, "{sums:?}");
        assert!(repeats.flush().is_empty(), "told twice");
    }

    #[test]
    fn every_text_and_matter_is_told_by_itself() {
        let (now, mut repeats) = (Instant::now(), Repeats::default());
        for (topic, text) in [('m', "refused"), ('m', "no route"), ('n', "refused")] {
            assert!(repeats.note(topic, text, now));
            assert!(!repeats.note(topic, text, now));
        }
        let told = repeats.flush();
        assert_eq!(told[..2], [repeated("refused", 1), repeated("no route", 1)]);
    }

    #[test]
    fn what_was_quiet_for_an_interval_is_told_at_once_again() {
        let (start, mut repeats) = (Instant::now(), Repeats::default());
        assert!(repeats.note('m', "refused", start));
        assert!(!repeats.note('m', "refused", start));
        assert_eq!(repeats.due(start + FIRST_PAUSE), [repeated("refused", 1)]);
        assert!(repeats.due(start + FIRST_PAUSE * 2).is_empty());
        assert!(!repeats.is_empty());
        assert!(repeats.due(start + FIRST_PAUSE * 3).is_empty());
        assert!(repeats.is_empty());
        assert!(repeats.note('m', "refused", start + FIRST_PAUSE * 3));
    }

    /// One sum in [`FIRST_PAUSE`] at most, however often it fails and goes well.
    #[test]
    fn what_fails_every_other_time_is_summed_up_at_a_steady_pace() {
        let (start, mut repeats) = (Instant::now(), Repeats::default());
        let mut sums = Vec::new();
        for second in 0..100 {
            let now = start + SECOND * second;
            repeats.note('m', "refused", now);
            repeats.went_well('m');
            sums.extend(repeats.due(now).into_iter().map(|_| second));
        }
        assert_eq!(sums, [10, 20, 30, 40, 50, 60, 70, 80, 90]);
    }

    #[test]
    fn what_went_well_is_forgotten_soon_after() {
        let (start, mut repeats) = (Instant::now(), Repeats::default());
        repeats.note('m', "refused", start);
        let mut told = start;
        for _ in 0..10 {
            repeats.note('m', "refused", told);
            told = repeats.next_due().unwrap();
            assert_eq!(repeats.due(told), [repeated("refused", 1)]);
        }
        assert_eq!(repeats.next_due(), Some(told + LONGEST_PAUSE));
        assert!(repeats.went_well('m'));
        assert_eq!(repeats.next_due(), Some(told + FIRST_PAUSE));
        assert!(repeats.due(told + FIRST_PAUSE).is_empty());
        assert!(repeats.is_empty());
    }

    #[test]
    fn made_up_texts_take_no_more_room_than_some() {
        let (now, mut repeats) = (Instant::now(), Repeats::default());
        let told = (0..1000).filter(|n| repeats.note('m', &n.to_string(), now)).count();
        assert_eq!(told, MOST + 1);
        assert_eq!(repeats.0.len(), MOST + 1);
        assert_eq!(repeats.flush(), [repeated("999", 1000 - told as u64)]);
    }
}
