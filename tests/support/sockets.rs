//! Plain sockets on which nothing waits for ever: every wait ends in an error or a panic after
//! [`PATIENCE`].

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// Far beyond what anything here takes, for machines that are busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In good order (FIN).
    Finished,
    /// Broken (RST).
    Reset,
}

/// Connects, with the limits of this module on everything that follows.
#[track_caller]
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    try_connect(addr).expect("the relay takes connections")
}

pub(crate) fn try_connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // Holds for connect(2) too (socket(7)).
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(&addr.into())?;
    Ok(limited(socket.into()))
}

/// Connects, where a reset may be quicker than the return from connect(2): then there is no stream.
#[track_caller]
pub(crate) fn connect_or_reset(addr: SocketAddr) -> Option<TcpStream> {
    match try_connect(addr) {
        Ok(stream) => Some(stream),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("no connection at all: {error}"),
    }
}

/// What a client gets that connects and says nothing.
#[track_caller]
pub(crate) fn answer(addr: SocketAddr) -> (Vec<u8>, End) {
    connect_or_reset(addr).map_or_else(|| (Vec::new(), End::Reset), |stream| read_all(&stream))
}

/// The next connection of a listener.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    accept_within(listener, PATIENCE).expect("the relay connects to its target")
}

/// The next connection of a listener, if there is one in time.
pub(crate) fn accept_within(listener: &TcpListener, limit: Duration) -> Option<TcpStream> {
    // socket(7): the receive timeout holds for accept(2) too.
    SockRef::from(listener).set_read_timeout(Some(limit)).unwrap();
    match listener.accept() {
        Ok((stream, _)) => Some(limited(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("cannot accept: {error}"),
    }
}

pub(crate) fn limited(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks again until the answer is yes.
#[track_caller]
pub(crate) fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads to the end, whichever it is, of a stream whose bytes nobody knows.
pub(crate) fn read_all(mut stream: &TcpStream) -> (Vec<u8>, End) {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => (all, End::Finished),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (all, End::Reset),
        Err(error) => panic!("neither an end nor a reset after {} bytes: {error}", all.len()),
    }
}

/// Closes with a reset instead of an end of stream (socket(7), zero linger).
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}
