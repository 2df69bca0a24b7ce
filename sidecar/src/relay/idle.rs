//! The end of a connection on which nothing happens.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Runs out once no byte has moved for the whole limit: none was read, written, or taken by a peer.
///
/// It does not move its deadline with every byte: when the deadline comes it looks whether
/// bytes have moved since it was set, so an ending comes between one and two limits of silence.
pub(super) struct IdleTimer {
    limit: Duration,
    moved: u64,
    sleep: Pin<Box<Sleep>>,
}

impl IdleTimer {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, moved: 0, sleep: Box::pin(sleep(limit)) }
    }

    /// Ready when the connection has been silent. `moved` adds up the bytes that it has moved in its
    /// life, in whatever way; it is asked only when the deadline has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, moved: impl Fn() -> u64) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let moved = moved();
            if self.moved == moved {
                return Poll::Ready(());
            }
            self.moved = moved;
            self.sleep.as_mut().reset(Instant::now() + self.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::advance;

    use super::super::{Ending, Options, Relayed, relay};
    use super::*;
    use crate::config::Engine;
    use crate::stats::Stats;
    use crate::sys::Socket;

    const LIMIT: Duration = Duration::from_secs(2);

    /// What a reader's kernel takes for it. Of what is there the relay does not see it read.
    const WINDOW: usize = 32 * 1024;

    /// The client's and the target's end of a connection that is relayed with the limit, on a clock
    /// that the test moves.
    fn relayed(engine: Engine) -> (TcpStream, TcpStream, JoinHandle<Relayed>) {
        let pair = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let outside = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            outside.set_recv_buffer_size(WINDOW).unwrap();
            outside.connect(&listener.local_addr().unwrap().into()).unwrap();
            outside.set_nonblocking(true).unwrap();
            let inside = listener.accept().unwrap().0;
            inside.set_nonblocking(true).unwrap();
            (TcpStream::from(outside), Socket::new(inside.into()).unwrap())
        };
        let ((client, near), (target, far)) = (pair(), pair());
        let course = tokio::spawn(async move {
            let options = Options { engine, idle_timeout: Some(LIMIT), ..Options::default() };
            relay(near, Arc::new(far), &options, &Stats::default()).await
        });
        (client, target, course)
    }

    /// Lets the relay do all it can just now.
    async fn settle() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    /// Writes as much as the relay and all buffers take; says how much that was.
    async fn fill(mut stream: &TcpStream) -> usize {
        let (mut written, mut refused) = (0, 0);
        while refused < 10 {
            match stream.write(&[0; 64 * 1024]) {
                Ok(n) => (written, refused) = (written + n, 0),
                Err(_) => refused += 1,
            }
            settle().await;
        }
        written
    }

    /// Waits until there is something to read, or its end.
    async fn arrived(reader: &TcpStream) {
        while reader.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            settle().await;
        }
    }

    /// A reader who takes a little at a time, of what has long been read and written: as long as some
    /// of it comes to the reader in each limit, the connection is not idle.
    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_idle() {
        for engine in [Engine::Auto, Engine::Copy, Engine::Splice] {
            for from_client in [true, false] {
                let (client, target, course) = relayed(engine);
                let (writer, mut reader) = if from_client { (client, target) } else { (target, client) };
                let written = fill(&writer).await;
                drop(writer);
                let mut read = 0;
                arrived(&reader).await;
                while reader.peek(&mut [0]).unwrap() > 0 {
                    read += reader.read(&mut [0; 4 * WINDOW]).unwrap();
                    // What comes next tells that the relay's kernel knows of what was taken.
                    arrived(&reader).await;
                    if reader.peek(&mut [0]).unwrap() > 0 {
                        advance(LIMIT).await;
                        settle().await;
                    }
                }
                assert_eq!(read, written, "{engine:?}");
                drop(reader);
                // A clock that stands still moves on by itself when all tasks wait.
                while !course.is_finished() {
                    settle().await;
                }
                assert!(!matches!(course.await.unwrap().ending, Ending::Idle));
            }
        }
    }

    /// One who takes nothing is, however much there is.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_has_stopped_is_idle() {
        let (client, _target, course) = relayed(Engine::Auto);
        fill(&client).await;
        advance(LIMIT).await;
        settle().await;
        assert!(!course.is_finished(), "bytes were moved in this limit");
        advance(LIMIT).await;
        assert!(matches!(course.await.unwrap().ending, Ending::Idle));
    }
}
