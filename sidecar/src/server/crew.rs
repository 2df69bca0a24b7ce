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

use super::sessions::{Accepted, Entered, Roll, Sessions};

/// The threads beside the acceptor's own.
pub(super) struct Crew {
    lanes: Vec<Lane>,
}

struct Lane {
    connections: mpsc::UnboundedSender<Entered>,
    /// Handed over and not yet ended.
    open: Roll,
    cut: oneshot::Receiver<usize>,
}

impl Crew {
    /// Starts all but one of `threads`: the acceptor's own serves as well.
    pub(super) fn new(threads: NonZeroUsize, here: &Sessions, grace: Duration) -> io::Result<Self> {
        let lanes =
            (1..threads.get()).map(|n| Lane::start(n, here.another(), grace)).collect::<Result<_, _>>()?;
        Ok(Self { lanes })
    }

    /// Gives a connection to the thread that has the fewest.
    pub(super) fn serve(&self, accepted: Accepted, here: &Sessions) {
        let idlest = self
            .lanes
            .iter()
            .filter(|lane| !lane.connections.is_closed())
            .map(|lane| (lane.open.len(), lane))
            .min_by_key(|(open, _)| *open)
            .filter(|(open, _)| *open < here.roll().len());
        match idlest {
            // One that goes away in this very moment resets what it is given.
            Some((_, lane)) => drop(lane.connections.send(lane.open.enter(accepted))),
            None => here.serve(here.roll().enter(accepted)),
        }
    }

    /// Lets all threads drain, and tells how many connections were reset.
    pub(super) async fn drain(self) -> usize {
        // All senders go first: a thread drains once nothing more can come.
        let reports: Vec<_> = self.lanes.into_iter().map(|lane| lane.cut).collect();
        let mut cut = 0;
        for report in reports {
            cut += report.await.unwrap_or(0);
        }
        cut
    }
}

impl Lane {
    fn start(n: usize, sessions: Sessions, grace: Duration) -> io::Result<Self> {
        let (connections, mut handed_over) = mpsc::unbounded_channel();
        let (report, cut) = oneshot::channel();
        let lane = Self { connections, open: sessions.roll().clone(), cut };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            while let Some(entered) = handed_over.recv().await {
                sessions.serve(entered);
            }
            sessions.drain(grace).await
        };
        thread::Builder::new().name(format!("relay-{n}")).spawn(move || {
            let cut = runtime.block_on(async { tokio::spawn(serve).await.unwrap_or(0) });
            let _ = report.send(cut);
        })?;
        Ok(lane)
    }
}
