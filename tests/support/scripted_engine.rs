//! An engine that does what a test tells it, on a socket of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use docker_assemble::engine::{CredentialSource, DockerEngine, Endpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Answer with this status and body.
    Answer(u16, String),
    /// Promise more bytes than are sent, then hang up.
    CutShort(String),
    /// Answer in chunks, and hang up before the last one.
    Unfinished(String),
    /// Answer with this status, say nothing of the length of these words, and keep the connection.
    Endless(u16, String),
    /// Answer with these words again and again, as long as somebody reads.
    Flood(String),
    /// Hang up without an answer.
    HangUp,
    /// Say nothing, and keep the connection.
    Silence,
    /// Give the connection up for another protocol, and say nothing in it.
    SilentUpgrade,
    /// Read no further, and keep the connection.
    Deaf,
}

/// The requests that are not answered at all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Hangs {
    #[default]
    Never,
    /// The one of this number, counted from 1.
    At(usize),
    /// That one and all after it.
    From(usize),
}

impl Deed {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Answer(200, body.into())
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::Answer(status, format!(r#"{{"message":"{message}"}}"#))
    }
}

/// The answer of an engine like Debian's to the question for its version.
const VERSION: &str =
    r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}"#;

/// One after another, the deeds for requests whose path ends so; the last one is repeated.
pub(crate) type Script = Vec<(&'static str, Vec<Deed>)>;

/// The engine; it ends with the test's runtime, its socket with this.
pub(crate) struct ScriptedEngine {
    pub(crate) socket: PathBuf,
    requests: Arc<Mutex<Vec<String>>>,
    silent: Arc<Notify>,
}

impl ScriptedEngine {
    /// Starts an engine; what the script does not mention is not found.
    pub(crate) fn start(script: Script) -> Self {
        Self::that_hangs(script, Hangs::Never)
    }

    /// The same with requests that it never answers.
    pub(crate) fn that_hangs(script: Script, hangs: Hangs) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket =
            std::env::temp_dir().join(format!("assemble-scripted-{}-{count}.sock", std::process::id()));
        let listener = UnixListener::bind(&socket).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script));
        let silent = Arc::new(Notify::new());
        let (seen, hangs_now) = (Arc::clone(&requests), Arc::clone(&silent));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(serve(stream, script, seen, hangs, Arc::clone(&hangs_now)));
            }
        });
        Self { socket, requests, silent }
    }

    /// Waits until it has left a request without an answer, or an answer without its end.
    pub(crate) async fn has_hung(&self) {
        self.silent.notified().await;
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(format!("unix://{}", self.socket.display()))
    }

    pub(crate) fn client(&self) -> DockerEngine {
        DockerEngine::new(&self.endpoint(), CredentialSource::default()).unwrap()
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for ScriptedEngine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn serve(
    mut stream: UnixStream,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<String>>>,
    hangs: Hangs,
    silent: Arc<Notify>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(head);
        seen.len()
    };
    let hangs = match hangs {
        Hangs::Never => false,
        Hangs::At(at) => number == at,
        Hangs::From(at) => number >= at,
    };
    let path = target.split('?').next().unwrap();
    match if hangs { Deed::Silence } else { next(&script, path) } {
        Deed::Answer(status, body) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
        Deed::CutShort(body) => {
            let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", body.len() + 10);
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
        Deed::Unfinished(body) => {
            let head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(format!("{head}{:x}\r\n{body}\r\n", body.len()).as_bytes()).await;
        }
        Deed::Endless(status, body) => {
            let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\n\r\n{body}").as_bytes()).await;
            silent.notify_one();
            std::future::pending().await
        }
        Deed::Flood(words) => {
            let head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut sent = stream.write_all(head.as_bytes()).await;
            let chunk = format!("{:x}\r\n{words}\r\n", words.len());
            while sent.is_ok() {
                sent = stream.write_all(chunk.as_bytes()).await;
            }
        }
        Deed::HangUp => {}
        Deed::Silence => {
            silent.notify_one();
            std::future::pending().await
        }
        Deed::SilentUpgrade => {
            let head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            silent.notify_one();
            std::future::pending().await
        }
        Deed::Deaf => {
            let stream = stream.into_std().unwrap();
            stream.shutdown(std::net::Shutdown::Read).unwrap();
            // What was sent by then makes room, so that the next that is sent is seen to fail.
            let mut stream = UnixStream::from_std(stream).unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
            std::future::pending().await
        }
    }
}

fn next(script: &Mutex<Script>, path: &str) -> Deed {
    let mut script = script.lock().unwrap();
    match script.iter_mut().find(|(end, _)| path.ends_with(end)) {
        Some((_, deeds)) if deeds.len() > 1 => deeds.remove(0),
        Some((_, deeds)) => deeds[0].clone(),
        None if path.ends_with("/version") => Deed::ok(VERSION),
        None => Deed::error(404, "not scripted"),
    }
}
