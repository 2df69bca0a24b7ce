//! What others have to say, read as far as anything sensible goes: a path may lead to a device or a pipe
//! without an end, and what answers may never stop.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use explained::Explained;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// The most that a file or a program has to say, in bytes. A bundle of all authorities takes some hundred
/// thousand.
pub const BYTES: u64 = 16 << 20;

/// A pipe, a socket or a device is where a program keeps a file.
#[derive(Debug, thiserror::Error, Explained)]
#[error("it is not a regular file")]
#[advice = "put a file there"]
#[status = "part"]
pub struct NoFile;

/// What is in a file that a program keeps: nothing else is waited for.
///
/// # Errors
/// Those of the system, [`NoFile`], and [`io::ErrorKind::FileTooLarge`].
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe that nobody writes to cannot even be opened otherwise (fifo(7)).
        options.custom_flags(nix::libc::O_NONBLOCK);
    }
    let file = options.read(true).open(path)?;
    let kind = file.metadata()?;
    // Of a directory the system says what it is.
    if kind.is_file() || kind.is_dir() { all_of(file) } else { Err(io::Error::other(NoFile)) }
}

/// The same of a text.
///
/// # Errors
/// Those of [`read`], and that it is no text.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    text(read(path)?)
}

/// What is in a file that a user names, which may be a pipe: it has one wait for what it has to say. For threads
/// that may be left behind.
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::FileTooLarge`].
pub fn read_named(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    all_of(File::open(path)?)
}

/// The same as a text.
///
/// # Errors
/// It is none.
pub fn text(content: Vec<u8>) -> io::Result<String> {
    String::from_utf8(content).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn all_of(file: File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(BYTES + 1).read_to_end(&mut content)?;
    within(content)
}

/// Runs a program to its end, which does not outlive this, and gives what it said.
///
/// # Errors
/// Those of [`said_by`], and that it cannot be run.
pub async fn output(command: &mut Command) -> io::Result<Output> {
    said_by(command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?).await
}

/// The same within `limit`, for who cannot await it.
///
/// # Errors
/// Those of [`output`], and [`io::ErrorKind::TimedOut`].
pub fn output_within(limit: Duration, mut command: Command) -> io::Result<Output> {
    let running = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(limit, output(&mut command)).await? })
    };
    // On a thread of its own, since this one may drive other work, within which none can be waited for.
    std::thread::spawn(running).join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

/// What a program says until its end.
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::FileTooLarge`].
pub async fn said_by(mut child: Child) -> io::Result<Output> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr, status) = tokio::try_join!(all(out), all(err), child.wait())?;
    Ok(Output { status, stdout, stderr })
}

async fn all(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    if let Some(stream) = stream {
        stream.take(BYTES + 1).read_to_end(&mut content).await?;
    }
    within(content)
}

fn within(content: Vec<u8>) -> io::Result<Vec<u8>> {
    if content.len() as u64 > BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_no_end_is_too_large() {
        let endless = read_named("/dev/zero").unwrap_err();
        assert_eq!(endless.to_string(), "file too large");
        assert_eq!(read("/dev/zero").unwrap_err().to_string(), "it is not a regular file");
        assert_eq!(read("/").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let file = std::env::temp_dir().join(format!("bounded-{}", std::process::id()));
        std::fs::write(&file, "whole").unwrap();
        assert_eq!(read_to_string(&file).unwrap(), "whole");
        std::fs::remove_file(file).unwrap();

        for script in ["exec yes", "exec yes >&2"] {
            let error = output(Command::new("sh").args(["-c", script])).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{script}");
        }
        let told = output(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).await.unwrap();
        let words = (&told.stdout[..], &told.stderr[..], told.status.code());
        assert_eq!(words, (&b"out\n"[..], &b"err\n"[..], Some(3)));

        let within = |script: &str, limit| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            output_within(limit, command).map(|told| told.stdout).map_err(|error| error.kind())
        };
        assert_eq!(within("exec yes", Duration::MAX), Err(io::ErrorKind::FileTooLarge));
        assert_eq!(within("exec sleep 1000", Duration::from_millis(1)), Err(io::ErrorKind::TimedOut));
        assert_eq!(within("echo out", Duration::MAX), Ok(b"out\n".to_vec()));
    }
}
