//! The server: one thread, any number of connections, a service for each.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustix::event::epoll::EventFlags;

use super::{CHUNK, DISCARD, Poller, Service, discard, would_block};

const LISTENER: usize = usize::MAX;

struct Connection {
    stream: TcpStream,
    service: Option<Service>,
}

/// Serves until it is killed.
pub(crate) fn serve(port: u16) -> anyhow::Result<()> {
    let listener = listen(port).with_context(|| format!("cannot listen on port {port}"))?;
    let mut server = Server {
        poller: Poller::new()?,
        connections: Vec::new(),
        free: Vec::new(),
        chunk: vec![b'x'; CHUNK],
        room: vec![0; DISCARD],
    };
    server.poller.add(&listener, LISTENER, EventFlags::IN)?;
    println!("begin");
    loop {
        for index in 0..server.poller.wait(None)? {
            match server.poller.event(index) {
                (LISTENER, _) => server.accept(&listener)?,
                (token, flags) => server.attend(token, flags),
            }
        }
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    // The kernel cuts it to net.core.somaxconn; std would ask for less than that.
    socket.listen(i32::MAX)?;
    socket.set_nonblocking(true)?;
    // Inherited by accepted sockets.
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

struct Server {
    poller: Poller,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    chunk: Vec<u8>,
    room: Vec<u8>,
}

impl Server {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if would_block(&error) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    eprintln!("the server cannot accept: {error}");
                    thread::sleep(Duration::from_millis(20));
                    return Ok(());
                }
            };
            stream.set_nonblocking(true)?;
            let token = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            self.poller.add(&stream, token, EventFlags::IN)?;
            self.connections[token] = Some(Connection { stream, service: None });
        }
    }

    fn attend(&mut self, token: usize, flags: EventFlags) {
        if !self.advance(token, flags).unwrap_or_else(|error| would_block(&error)) {
            self.connections[token] = None;
            self.free.push(token);
        }
    }

    /// Does one call's worth of work; false at the end of the connection.
    fn advance(&mut self, token: usize, flags: EventFlags) -> io::Result<bool> {
        let Some(connection) = &mut self.connections[token] else { return Ok(true) };
        let stream = &mut connection.stream;
        match connection.service {
            None => {
                let n = stream.read(&mut self.room[..CHUNK])?;
                let Some(service) = self.room[..n].first().and_then(|byte| Service::of(*byte)) else {
                    return Ok(false);
                };
                connection.service = Some(service);
                match service {
                    Service::Echo => stream.write_all(&self.room[..n])?,
                    Service::Sink => {}
                    Service::Source => {
                        self.poller.modify(&*stream, token, EventFlags::OUT | EventFlags::RDHUP)?;
                    }
                }
                Ok(true)
            }
            Some(Service::Echo) => {
                let n = stream.read(&mut self.room[..CHUNK])?;
                stream.write_all(&self.room[..n])?;
                Ok(n > 0)
            }
            Some(Service::Sink) => Ok(discard(&*stream, &mut self.room)? > 0),
            Some(Service::Source) => {
                if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
                    return Ok(false);
                }
                stream.write(&self.chunk).map(|_| true)
            }
        }
    }
}
