//! A request to end early, and how work is ended by it.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long an answer is waited for without which nobody would know what was made. An engine that
/// works makes a container in less than a second.
pub const GRACE: Duration = Duration::from_secs(5);

/// Who asks the command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Ctrl-C (SIGINT).
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The docker command that runs this plugin ends.
    Parent,
}

/// The request as it is known so far.
#[derive(Clone, Copy, Debug, Default)]
struct Request {
    cause: Option<Cause>,
    /// Whether it came twice.
    insists: bool,
}

/// The end that asks: kept by whoever watches signals.
#[derive(Debug)]
pub struct Canceller(watch::Sender<Request>);

/// The end that is asked. Clones see the same request.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<Request>);

/// A connected pair.
#[must_use]
pub fn pair() -> (Canceller, Cancel) {
    let (sender, receiver) = watch::channel(Request::default());
    (Canceller(sender), Cancel(receiver))
}

impl Canceller {
    /// Asks for the end. Only the first cause counts.
    pub fn cancel(&self, cause: Cause) {
        self.0.send_if_modified(|request| {
            let first = request.cause.is_none();
            request.cause.get_or_insert(cause);
            first
        });
    }

    /// Asks again: not even what is being taken back is worth the wait.
    pub fn insist(&self, cause: Cause) {
        self.cancel(cause);
        self.0.send_modify(|request| request.insists = true);
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
        self.0.borrow().cause
    }

    /// Waits for the request.
    pub async fn cancelled(&self) -> Cause {
        self.when(|request| request.cause).await
    }

    /// Waits until it comes again.
    pub async fn insisted(&self) {
        self.when(|request| request.insists.then_some(())).await;
    }

    async fn when<T>(&self, known: impl Fn(&Request) -> Option<T>) -> T {
        let mut receiver = self.0.clone();
        // The borrow ends before the wait below begins.
        let found = receiver
            .wait_for(|request| known(request).is_some())
            .await
            .ok()
            .and_then(|request| known(&request));
        match found {
            Some(found) => found,
            // Nobody is left to ask.
            None => std::future::pending().await,
        }
    }

    /// Drives `work` to its end or, once the end is asked for, drops it wherever it waits. `heard`
    /// is called at once then. Where `is_settled` says that an answer is due without which nobody
    /// would know what was made, that is waited for first, for at most [`GRACE`] and not longer than
    /// until somebody insists.
    ///
    /// # Errors
    /// The cause, when the work was dropped.
    pub async fn heed<T>(
        &self,
        work: impl Future<Output = T>,
        heard: impl FnOnce(),
        is_settled: impl Fn() -> bool,
    ) -> Result<T, Cause> {
        let mut work = pin!(work);
        let cause = tokio::select! {
            // What waits within it may hear of the end as well.
            biased;
            cause = self.cancelled() => cause,
            done = &mut work => return Ok(done),
        };
        heard();
        let settling = std::future::poll_fn(|context| {
            if is_settled() {
                return Poll::Ready(None);
            }
            match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if is_settled() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        let done = tokio::select! {
            done = timeout(GRACE, settling) => done.ok().flatten(),
            () = self.insisted() => None,
        };
        done.ok_or(cause)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_wherever_it_waits() {
        let (canceller, cancel) = pair();
        canceller.cancel(Cause::Terminate);
        canceller.cancel(Cause::Interrupt);
        let heard = Cell::new(false);
        let ended = cancel.heed(pending::<()>(), || heard.set(true), || true).await;
        assert_eq!((ended, heard.get()), (Err(Cause::Terminate), true));
        assert_eq!(Cancel::never().heed(async { 7 }, || panic!("nobody asked"), || true).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_due_is_waited_for_and_no_more() {
        let (canceller, cancel) = pair();
        canceller.cancel(Cause::Interrupt);
        let known = Cell::new(false);
        let work = async {
            tokio::time::sleep(GRACE / 2).await;
            known.set(true);
            pending::<()>().await;
        };
        assert_eq!(cancel.heed(work, || (), || known.get()).await, Err(Cause::Interrupt));
        assert!(known.get());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_given_up_in_time_or_when_somebody_insists() {
        let (canceller, cancel) = pair();
        canceller.cancel(Cause::Interrupt);
        let began = tokio::time::Instant::now();
        assert_eq!(cancel.heed(pending::<()>(), || (), || false).await, Err(Cause::Interrupt));
        assert_eq!(began.elapsed(), GRACE);
        canceller.insist(Cause::Terminate);
        assert_eq!(cancel.heed(pending::<()>(), || (), || false).await, Err(Cause::Interrupt));
        assert_eq!(began.elapsed(), GRACE);
    }
}
