//! One question to one server: over UDP, and over TCP where the answer does not fit.

use std::io;
use std::net::SocketAddr;

use explained::Explained;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::message::{Question, Reply};
use crate::sys::datagrams;

/// More than fits into a datagram that is not asked to be longer (RFC 1035, 4.2.1).
const DATAGRAM_BYTES: usize = 1024;

/// A name server sends something else over TCP than what it was asked for.
#[derive(Debug, thiserror::Error, Explained)]
#[error("the answer is none to the question")]
#[advice = "see to the servers in `/etc/resolv.conf` of the relay's namespace"]
#[status = "part"]
pub struct OtherAnswer;

/// Asks; the caller sets the limit in time.
pub(super) async fn ask(server: SocketAddr, question: &Question, tcp: bool) -> io::Result<Reply> {
    if !tcp {
        let reply = over_udp(server, question).await?;
        if reply != Reply::Truncated {
            return Ok(reply);
        }
    }
    over_tcp(server, question).await
}

/// What is no answer to the question is passed over: it may be a late one to another.
async fn over_udp(server: SocketAddr, question: &Question) -> io::Result<Reply> {
    let socket = datagrams(server)?;
    socket.send(question.bytes()).await?;
    let mut buf = [0; DATAGRAM_BYTES];
    loop {
        let n = socket.recv(&mut buf).await?;
        if let Some(reply) = question.reply(&buf[..n]) {
            return Ok(reply);
        }
    }
}

/// Messages follow their length (RFC 1035, 4.2.2).
async fn over_tcp(server: SocketAddr, question: &Question) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.bytes().len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question.bytes()].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    question
        .reply(&answer)
        // It cannot be truncated: that would be asked for here again.
        .filter(|reply| *reply != Reply::Truncated)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, OtherAnswer))
}
