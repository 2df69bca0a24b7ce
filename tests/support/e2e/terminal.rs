//! A process that believes a person sits before it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use nix::pty::openpty;

use super::process::{Background, Outcome, eventually};

/// A process whose standard input and standard error are a terminal.
pub(crate) struct Terminal {
    process: Background,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    /// It ends when nobody can write to the terminal any more.
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::with(command, false)
    }

    /// Its standard output, too.
    pub(crate) fn start_wholly(command: &mut Command) -> Self {
        Self::with(command, true)
    }

    fn with(command: &mut Command, wholly: bool) -> Self {
        let pair = openpty(None, None).unwrap();
        let (ours, theirs) = (File::from(pair.master), File::from(pair.slave));
        let output = if wholly { theirs.try_clone().unwrap().into() } else { Stdio::piped() };
        command.stdin(theirs.try_clone().unwrap()).stderr(theirs).stdout(output);
        let process = Background::start_with(command);
        // Or the command would keep the other end open, and the reader below would not end.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());

        let screen = Arc::new(Mutex::new(Vec::new()));
        let (shown, mut reader) = (Arc::clone(&screen), ours.try_clone().unwrap());
        let reader = spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                shown.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { process, keyboard: ours, screen, reader }
    }

    /// What was shown so far.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits for words on the screen.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        eventually(words, Duration::from_secs(60), || self.screen().contains(words).then_some(()));
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Sends the process a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// What was shown when the process has ended with success.
    #[track_caller]
    pub(crate) fn whole_screen(self) -> String {
        let (screen, reader) = (self.screen, self.reader);
        self.process.outcome().ok();
        drop(self.keyboard);
        reader.join().unwrap();
        String::from_utf8(std::mem::take(&mut screen.lock().unwrap())).unwrap()
    }

    #[track_caller]
    pub(crate) fn outcome(self) -> Outcome {
        self.process.outcome()
    }
}
