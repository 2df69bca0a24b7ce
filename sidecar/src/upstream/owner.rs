//! Who this network namespace belongs to, known by the unix socket on which it listens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::routes::listens;
use crate::sys::KeptFile;

/// In how many looks in a row the owner must be missing. One that is told to end stops listening at once
/// and may finish its work for a while, through the ports forwarded to it.
const ENOUGH: u8 = 3;

/// How long nobody may have it looked for. An engine before 23.0 asks for the health of nothing that it
/// finds running when it starts (moby#41935).
const UNASKED: Duration = Duration::from_secs(60);

/// The owner of the namespace this was opened in.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) socket: String,
    /// The unix sockets (net/unix/af_unix.c, `unix_seq_show`); none where a policy forbids it.
    sockets: Option<KeptFile>,
    /// In how many looks it has been missing; none while it was never there.
    missing: Mutex<Option<u8>>,
    looked: Notify,
}

impl Owner {
    pub(super) fn open(socket: String) -> Self {
        let sockets = KeptFile::open("/proc/net/unix")
            .inspect_err(|error| tracing::debug!(%error, "the owner's end will not be seen"))
            .ok();
        Self { socket, sockets, missing: Mutex::default(), looked: Notify::new() }
    }

    /// Looks whether it is there.
    pub(super) fn look(&self) {
        let table = self.sockets.as_ref().and_then(|sockets| sockets.read().ok());
        let Some(table) = table else { return };
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = looked(*missing, listens(&table, &self.socket));
        drop(missing);
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
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In how many looks in a row an owner is missing after one more.
fn looked(missing: Option<u8>, listens: bool) -> Option<u8> {
    if listens { Some(0) } else { missing.map(|looks| looks.saturating_add(1)) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn after(looks: &[bool]) -> Option<u8> {
        looks.iter().fold(None, |missing, listens| looked(missing, *listens))
    }

    #[test]
    fn one_that_was_never_there_is_not_missing() {
        assert_eq!(after(&[false; 300]), None);
    }

    #[test]
    fn one_that_was_there_is_missing_from_then_on() {
        assert_eq!(after(&[false, true, false, false, false]), Some(3));
        assert_eq!(after(&[true, false, false, true, false]), Some(1));
        assert_eq!(after(&[[true].as_slice(), &[false; 300]].concat()), Some(u8::MAX));
    }

    #[test]
    fn where_it_cannot_be_told_it_stays() {
        let owner = Owner { sockets: None, missing: Mutex::new(Some(ENOUGH - 1)), ..Owner::open("a".into()) };
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
        owner.gone().await;
    }
}
