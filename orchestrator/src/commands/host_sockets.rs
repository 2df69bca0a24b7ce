//! Who listens on this host.

use std::fs::read_to_string;

use crate::health::{self, Listener, TABLES};

/// The sockets that do; `None` where there are no tables to tell.
pub(super) fn listeners() -> Option<Vec<Listener>> {
    let [v4, v6] = TABLES.map(read_to_string);
    let mut sockets = health::listeners(&v4.ok()?);
    sockets.extend(health::listeners(&v6.unwrap_or_default()));
    Some(sockets)
}
