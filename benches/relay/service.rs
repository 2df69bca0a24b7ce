//! What the relay's targets do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::{receive_block, send_block};

/// One kind of target.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Service {
    /// Blocks in the direction and in the chunks that the first two bytes wish for.
    Blocks,
    /// Everything back.
    Echo,
    /// One byte back, and the end.
    Short,
}

impl Service {
    /// Listens on a thread of its own, for as long as the process lives.
    pub(crate) fn serve(self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.set_nodelay(true);
                match self {
                    Self::Blocks => drop(thread::spawn(|| serve_blocks(stream))),
                    Self::Echo => drop(thread::spawn(|| serve_echo(stream))),
                    // A thread for each would cost more than what is measured.
                    Self::Short => drop(serve_short(stream)),
                }
            }
        });
        Ok(addr)
    }
}

fn serve_blocks(mut stream: TcpStream) -> io::Result<()> {
    let mut wish = [0; 2];
    stream.read_exact(&mut wish)?;
    let mut buffer = vec![b's'; 1 << wish[1]];
    loop {
        if wish[0] == 1 {
            receive_block(&mut stream, &mut buffer)?;
            stream.write_all(b"1")?;
        } else {
            stream.read_exact(&mut [0])?;
            send_block(&mut stream, &buffer)?;
        }
    }
}

fn serve_echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

fn serve_short(mut stream: TcpStream) -> io::Result<()> {
    stream.read_exact(&mut [0])?;
    stream.write_all(b"1")
}
