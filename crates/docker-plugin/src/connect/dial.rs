//! Connections through the standard input and output of a program, as ssh and
//! `docker system dial-stdio` give them.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, Waker, ready};

#[cfg(unix)]
use nix::sys::signal::{self, SigSet, SigmaskHow, Signal};
#[cfg(unix)]
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::error::DialError;

/// Most bytes kept of what the program says on standard error.
const WORDS_BYTES: u64 = 4096;

/// Starts `program` apart from the terminal, whose Ctrl-C is for this process to hear: what a command
/// has made is taken back over this connection then. That it cannot connect is known only when the
/// connection is read.
pub(super) fn dial_in_background(program: &str, arguments: &[String]) -> io::Result<ProgramStream> {
    let mut command = Command::new(program);
    command.args(arguments);
    #[cfg(unix)]
    command.process_group(0);
    dial(program, &mut command)
}

/// Starts the command at the terminal, where it may ask for a password, but deaf to its Ctrl-C. A program
/// may give up ignoring the signal, as ssh does where it shares a login (its `mux.c`), but hardly takes
/// it out of the mask that it was born with.
pub(super) fn dial_at_terminal(program: &str, command: &mut Command) -> io::Result<ProgramStream> {
    #[cfg(unix)]
    let before = SigSet::from(Signal::SIGINT).thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let stream = dial(program, command);
    #[cfg(unix)]
    before.thread_set_mask()?;
    stream.map(|mut stream| {
        stream.at_terminal = true;
        stream
    })
}

/// Starts the command, which is called `program` in messages.
fn dial(program: &str, command: &mut Command) -> io::Result<ProgramStream> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::other(DialError::Run { program: program.to_owned(), error }))?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other(DialError::NoPipes { program: program.to_owned() }));
    };
    let words = tokio::spawn(async move {
        let mut words = Vec::new();
        let mut stderr = stderr;
        (&mut stderr).take(WORDS_BYTES).read_to_end(&mut words).await.ok();
        // The rest is read too, or the program would wait to write it.
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await.ok();
        String::from_utf8_lossy(&words).split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let name = program.rsplit('/').next().unwrap_or(program).to_owned();
    Ok(ProgramStream {
        name,
        stdin: Some(stdin),
        stdout,
        words: Some(words),
        asked: false,
        reader: None,
        started: false,
        at_terminal: false,
        child: Some(child),
        turn: None,
    })
}

/// A connection through a program, which ends with this.
pub(super) struct ProgramStream {
    /// What the program is called.
    name: String,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// What the program says on standard error, until it was asked for.
    words: Option<JoinHandle<String>>,
    /// Whether anything was written.
    asked: bool,
    /// Who reads at the end before anything was written.
    reader: Option<Waker>,
    /// Whether anything came back.
    started: bool,
    /// Whether it may ask somebody there.
    at_terminal: bool,
    /// Taken by the end of this.
    child: Option<Child>,
    /// Given back when the program has ended.
    turn: Option<OwnedSemaphorePermit>,
}

impl ProgramStream {
    /// Holds `turn` until the program has ended, so that no other one begins before.
    pub(super) fn holding(mut self, turn: Option<OwnedSemaphorePermit>) -> Self {
        self.turn = turn;
        self
    }

    /// Kills the program, unless it may be asking for a password: that one is told to end, so that it
    /// switches the terminal's echo on again (ssh's `readpass.c`).
    fn end(&self, child: &mut Child) {
        #[cfg(unix)]
        if let Some(id) = child.id().filter(|_| self.at_terminal && !self.started) {
            signal::kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM).ok();
            return;
        }
        child.start_kill().ok();
    }
}

impl Drop for ProgramStream {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        self.end(&mut child);
        if let (Some(turn), Ok(runtime)) = (self.turn.take(), Handle::try_current()) {
            runtime.spawn(async move {
                child.wait().await.ok();
                drop(turn);
            });
        }
    }
}

impl AsyncRead for ProgramStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stdout).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.started = true;
        } else if !self.started {
            // An end before a beginning: this program or the one over there failed and says why. Not
            // before it was asked: whoever has no request under way would take it for the end of a
            // connection that was not needed, and never tell.
            if !self.asked {
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let Some(words) = &mut self.words else { return Poll::Ready(Ok(())) };
            let said = ready!(Pin::new(words).poll(cx)).unwrap_or_default();
            self.words = None;
            return Poll::Ready(Err(if said.is_empty() {
                io::Error::other(DialError::NoWord { program: self.name.clone() })
            } else {
                io::Error::other(said)
            }));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ProgramStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        match &mut self.stdin {
            // A failed program is told about by reading, which has its words.
            Some(stdin) => match ready!(Pin::new(stdin).poll_write(cx, buf)) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Poll::Ready(Ok(buf.len())),
                result => Poll::Ready(result),
            },
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin.as_mut().map_or(Poll::Ready(Ok(())), |stdin| Pin::new(stdin).poll_flush(cx))
    }

    /// Only closing a pipe ends it.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_a_failed_program_says_answers_the_first_request() {
        let mut stream = dial_in_background("sh", &["-c".to_owned(), "echo no way >&2".to_owned()]).unwrap();
        assert_eq!(stream.stdout.read(&mut [0]).await.unwrap(), 0);
        while stream.words.as_ref().is_some_and(|words| !words.is_finished()) {
            tokio::task::yield_now().await;
        }
        let mut room = [0];
        let read =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_read(cx, &mut ReadBuf::new(&mut room))));
        assert!(read.await.is_pending());
        stream.write_all(b"GET").await.unwrap();
        assert_eq!(stream.read(&mut room).await.unwrap_err().to_string(), "no way");
    }
}
