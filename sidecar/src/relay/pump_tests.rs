use std::future::poll_fn;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use super::*;

fn pair() -> (TcpStream, OwnedFd) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let outside = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let inside = listener.accept().unwrap().0;
    inside.set_nonblocking(true).unwrap();
    (outside, inside.into())
}

/// To register anew costs more than a message. A sink of which the event loop has told nothing yet, as
/// one that was just dialled, takes it a moment later.
#[tokio::test]
async fn only_who_waits_for_room_lets_its_source_wake_nobody() {
    let ((mut client, source), (_target, sink)) = (pair(), pair());
    let source = Socket::new(source).unwrap();
    client.write_all(&[0; 2]).unwrap();
    // More may be there, as far as it knows.
    poll_fn(|cx| source.poll_recv(cx, &mut [0])).await.unwrap();
    let sink = Socket::dialled(sink).unwrap();
    let (mut pump, bytes, stats) = (Pump::new(Engine::Auto), Counter::default(), Stats::default());
    let poll = |pump: &mut Pump, cx: &mut Context<'_>| {
        let polled = pump.poll(cx, &source, &sink, &bytes, &stats);
        assert!(polled.is_pending());
        Poll::Ready(pump.other_interest(&source, &sink))
    };
    assert_eq!(poll_fn(|cx| poll(&mut pump, cx)).await, None);
    assert_eq!((pump.moved(), pump.delivered()), (1, 0));
    client.set_nonblocking(true).unwrap();
    while poll_fn(|cx| poll(&mut pump, cx)).await.is_none() {
        let _ = client.write(&[0; SCRATCH_BYTES]);
        tokio::task::yield_now().await;
    }
    assert!(sink.is_full() && pump.delivered() < pump.moved());
    assert_eq!(pump.other_interest(&source, &sink), Some(false));
    let source = source.with_read_interest(false).unwrap();
    assert_eq!(pump.other_interest(&source, &sink), None);
}
