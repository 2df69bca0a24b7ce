//! Commands run inside a container.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bytes::{Buf, Bytes, BytesMut};
use docker_plugin::bounded;
use futures_util::{Stream, TryStreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{AnswerError, ExecOutput};

/// Most bytes kept of what a command says on standard error, or of the engine's own words.
const WORDS_BYTES: usize = 4096;

/// The pauses between questions for the status after the output has ended: the engine notes the end of
/// the process a little later, and much later where it has much to do. They double.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long a stream of bytes waits for it: they are all there, and who reads them wants to go on.
const STATUS_LIMIT: Duration = Duration::from_secs(1);

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, BollardError>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Runs a command to its end: it does not run any more when this returns.
pub(super) async fn run(
    docker: &Docker,
    container: &str,
    command: &[&str],
) -> Result<ExecOutput, BollardError> {
    let (exec, output, input) = open(docker, container, command, false).await?;
    let bytes: BytesMut = output
        .try_fold(BytesMut::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk.into_bytes());
            if all.len() as u64 > bounded::BYTES {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge).into());
            }
            Ok(all)
        })
        .await?;
    // The connection, of which the output was the other half, goes before another is needed.
    drop(input);
    let status = status(docker, &exec).await?.unwrap_or(-1);
    Ok(ExecOutput { status, output: bytes.freeze() })
}

/// Starts a command and gives its standard input and output as one byte stream.
pub(super) async fn duplex(
    docker: &Docker,
    container: &str,
    command: &[&str],
) -> Result<ExecDuplex, BollardError> {
    let (exec, output, input) = open(docker, container, command, true).await?;
    let docker = docker.clone();
    let status = async move {
        match tokio::time::timeout(STATUS_LIMIT, status(&docker, &exec)).await {
            Ok(status) => status.map_err(|error| error.to_string()),
            Err(_) => Ok(None),
        }
    };
    Ok(ExecDuplex {
        output,
        input,
        ready: Bytes::new(),
        words: BytesMut::new(),
        started: false,
        status: Some(Box::pin(status)),
    })
}

async fn open(
    docker: &Docker,
    container: &str,
    command: &[&str],
    stdin: bool,
) -> Result<(String, Output, Input), BollardError> {
    let config = ExecConfig {
        attach_stdin: Some(stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.iter().copied().map(str::to_owned).collect()),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(container, config).await?.id;
    match docker.start_exec(&exec, None).await? {
        StartExecResults::Attached { output, input } => Ok((exec, output, input)),
        StartExecResults::Detached => {
            Err(BollardError::IOError { err: io::Error::other(AnswerError::Detached) })
        }
    }
}

/// The exit status, once the command has ended; `None` when the engine does not know it.
async fn status(docker: &Docker, exec: &str) -> Result<Option<i64>, BollardError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let seen = docker.inspect_exec(exec).await?;
        if seen.running != Some(true) {
            return Ok(seen.exit_code);
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

type Status = Pin<Box<dyn Future<Output = Result<Option<i64>, String>> + Send>>;

/// A command's standard input and output, for binary protocols.
///
/// It ends in an error, and not in silence, when the command could not be run or failed: then
/// the error holds what was said on standard error. An engine that cannot run a command at all
/// says so where the command's output should be; output that begins with a letter is therefore
/// taken for the engine's words. Dropping this closes the command's standard input.
pub(super) struct ExecDuplex {
    output: Output,
    input: Input,
    /// Output not yet read.
    ready: Bytes,
    /// Standard error, and the engine's own words.
    words: BytesMut,
    /// Whether the command has said anything on standard output.
    started: bool,
    status: Option<Status>,
}

impl ExecDuplex {
    fn keep_words(&mut self, words: &[u8]) {
        let room = WORDS_BYTES.saturating_sub(self.words.len());
        self.words.extend_from_slice(&words[..words.len().min(room)]);
    }

    fn take(&mut self, chunk: LogOutput) {
        match chunk {
            LogOutput::StdErr { message } => self.keep_words(&message),
            LogOutput::StdIn { message } | LogOutput::StdOut { message } | LogOutput::Console { message } => {
                if !self.started && message.first().is_some_and(u8::is_ascii_alphabetic) {
                    self.keep_words(&message);
                } else if !message.is_empty() {
                    self.started = true;
                    self.ready = message;
                }
            }
        }
    }

    /// What the end of the output means.
    fn verdict(&self, status: Result<Option<i64>, String>) -> io::Result<()> {
        let words = String::from_utf8_lossy(&self.words);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        match status {
            Ok(Some(0) | None) if self.started || words.is_empty() => Ok(()),
            Ok(Some(0) | None) => Err(io::Error::other(words)),
            Ok(Some(status)) if words.is_empty() => Err(io::Error::other(AnswerError::Failed { status })),
            Ok(Some(status)) => Err(io::Error::other(AnswerError::FailedSaying { words, status })),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

impl AsyncRead for ExecDuplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.ready.is_empty() {
                let length = self.ready.len().min(buf.remaining());
                buf.put_slice(&self.ready[..length]);
                self.ready.advance(length);
                return Poll::Ready(Ok(()));
            }
            match ready!(self.output.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => self.take(chunk),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => {
                    let Some(asking) = &mut self.status else { return Poll::Ready(Ok(())) };
                    let status = ready!(asking.as_mut().poll(cx));
                    self.status = None;
                    return Poll::Ready(self.verdict(status));
                }
            }
        }
    }
}

impl AsyncWrite for ExecDuplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.input.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_shutdown(cx)
    }
}
