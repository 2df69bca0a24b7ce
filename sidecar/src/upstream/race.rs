//! Several addresses of one host, of which the first that answers is taken.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::DialError;

/// How long an address is given before the next one is tried beside it (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// How many are tried at once: each takes a descriptor, and a connection may hold few.
const AT_ONCE: usize = 2;

/// How long an address is given at least when others wait for its place: its first packet has been
/// sent again by then, a second after the first (RFC 6298, 2).
const GIVEN: Duration = Duration::from_secs(2);

/// An attempt that says which address it was for.
type Attempt<'a, T> = Pin<Box<dyn Future<Output = (SocketAddr, Result<T, DialError>)> + Send + 'a>>;

/// Connects to one of the addresses, tried in this order; each next one begins as soon as one has
/// failed, or when none has answered for a moment. Two are tried at once; while others wait, the
/// older one has to make room for them after a time. The slower ones are dropped.
///
/// # Errors
/// None is reached; the reason is that of the last.
pub(super) async fn race<'a, T: 'a, F>(
    addrs: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), DialError>
where
    F: Future<Output = Result<T, DialError>> + Send + 'a,
{
    let mut waiting = addrs.iter().copied();
    // The oldest comes first.
    let mut running: Vec<(Instant, Attempt<'a, T>)> = Vec::with_capacity(AT_ONCE);
    let mut failure = DialError::NoGateway;
    loop {
        if let Some(addr) = waiting.next() {
            if running.len() == AT_ONCE {
                drop(running.remove(0));
            }
            let attempt = connect(addr);
            running.push((Instant::now(), Box::pin(async move { (addr, attempt.await) })));
        }
        let (Some((oldest, _)), Some((last, _))) = (running.first(), running.last()) else {
            return Err(failure);
        };
        let next = match running.len() < AT_ONCE {
            true => *last + HEAD_START,
            false => (*last + HEAD_START).max(*oldest + GIVEN),
        };
        tokio::select! {
            biased;
            (addr, connected) = any(&mut running) => match connected {
                Ok(connected) => return Ok((addr, connected)),
                Err(error) => failure = error,
            },
            () = tokio::time::sleep_until(next), if waiting.len() > 0 => {}
        }
    }
}

/// The first attempt to end, which is taken out.
async fn any<'a, T>(running: &mut Vec<(Instant, Attempt<'a, T>)>) -> (SocketAddr, Result<T, DialError>) {
    poll_fn(|cx| {
        for at in 0..running.len() {
            if let Poll::Ready(ended) = running[at].1.as_mut().poll(cx) {
                drop(running.remove(at));
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::connect::ConnectError;

    fn addrs(last: &[u8]) -> Vec<SocketAddr> {
        last.iter().map(|n| SocketAddr::from(([192, 0, 2, *n], 1))).collect()
    }

    fn last(addr: SocketAddr) -> u8 {
        match addr.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        }
    }

    /// Addresses that end with 1 are silent, with 2 refuse, with 3 accept.
    async fn connect(addr: SocketAddr) -> Result<(), DialError> {
        match last(addr) % 10 {
            1 => std::future::pending().await,
            2 => Err(ConnectError::Io(std::io::ErrorKind::ConnectionRefused.into()).into()),
            _ => Ok(()),
        }
    }

    async fn reached(ends: &[u8]) -> Option<u8> {
        race(&addrs(ends), connect).await.ok().map(|(addr, ())| last(addr))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_is_taken() {
        assert_eq!(reached(&[3, 13]).await, Some(3));
        assert_eq!(reached(&[2, 12, 3]).await, Some(3));
        assert_eq!(reached(&[2, 12]).await, None);
        assert_eq!(reached(&[1, 11, 2, 13]).await, Some(13));
        assert_eq!(reached(&[]).await, None);
    }

    /// A silent address does not keep the others from being tried, nor is it given up for them.
    #[tokio::test(start_paused = true)]
    async fn a_late_answer_counts_too() {
        let begun = Mutex::new(Vec::new());
        let slow = |addr| {
            begun.lock().unwrap().push(last(addr));
            async move {
                if last(addr) == 1 {
                    tokio::time::sleep(HEAD_START * 2).await;
                    return Ok(());
                }
                connect(addr).await
            }
        };
        let (addr, ()) = race(&addrs(&[1, 2]), slow).await.unwrap();
        assert_eq!((last(addr), begun.into_inner().unwrap()), (1, vec![1, 2]));
    }

    struct Held<'a>(&'a AtomicUsize);

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Each holds a descriptor.
    #[tokio::test(start_paused = true)]
    async fn many_silent_addresses_are_not_all_tried_at_once() {
        let (held, most, order) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
        let counted = |addr| {
            most.fetch_max(held.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            order.lock().unwrap().push(last(addr));
            let holds = Held(&held);
            async move {
                let _holds = holds;
                connect(addr).await
            }
        };
        let ends = [1, 11, 21, 31, 2, 41, 51, 3];
        let (addr, ()) = race(&addrs(&ends), counted).await.unwrap();
        assert_eq!((last(addr), most.load(Ordering::Relaxed)), (3, AT_ONCE));
        assert_eq!(*order.lock().unwrap(), ends);
    }

    /// One whose first packet was lost answers the second.
    #[tokio::test(start_paused = true)]
    async fn an_address_is_given_time_although_others_wait() {
        let slow = |addr| async move {
            if last(addr) == 11 {
                tokio::time::sleep(GIVEN - HEAD_START / 2).await;
                return Ok(());
            }
            connect(addr).await
        };
        let (addr, ()) = race(&addrs(&[1, 11, 21, 31, 41]), slow).await.unwrap();
        assert_eq!(last(addr), 11);
    }
}
