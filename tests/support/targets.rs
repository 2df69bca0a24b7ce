//! Targets that are not simply there.

use std::net::{SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::peers::{accept, connect};

/// A port that is held but not listened on: connections to it are refused.
#[derive(Debug)]
pub(crate) struct Closed(Socket);

impl Closed {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    /// From now on connections are taken.
    pub(crate) fn open(self) -> TcpListener {
        self.0.listen(128).unwrap();
        self.0.into()
    }
}

/// A listener whose queue is full: the kernel drops requests to connect, which are sent again
/// after 1 s and longer, so that a connection takes its time or is never made.
#[derive(Debug)]
pub(crate) struct Crowded {
    listener: TcpListener,
    _crowd: TcpStream,
}

impl Crowded {
    pub(crate) fn new() -> Self {
        let socket = Closed::new().0;
        // One more than this is queued (net/sock.h, `sk_acceptq_is_full`).
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let crowd = connect(listener.local_addr().unwrap());
        Self { listener, _crowd: crowd }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Makes room: the next request to connect is answered.
    pub(crate) fn make_room(&self) -> &TcpListener {
        drop(accept(&self.listener));
        &self.listener
    }
}
