//! Further threads that serve connections, each with a runtime and an epoll instance of its own.
//!
//! Not a multi-thread runtime: there tasks migrate between threads and all share one driver. A
//! connection stays where it is, with that thread's scratch buffer and pipes.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

use super::sessions::{Accepted, Sessions};
use crate::session::Shared;

/// The threads beside the acceptor's own.
pub(super) struct Crew {
    lanes: Vec<Lane>,
}

struct Lane {
    connections: mpsc::UnboundedSender<Accepted>,
    /// Handed over and not yet ended.
    open: Arc<AtomicUsize>,
    cut: oneshot::Receiver<usize>,
}

impl Crew {
    /// Starts all but one of `threads`: the acceptor's own serves as well.
    pub(super) fn new(threads: NonZeroUsize, shared: &Arc<Shared>, grace: Duration) -> io::Result<Self> {
        let lanes = (1..threads.get())
            .map(|n| Lane::start(n, Arc::clone(shared), grace))
            .collect::<Result<_, _>>()?;
        Ok(Self { lanes })
    }

    /// Gives a connection to the thread that has the fewest.
    pub(super) fn serve(&self, accepted: Accepted, here: &mut Sessions) {
        let idlest = self
            .lanes
            .iter()
            .map(|lane| (lane.open.load(Ordering::Relaxed), lane))
            .min_by_key(|(open, _)| *open)
            .filter(|(open, _)| *open < here.len());
        match idlest {
            Some((_, lane)) => lane.hand_over(accepted, here),
            None => here.serve(accepted),
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
    fn start(n: usize, shared: Arc<Shared>, grace: Duration) -> io::Result<Self> {
        let (connections, mut handed_over) = mpsc::unbounded_channel();
        let (report, cut) = oneshot::channel();
        let open = Arc::new(AtomicUsize::new(0));
        let lane = Self { connections, open: Arc::clone(&open), cut };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            let mut sessions = Sessions::new(shared);
            loop {
                tokio::select! {
                    () = sessions.reaped() => drop(open.fetch_sub(1, Ordering::Relaxed)),
                    accepted = handed_over.recv() => match accepted {
                        Some(accepted) => sessions.serve(accepted),
                        None => break,
                    },
                }
            }
            sessions.drain(grace).await
        };
        thread::Builder::new().name(format!("relay-{n}")).spawn(move || {
            let cut = runtime.block_on(async { tokio::spawn(serve).await.unwrap_or(0) });
            let _ = report.send(cut);
        })?;
        Ok(lane)
    }

    fn hand_over(&self, accepted: Accepted, here: &mut Sessions) {
        self.open.fetch_add(1, Ordering::Relaxed);
        if let Err(mpsc::error::SendError(accepted)) = self.connections.send(accepted) {
            // That thread is gone; its count stays, so that it is not chosen again.
            here.serve(accepted);
        }
    }
}
