//! Processes, and what is left of them to look at.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// How long anything may take, far beyond what the slowest build needs on a machine with much else
/// to do: a hang must not hold up the suite.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// How a process ended. Its `Debug` form is what a failed test shows.
pub(crate) struct Outcome {
    command: String,
    /// The exit code; `None` when a signal or the limit ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// Runs a process to its end, with nothing to read.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Outcome {
    Background::start(command.stdin(Stdio::null())).outcome()
}

impl Outcome {
    /// Of what is no process but has a result as one has: what it says is its output or its complaint.
    pub(crate) fn of(what: String, done: impl FnOnce() -> std::io::Result<String>) -> Self {
        let started = Instant::now();
        let (code, stdout, stderr) = match done() {
            Ok(said) => (0, said, String::new()),
            Err(error) => (1, String::new(), error.to_string()),
        };
        Self { command: what, code: Some(code), stdout, stderr, took: started.elapsed() }
    }

    /// Demands a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Demands a failure with this exit code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// The only line of standard error; standard output has to be empty.
    #[track_caller]
    pub(crate) fn only_complaint(&self) -> &str {
        let lines: Vec<_> = self.stderr.lines().collect();
        assert!(self.stdout.is_empty() && lines.len() == 1, "one line was expected: {self:?}");
        lines[0]
    }

    /// Both streams, for words whose stream does not matter.
    pub(crate) fn words(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, stdout, stderr, took } = self;
        let code =
            code.map_or_else(|| "a signal, or killed for its slowness".to_owned(), |code| code.to_string());
        write!(f, "\n$ {command}\nended with {code} after {took:.1?}")?;
        write!(f, "\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

/// A process that runs; dropping it kills it.
pub(crate) struct Background {
    command: String,
    child: Child,
    stdout: Option<Collected>,
    stderr: Option<Collected>,
    started: Instant,
}

impl Background {
    /// Starts it. Output that is not directed elsewhere is collected.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts it with the streams as the command has them.
    #[track_caller]
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let words = spell(command);
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {words}: {error}"));
        // Both at once: a process that fills one pipe would not end while the other is read.
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Self { command: words, child, stdout, stderr, started }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has said so far on both streams.
    pub(crate) fn said(&self) -> String {
        [&self.stdout, &self.stderr].into_iter().flatten().map(Collected::text).collect()
    }

    /// Waits until it has said this, and then leaves it running.
    #[track_caller]
    pub(crate) fn says(&mut self, words: &str) {
        eventually(words, PATIENCE, || {
            // Its last words may be read after its end.
            let has_ended = self.has_ended()
                && [&self.stdout, &self.stderr].into_iter().flatten().all(Collected::is_whole);
            let said = self.said();
            assert!(!has_ended || said.contains(words), "it ended and said only: {said}");
            said.contains(words).then_some(())
        });
    }

    /// Sends a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        run(Command::new("kill").args(["-s", name, &pid])).ok();
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn outcome(mut self) -> Outcome {
        let status = self.wait(PATIENCE);
        let took = self.started.elapsed();
        let stdout = self.stdout.take().map(Collected::whole).unwrap_or_default();
        let stderr = self.stderr.take().map(Collected::whole).unwrap_or_default();
        let code = status.and_then(|status| status.code());
        Outcome { command: self.command.clone(), code, stdout, stderr, took }
    }

    /// `None` when it had to be killed.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = self.started + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => sleep(Duration::from_millis(10)),
                _ => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return None;
                }
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of a process, read by a thread until it ends.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Collected {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn is_whole(&self) -> bool {
        self.reader.is_finished()
    }

    fn whole(self) -> String {
        let Self { bytes, reader } = self;
        let _ = reader.join();
        String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned()
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> Collected {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bytes);
    let reader = spawn(move || {
        let mut chunk = [0; 16 << 10];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            kept.lock().unwrap().extend_from_slice(&chunk[..n]);
        }
    });
    Collected { bytes, reader }
}

/// The command as a person could type it, with the variables that were set for it. `PATH` is
/// long and everybody has one.
fn spell(command: &Command) -> String {
    let set = command.get_envs().filter(|(name, _)| *name != "PATH").filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&byte));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Tries until something is there, and panics with `what` when it is not within `limit`.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(100));
    }
}
