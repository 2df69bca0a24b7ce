//! A service of the host for those who only want to know whether they reach it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::spawn;

use crate::namespace::Namespace;

/// What it answers to any request.
const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// A shell line that asks for a page, for this many seconds at most.
pub(crate) fn wget(seconds: u32, url: &str) -> String {
    // Not as the first process, on which the signal at the end of its time has no effect.
    format!("timeout {seconds} wget -q -O - {url}; exit $?")
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
