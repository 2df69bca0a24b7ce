//! A service of the host for those who only want to know whether they reach it.

use std::io::{Error, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::spawn;
use std::time::Duration;

use super::process::Outcome;
use crate::namespace::Namespace;

/// What it answers to any request.
const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// A shell line that asks for a page, for this many seconds at most.
pub(crate) fn wget(seconds: u32, url: &str) -> String {
    // Not as the first process, on which the signal at the end of its time has no effect.
    format!("timeout {seconds} wget -q -O - {url}; exit $?")
}

/// Asks for a registry's front page at this port of 127.0.0.1 in the network of that process. A container that
/// asks would cost a second of a processor, and many do.
pub(crate) fn page(pid: u32, port: u16) -> Outcome {
    let what = format!("GET http://127.0.0.1:{port}/v2/, in the network of process {pid}");
    Outcome::of(what, || Namespace::of(pid)?.run(|| ask(port)))
}

fn ask(port: u16) -> Result<String> {
    let limit = Duration::from_secs(60);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit)?;
    stream.set_read_timeout(Some(limit))?;
    let host = format!("127.0.0.1:{port}");
    let head = format!("GET /v2/ HTTP/1.0\r\nHost: {host}\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => Err(Error::other(answer)),
    }
}

/// Serves on this port of a network until the tests end.
#[track_caller]
pub(crate) fn serve(network: &Namespace, port: u16) {
    let listener = network.run(|| TcpListener::bind(("0.0.0.0", port))).unwrap();
    spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A peer that sends nothing must not keep the next one waiting.
            spawn(move || {
                if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    let _ = stream.write_all(ANSWER);
                }
            });
        }
    });
}
