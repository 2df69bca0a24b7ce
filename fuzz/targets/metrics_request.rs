//! The exporter's side of one exchange: whatever comes in whatever pieces, it gives one
//! well-formed answer or none.

#![no_main]

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use arbitrary::Arbitrary;
use assemble_proxy::exporter::answer;
use assemble_proxy::metrics;
use assemble_proxy::service::Service;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a request may have before its end, as the exporter's documentation says.
const LIMIT: usize = 8 * 1024;

#[derive(Arbitrary, Debug)]
struct Exchange<'a> {
    /// How much each read gives and each write takes; 0 is "not now".
    pieces: [u8; 8],
    /// So many bytes of headers nobody asked for, to get at the limit.
    padding: u16,
    request: &'a [u8],
}

fuzz_target!(|exchange: Exchange<'_>| {
    let mut input = exchange.request.to_vec();
    if let Some(end) = input.windows(4).position(|end| end == b"\r\n\r\n") {
        let padding = usize::from(exchange.padding) % (2 * LIMIT);
        input.splice(end..end, std::iter::repeat_n(b'x', padding));
    }
    let mut peer =
        Peer { input: &input, output: Vec::new(), closed: false, pieces: exchange.pieces, turn: 0 };
    let services = [Service::new(1, 2)];
    let done = run(answer(&mut peer, &services));

    let end = input.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
    match done {
        Ok(()) => {
            assert!(end.is_some(), "an answer to half a request");
            assert!(peer.closed);
            check(&input, std::str::from_utf8(&peer.output).expect("an answer is text"), &services);
        }
        Err(_) => {
            assert!(end.is_none_or(|end| end > LIMIT), "no answer to a whole request");
            assert!(peer.output.is_empty(), "half an answer");
        }
    }
});

fn check(request: &[u8], answer: &str, services: &[Service]) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Length: "));
    assert_eq!(length, Some(body.len().to_string().as_str()));
    let starts = |with: &[&str]| with.iter().any(|start| request.starts_with(start.as_bytes()));
    let status = head.split_once("\r\n").expect("a head has a status").0;
    if starts(&["GET /metrics ", "GET / ", "GET /metrics\r", "GET /\r"]) {
        assert_eq!((status, body), ("HTTP/1.1 200 OK", metrics::render(services).as_str()));
    } else if starts(&["GET ", "GET\r"]) {
        assert_eq!(status, "HTTP/1.1 404 Not Found");
    } else {
        assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    }
}

/// Polls to the end. Whoever says "not now" here is ready the next time.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

/// The other end of the exporter's stream.
struct Peer<'a> {
    input: &'a [u8],
    output: Vec<u8>,
    closed: bool,
    pieces: [u8; 8],
    turn: usize,
}

impl Peer<'_> {
    /// How much moves now. Never nothing for ever.
    fn piece(&mut self) -> Option<usize> {
        self.turn += 1;
        let piece = self.pieces[self.turn % self.pieces.len()];
        match piece {
            0 if self.turn.is_multiple_of(2) => Some(1),
            0 => None,
            // The big ones reach every growth of a buffer within few turns.
            200.. => Some(usize::from(piece - 199) * 256),
            _ => Some(piece.into()),
        }
    }
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(piece) = self.piece() else { return Poll::Pending };
        let (given, rest) = self.input.split_at(piece.min(buf.remaining()).min(self.input.len()));
        buf.put_slice(given);
        self.input = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        assert!(!self.closed, "a write after the end");
        let Some(piece) = self.piece() else { return Poll::Pending };
        let n = piece.min(buf.len());
        self.output.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}
