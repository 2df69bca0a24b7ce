//! The least that can be called a relay of messages: it waits, receives and sends.
//!
//! It keeps nothing that is not taken, closes nothing and has no answer to anything that goes wrong.
//! So it shows what the kernel alone makes of two connections in a row, and what any relay can come
//! down to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context;
use rustix::event::epoll::EventFlags;

use super::Poller;

const LISTENER: usize = usize::MAX;

/// More than any message has.
const BUFFER: usize = 64 * 1024;

/// Relays until it is killed. A busy one never sleeps.
pub(crate) fn relay(port: u16, target: SocketAddr, busy: bool) -> anyhow::Result<()> {
    let patience = busy.then_some(Duration::ZERO);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on port {port}"))?;
    let mut poller = Poller::new()?;
    poller.add(&listener, LISTENER, EventFlags::IN)?;
    // The two ends of a connection follow each other.
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        for index in 0..poller.wait(patience)? {
            let token = match poller.event(index).0 {
                LISTENER => {
                    for stream in [listener.accept()?.0, TcpStream::connect(target)?] {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        poller.add(&stream, streams.len(), EventFlags::IN | EventFlags::ET)?;
                        streams.push(stream);
                    }
                    continue;
                }
                token => token,
            };
            let (mut source, mut sink) = (&streams[token], &streams[token ^ 1]);
            match source.read(&mut buffer)? {
                0 => {}
                n => sink.write_all(&buffer[..n])?,
            }
        }
    }
}
