//! Who this network namespace belongs to, known by the unix socket on which it listens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::routes::listens;
use crate::sys::KeptFile;

/// In how many looks in a row the owner must be missing. One that is told to end stops listening at once
/// and may finish its work for a while, through the ports forwarded to it.
const ENOUGH: u8 = 3;

/// How far apart these are, whoever has it looked for in between: people who watch do each second.
const APART: Duration = Duration::from_secs(20);

/// How long nobody may have it looked for. An engine before 23.0 asks for the health of nothing that it
/// finds running when it starts (moby#41935).
const UNASKED: Duration = Duration::from_secs(60);

/// The owner of the namespace this was opened in.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) socket: String,
    /// The unix sockets (net/unix/af_unix.c, `unix_seq_show`); none where a policy forbids it.
    sockets: Option<KeptFile>,
    /// None while it was never there.
    absence: Mutex<Option<Absence>>,
    looked: Notify,
}

/// In how many looks it has been missing, and when that number came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Absence {
    looks: u8,
    at: Instant,
}

impl Owner {
    pub(super) fn open(socket: String) -> Self {
        let sockets = KeptFile::open("/proc/net/unix")
            .inspect_err(|error| tracing::debug!(%error, "the owner's end will not be seen"))
            .ok();
        Self { socket, sockets, absence: Mutex::default(), looked: Notify::new() }
    }

    /// Looks whether it is there.
    pub(super) fn look(&self) {
        let table = self.sockets.as_ref().and_then(|sockets| sockets.read().ok());
        let Some(table) = table else { return };
        let mut absence = self.absence.lock().unwrap_or_else(PoisonError::into_inner);
        *absence = looked(*absence, listens(&table, &self.socket), Instant::now());
        drop(absence);
        self.looked.notify_one();
    }

    /// Waits until it was there, and then was missing long enough.
    pub(super) async fn gone(&self) {
        while self.missing() < Some(ENOUGH) {
            if timeout(UNASKED, self.looked.notified()).await.is_err() {
                self.look();
            }
        }
    }

    fn missing(&self) -> Option<u8> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner).map(|absence| absence.looks)
    }
}

/// What is known of an owner's absence after one more look.
fn looked(before: Option<Absence>, listens: bool, now: Instant) -> Option<Absence> {
    match before {
        _ if listens => Some(Absence { looks: 0, at: now }),
        // The first look that misses it counts at once.
        Some(Absence { looks, at }) if looks == 0 || now >= at + APART => {
            Some(Absence { looks: looks.saturating_add(1), at: now })
        }
        before => before,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// After looks that are so far apart.
    fn after(apart: Duration, looks: &[bool]) -> Option<u8> {
        let begin = Instant::now();
        let times = (0..).map(|number| begin + number * apart);
        let all = looks.iter().zip(times);
        all.fold(None, |before, (listens, now)| looked(before, *listens, now)).map(|absence| absence.looks)
    }

    #[test]
    fn one_that_was_never_there_is_not_missing() {
        assert_eq!(after(APART, &[false; 300]), None);
    }

    #[test]
    fn one_that_was_there_is_missing_from_then_on() {
        assert_eq!(after(APART, &[false, true, false, false, false]), Some(3));
        assert_eq!(after(APART, &[true, false, false, true, false]), Some(1));
        assert_eq!(after(APART, &[[true].as_slice(), &[false; 300]].concat()), Some(u8::MAX));
    }

    #[test]
    fn who_looks_often_finds_it_missing_no_sooner() {
        let watched = [[true].as_slice(), &[false; 41]].concat();
        assert_eq!(after(Duration::from_secs(1), &watched[..40]), Some(2));
        assert_eq!(after(Duration::from_secs(1), &watched), Some(3));
    }

    #[test]
    fn where_it_cannot_be_told_it_stays() {
        let long_ago = Absence { looks: ENOUGH - 1, at: Instant::now() - APART };
        let owner = Owner { sockets: None, absence: Mutex::new(Some(long_ago)), ..Owner::open("a".into()) };
        owner.look();
        assert_eq!(owner.missing(), Some(ENOUGH - 1));
    }

    #[tokio::test(start_paused = true)]
    async fn its_end_is_seen_where_nobody_asks_for_health() {
        let path = std::env::temp_dir().join(format!("assemble-owner-{}", std::process::id()));
        let table = fs::File::create_new(&path).unwrap();
        let sockets = KeptFile::open(&path).ok();
        fs::remove_file(&path).unwrap();
        let owner = Owner { sockets, ..Owner::open("a".into()) };
        (&table).write_all(b"0: 2 0 00010000 0001 01 1 /run/a\n").unwrap();
        owner.look();
        table.set_len(0).unwrap();
        let begin = Instant::now();
        owner.gone().await;
        assert_eq!(begin.elapsed(), 3 * UNASKED);
    }
}
