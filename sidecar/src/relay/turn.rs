//! Turns of a task among others.

use std::pin::pin;
use std::task::Context;

use tokio::task::yield_now;

/// Has the task polled again when everybody else has had a turn, those of whom only the kernel knows
/// included. A task that wakes itself is polled dozens of times before the runtime asks the kernel
/// (`Builder::event_interval`), and streams that are never out of bytes would have small messages
/// wait for a tenth of a second.
pub(super) fn give_way(cx: &mut Context<'_>) {
    // It arranges that when it is first polled.
    let _ = pin!(yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;

    /// Who has just been sent something is served after the turn that is being taken, however many
    /// more the stream could take.
    #[tokio::test]
    async fn who_is_sent_something_waits_for_one_turn_of_a_stream() {
        let (here, there) = UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        let there = tokio::net::UnixStream::from_std(there).unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&turns);
        let greedy = tokio::spawn(poll_fn(move |cx| {
            if taken.fetch_add(1, Ordering::Relaxed) == 10 {
                (&here).write_all(b".").unwrap();
            }
            give_way(cx);
            Poll::<()>::Pending
        }));
        there.readable().await.unwrap();
        let turns = turns.load(Ordering::Relaxed);
        assert!((11..=12).contains(&turns), "{turns}");
        greedy.abort();
    }
}
