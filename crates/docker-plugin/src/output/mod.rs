//! Where words go: results to standard output, everything else to standard error.

mod age;
mod causes;
mod diagnostics;
mod size;
mod table;
mod template;
mod time;

pub use age::age;
pub use causes::causes;
pub use diagnostics::Diagnostics;
pub use size::{limit, size};
pub use table::Table;
pub use template::{FormatError, ListTemplate, Template, TemplateError};
pub use time::{seconds, timestamp};

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use explained::Explained;

/// The form of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Words for people.
    #[default]
    Text,
    /// An object.
    Object(ObjectForm),
}

/// How an object is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectForm {
    /// As JSON.
    Json,
    /// As what a template makes of it.
    Template(Template),
}

/// How to show what goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// In place on a terminal, else a line for each change.
    #[default]
    Auto,
    /// A line for each change.
    Plain,
    /// In place; where there is no terminal, a line for each change all the same.
    Tty,
    /// Not at all; what was done is told all the same.
    Quiet,
}

/// Standard output takes no more: a full disk, for instance; a reader who left is no error.
#[derive(Debug, thiserror::Error, Explained)]
#[error("cannot write the result")]
#[advice = "see the cause behind it"]
pub struct OutputError(#[source] io::Error);

/// Standard output takes no more; the work is done all the same.
#[derive(Debug, thiserror::Error, Explained)]
#[error("cannot write what was done: {error}")]
#[advice = "see the cause behind it"]
#[status = "warning"]
pub struct OutputWarning {
    error: io::Error,
}

impl OutputError {
    /// Whether whoever read the results has seen enough and left. Nothing else that breaks means that:
    /// a connection of ours gives the same error.
    #[must_use]
    pub fn is_reader_gone(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// The two streams of a command.
///
/// Results that cannot be written are errors; notes that cannot be written are dropped.
pub struct Console {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    /// Whether a person sees notes as they appear, so that a line may be written over.
    live: bool,
    /// Whether a line that will be written over is on the screen.
    status: Mutex<bool>,
    /// Whether it was told that words about changes are lost.
    lost: Mutex<bool>,
    /// What becomes of a line before it is written.
    reword: Option<Box<Reword>>,
}

/// What a line is to say instead.
type Reword = dyn Fn(String) -> String + Send + Sync;

impl Console {
    /// A console over two streams; `live` when the second is a terminal.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, live: bool) -> Self {
        Self {
            out: Mutex::new(out),
            err: Mutex::new(err),
            live,
            status: Mutex::new(false),
            lost: Mutex::new(false),
            reword: None,
        }
    }

    /// The same with every line and every question worded anew: by what holds for all of them, such as an
    /// option that each command needs which is advised. Bytes stay as they are.
    #[must_use]
    pub fn rewording(self, reword: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self { reword: Some(Box::new(reword)), ..self }
    }

    fn words(&self, words: impl Display) -> String {
        let words = words.to_string();
        match &self.reword {
            Some(reword) => reword(words),
            None => words,
        }
    }

    /// Whether what goes on is to be written over.
    #[must_use]
    pub fn in_place(&self, progress: Progress) -> bool {
        self.live && matches!(progress, Progress::Auto | Progress::Tty)
    }

    /// One line of result.
    ///
    /// # Errors
    /// What writing to standard output gives, such as a broken pipe.
    pub fn line(&self, line: impl Display) -> Result<(), OutputError> {
        self.settle();
        writeln!(lock(&self.out), "{}", self.words(line)).map_err(OutputError)
    }

    /// One line about a change that was made, for commands whose work is that change: as for docker
    /// itself, it is no failure of theirs that the line cannot be written. Whoever still listens is told.
    pub fn done(&self, line: impl Display) {
        self.forgive(self.line(line));
    }

    /// Takes the loss of such words for none, and tells of the first.
    pub fn forgive(&self, written: Result<(), OutputError>) {
        let Err(error) = written else { return };
        if !error.is_reader_gone() && !std::mem::replace(&mut *lock(&self.lost), true) {
            self.warning(OutputWarning { error: error.0 });
        }
    }

    /// Bytes of result as they are, shown at once.
    ///
    /// # Errors
    /// As for [`Self::line`].
    pub fn raw(&self, bytes: &[u8]) -> Result<(), OutputError> {
        write_all(&mut *lock(&self.out), bytes)
    }

    /// Bytes of result that belong on standard error, as they are.
    ///
    /// # Errors
    /// What writing to standard error gives.
    pub fn raw_error(&self, bytes: &[u8]) -> Result<(), OutputError> {
        write_all(&mut *lock(&self.err), bytes)
    }

    /// One line beside the result.
    pub fn note(&self, line: impl Display) {
        self.settle();
        writeln!(lock(&self.err), "{}", self.words(line)).ok();
    }

    /// One line beside the result that the user should not miss.
    pub fn warning(&self, line: impl Display) {
        self.note(format_args!("WARNING: {line}"));
    }

    /// Something that goes on. Only a terminal shows it, until the next words come.
    pub fn status(&self, line: impl Display) {
        if self.live {
            let mut shown = lock(&self.status);
            let mut err = lock(&self.err);
            // Back to the line's start, clear what was there (ECMA-48 EL), and cut the line at the
            // screen's edge (DECAWM off): a second row could not be cleared.
            let line = self.words(line);
            write!(err, "\r\x1b[K\x1b[?7l{line}\x1b[?7h").and_then(|()| err.flush()).ok();
            *shown = true;
        }
    }

    /// Asks a question and leaves the answer to be typed behind it.
    pub fn ask(&self, question: impl Display) {
        self.settle();
        let mut err = lock(&self.err);
        write!(err, "{} ", self.words(question)).and_then(|()| err.flush()).ok();
    }

    /// Takes away what [`Self::status`] showed last.
    pub fn settle(&self) {
        let mut shown = lock(&self.status);
        if std::mem::take(&mut *shown) {
            write!(lock(&self.err), "\r\x1b[K").ok();
        }
    }
}

fn write_all(stream: &mut dyn Write, bytes: &[u8]) -> Result<(), OutputError> {
    stream.write_all(bytes).and_then(|()| stream.flush()).map_err(OutputError)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
