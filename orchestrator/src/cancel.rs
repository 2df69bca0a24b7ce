//! The wish to end early, handed down to whatever waits.

use tokio::sync::watch;

/// Who wants the command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Ctrl-C (SIGINT).
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The docker command that runs this plugin ends.
    Parent,
}

/// The end that asks: kept by whoever watches signals.
#[derive(Debug)]
pub struct Canceller(watch::Sender<Option<Cause>>);

/// The end that is asked. Clones see the same wish.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<Option<Cause>>);

/// A connected pair.
#[must_use]
pub fn pair() -> (Canceller, Cancel) {
    let (sender, receiver) = watch::channel(None);
    (Canceller(sender), Cancel(receiver))
}

impl Canceller {
    /// Asks for the end. Only the first cause counts.
    pub fn cancel(&self, cause: Cause) {
        self.0.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(cause);
            first
        });
    }
}

impl Cancel {
    /// One that never comes.
    #[must_use]
    pub fn never() -> Self {
        pair().1
    }

    /// The cause, when the end was asked for already.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        *self.0.borrow()
    }

    /// Waits for the wish.
    pub async fn cancelled(&self) -> Cause {
        let mut receiver = self.0.clone();
        // The borrow ends before the wait below begins.
        let cause = receiver.wait_for(Option::is_some).await.ok().and_then(|cause| *cause);
        match cause {
            Some(cause) => cause,
            // Nobody is left to ask.
            None => std::future::pending().await,
        }
    }
}
