//! Further threads that serve connections, each with a runtime and an epoll instance of its own.
//!
//! Not a multi-thread runtime: there tasks migrate between threads and all share one driver. A
//! connection stays where it is, with that thread's scratch buffer and pipes.

use std::io;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

use super::sessions::{Accepted, Registered, Registry, Sessions};

/// The threads beside the acceptor's own.
pub(super) struct Workers {
    workers: Vec<Worker>,
}

struct Worker {
    connections: mpsc::UnboundedSender<Registered>,
    /// Handed over and not yet ended.
    open: Registry,
    cut: oneshot::Receiver<usize>,
}

impl Workers {
    /// Starts all but one of `threads`: the acceptor's own serves as well.
    pub(super) fn new(threads: NonZeroUsize, here: &Sessions, grace: Duration) -> io::Result<Self> {
        let workers =
            (1..threads.get()).map(|n| Worker::start(n, here.another(), grace)).collect::<Result<_, _>>()?;
        Ok(Self { workers })
    }

    /// Gives a connection to the thread that has the fewest.
    pub(super) fn serve(&self, accepted: Accepted, here: &Sessions) {
        let idlest = self
            .workers
            .iter()
            .filter(|worker| !worker.connections.is_closed())
            .map(|worker| (worker.open.len(), worker))
            .min_by_key(|(open, _)| *open)
            .filter(|(open, _)| *open < here.registry().len());
        match idlest {
            // One that goes away in this very moment resets what it is given.
            Some((_, worker)) => drop(worker.connections.send(worker.open.register(accepted))),
            None => here.serve(here.registry().register(accepted)),
        }
    }

    /// Lets all threads drain, and tells how many connections were reset.
    pub(super) async fn drain(self) -> usize {
        // All senders go first: a thread drains once nothing more can come.
        let reports: Vec<_> = self.workers.into_iter().map(|worker| worker.cut).collect();
        let mut cut = 0;
        for report in reports {
            cut += report.await.unwrap_or(0);
        }
        cut
    }
}

impl Worker {
    fn start(n: usize, sessions: Sessions, grace: Duration) -> io::Result<Self> {
        let (connections, mut handed_over) = mpsc::unbounded_channel();
        let (report, cut) = oneshot::channel();
        let worker = Self { connections, open: sessions.registry().clone(), cut };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            while let Some(registered) = handed_over.recv().await {
                sessions.serve(registered);
            }
            sessions.drain(grace).await
        };
        thread::Builder::new().name(format!("relay-{n}")).spawn(move || {
            let cut = runtime.block_on(async { tokio::spawn(serve).await.unwrap_or(0) });
            let _ = report.send(cut);
        })?;
        Ok(worker)
    }
}
