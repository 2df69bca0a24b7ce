//! How much an engine may still say over a connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::DialError;

/// The bytes that a connection may still bring: any number until somebody sets a bound, who is to keep all of
/// an answer. Each answer has that of its connection among its extensions.
#[derive(Clone, Debug)]
pub struct Allowance(Arc<AtomicU64>);

impl Default for Allowance {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Allowance {
    /// The most that an answer has that is kept as a whole: the list of some ten thousand containers.
    const ANSWER: u64 = 64 << 20;

    /// Lets this many more bytes come.
    pub fn bound(&self, answer_is_kept: bool) {
        self.0.store(if answer_is_kept { Self::ANSWER } else { u64::MAX }, Ordering::Relaxed);
    }

    /// Takes what has come.
    pub(super) fn take(&self, bytes: usize) -> io::Result<()> {
        let left = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(bytes as u64) };
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                DialError::Endless { mebibytes: Self::ANSWER >> 20 },
            )),
        }
    }
}
