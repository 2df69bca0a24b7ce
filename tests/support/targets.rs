//! Targets that serve by themselves, and targets that are not simply there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use socket2::{Domain, SockRef, Socket, Type};

use crate::sockets::{accept, connect, limited};

/// A server that runs a script with every connection. Dropping it closes its port.
#[derive(Debug)]
pub(crate) struct Service {
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start(script: fn(TcpStream)) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub(crate) fn on(listener: TcpListener, script: fn(TcpStream)) -> Self {
        // std's backlog is 128, which is little for many connections at once.
        SockRef::from(&listener).listen(4096).unwrap();
        let listener = Arc::new(listener);
        let incoming = Arc::clone(&listener);
        let thread = std::thread::spawn(move || {
            for stream in incoming.incoming().map_while(Result::ok) {
                let small = Builder::new().stack_size(128 * 1024);
                small.spawn(move || script(limited(stream))).unwrap();
            }
        });
        Self { listener, thread: Some(thread) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Ends the wait in accept(2) too, on Linux.
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends back what comes, and ends when that ends.
pub(crate) fn echo(mut stream: TcpStream) {
    // A client may be silent for as long as it likes.
    stream.set_read_timeout(None).unwrap();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

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
