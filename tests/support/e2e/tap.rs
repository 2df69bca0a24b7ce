//! A socket in front of the engine's own, which passes requests on, counts them, and does something
//! to the one that a test has chosen.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::spawn;
use std::time::Duration;

use super::engine::host;
use super::process::Background;
use super::temp::TempDir;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The engine never hears of it, and nobody ever gets an answer.
    Swallow,
    /// The engine carries it out, and nobody ever gets an answer.
    Mute,
    /// It is answered with these bytes in place of the engine's, and the end of the connection.
    Answer(&'static str),
}

/// Which requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them.
    Any,
    /// Those by which the engine's state is changed; commands in containers do not count.
    Changing,
    /// Those that would have a command run in a container.
    Commands,
}

#[derive(Default)]
struct State {
    chosen: Option<(Which, usize, Deed)>,
    counted: usize,
    /// The first line of the request that it was done to.
    hit: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether what started later is told to have started earlier.
    backwards: bool,
}

/// The socket. It serves until the tests end.
pub(crate) struct Tap {
    endpoint: String,
    shared: Arc<Shared>,
    _dir: Option<TempDir>,
}

impl Tap {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::with(Shared::default())
    }

    /// One behind which the engine's clock runs backwards, as far as the starts of containers tell.
    #[track_caller]
    pub(crate) fn backwards() -> Self {
        Self::with(Shared { backwards: true, ..Shared::default() })
    }

    /// One at an address of this host.
    #[track_caller]
    pub(crate) fn at_an_address() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        // All that is done with the one kind of stream can be done with the other.
        let accept = move || Ok(UnixStream::from(OwnedFd::from(listener.accept()?.0)));
        Self::serving(endpoint, Shared::default(), None, accept)
    }

    #[track_caller]
    fn with(shared: Shared) -> Self {
        let dir = TempDir::new();
        let path = dir.path().join("tap.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let endpoint = format!("unix://{}", path.display());
        Self::serving(endpoint, shared, Some(dir), move || Ok(listener.accept()?.0))
    }

    #[track_caller]
    fn serving(
        endpoint: String,
        shared: Shared,
        dir: Option<TempDir>,
        accept: impl Fn() -> std::io::Result<UnixStream> + Send + 'static,
    ) -> Self {
        let engine = PathBuf::from(host().strip_prefix("unix://").expect("the engine's socket is a file"));
        let shared = Arc::new(shared);
        let seen = Arc::clone(&shared);
        spawn(move || {
            for client in std::iter::repeat_with(accept).flatten() {
                let (seen, engine) = (Arc::clone(&seen), engine.clone());
                // Whatever breaks here is one of the two sides that has gone away.
                spawn(move || serve(client, &engine, &seen).ok());
            }
        });
        Self { endpoint, shared, _dir: dir }
    }

    pub(crate) fn host(&self) -> &str {
        &self.endpoint
    }

    /// Does this to the request of this number, counted from 1 and from now.
    pub(crate) fn choose(&self, which: Which, number: usize, deed: Deed) {
        *self.shared.state.lock().unwrap() =
            State { chosen: Some((which, number, deed)), ..State::default() };
    }

    /// Waits until it was done, and gives the request's first line; `None` when the process has ended
    /// without making that many.
    pub(crate) fn done(&self, process: &mut Background) -> Option<String> {
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(hit) = state.hit.take() {
                return Some(hit);
            }
            if process.has_ended() {
                return None;
            }
            state = self.shared.changed.wait_timeout(state, Duration::from_millis(20)).unwrap().0;
        }
    }
}

fn serve(mut client: UnixStream, engine: &PathBuf, shared: &Shared) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 16 << 10];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut buffer)? {
            0 => return Ok(()),
            n => head.extend_from_slice(&buffer[..n]),
        }
    }
    let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap()).into_owned();
    let deed = shared.deed(&line);
    if let Some(Deed::Answer(answer)) = deed {
        // First, since whoever reads the answer may end at once, and would seem never to have asked.
        shared.tell(line);
        return client.write_all(answer.as_bytes());
    }
    if deed == Some(Deed::Swallow) {
        shared.tell(line);
        return wait_for_end(client);
    }
    let mut upstream = UnixStream::connect(engine)?;
    upstream.write_all(&head)?;
    let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
    spawn(move || {
        let copied = std::io::copy(&mut from, &mut to);
        // A half-closed request is one that goes on; one whose asker was killed is carried out.
        copied.and_then(|_| if deed.is_none() { to.shutdown(Shutdown::Write) } else { Ok(()) })
    });
    if deed == Some(Deed::Mute) {
        shared.tell(line);
        std::io::copy(&mut upstream, &mut std::io::sink())?;
        return Ok(());
    }
    if shared.backwards {
        turn_back(&mut upstream, &mut client)?;
    } else {
        std::io::copy(&mut upstream, &mut client)?;
    }
    client.shutdown(Shutdown::Both)
}

/// Passes answers on with every digit of a start's time turned to its counterpart: what was earlier
/// is later then, and the answer as long as it was.
fn turn_back(engine: &mut UnixStream, client: &mut UnixStream) -> std::io::Result<()> {
    const FIELD: &[u8] = b"\"StartedAt\":\"";
    let mut buffer = [0; 16 << 10];
    // How much of the field was seen, and whether its value is on its way.
    let (mut seen, mut inside) = (0, false);
    loop {
        let read = engine.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        for byte in &mut buffer[..read] {
            if inside {
                inside = *byte != b'"';
                if byte.is_ascii_digit() {
                    *byte = b'0' + (b'9' - *byte);
                }
            } else {
                seen = if *byte == FIELD[seen] { seen + 1 } else { usize::from(*byte == FIELD[0]) };
                (seen, inside) = if seen == FIELD.len() { (0, true) } else { (seen, false) };
            }
        }
        client.write_all(&buffer[..read])?;
    }
}

fn wait_for_end(mut client: UnixStream) -> std::io::Result<()> {
    std::io::copy(&mut client, &mut std::io::sink()).map(drop)
}

impl Shared {
    /// What to do to the request with this first line.
    fn deed(&self, line: &str) -> Option<Deed> {
        let mut state = self.state.lock().unwrap();
        let (which, number, deed) = state.chosen?;
        let (asks, command) = (line.starts_with("GET "), line.contains("/exec"));
        let counts = match which {
            Which::Any => true,
            Which::Changing => !asks && !command,
            Which::Commands => !asks && command,
        };
        state.counted += usize::from(counts);
        (counts && state.counted == number).then(|| {
            state.chosen = None;
            deed
        })
    }

    fn tell(&self, line: String) {
        self.state.lock().unwrap().hit = Some(line);
        self.changed.notify_all();
    }
}
