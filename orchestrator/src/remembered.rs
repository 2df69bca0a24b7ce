//! What a start leaves for the next one, in a file of the user's own: where an engine is cleaned up
//! by hand, its containers take all that they know with them.
//!
//! It counts only where the backend is gone and no `stop` removed it.

use std::io;
use std::path::{Path, PathBuf};

use docker_plugin::bounded;

use crate::desired::UserName;
use crate::{digest, files};

/// The place of the note about one user's backend on one engine.
#[derive(Clone, Debug)]
pub struct Remembered(Option<PathBuf>);

impl Remembered {
    /// Below docker's own configuration, if there is such a directory. `endpoint` and the `host` that
    /// the engine says it runs on tell engines apart: a home may be shared by many machines, each
    /// with an engine of its own at the same socket.
    #[must_use]
    pub fn of(configuration: Option<&Path>, user: &UserName, endpoint: &str, host: &str) -> Self {
        let engine = digest::hex(format!("{endpoint}\n{host}"), 4);
        let name = format!("{}-{engine}", user.backend());
        Self(configuration.map(|directory| directory.join("assemble").join(name)))
    }

    /// Whether anything is remembered of any backend.
    #[must_use]
    pub fn is_any(configuration: Option<&Path>) -> bool {
        configuration.is_some_and(|directory| directory.join("assemble").is_dir())
    }

    /// What the last start left; `None` where nothing is remembered.
    #[must_use]
    pub fn recall(&self) -> Option<Last> {
        let text = bounded::read_to_string(self.0.as_ref()?).ok()?;
        let mut lines = text.lines().map(str::trim);
        let options = lines.next().unwrap_or_default().to_owned();
        let words: Vec<_> = lines.collect();
        let last = Last { options, configured: words.contains(&CONFIGURED), secret: words.contains(&SECRET) };
        (last != Last::default()).then_some(last)
    }

    /// Remembers this, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep(&self, last: &Last) -> io::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        if self.recall().unwrap_or_default() == *last {
            return Ok(());
        }
        if *last == Last::default() {
            return self.forget();
        }
        let words = [(last.configured, CONFIGURED), (last.secret, SECRET)];
        let words = words.iter().filter(|(is, _)| *is).map(|(_, word)| format!("{word}\n"));
        let text = format!("{}\n{}", last.options, words.collect::<String>());
        files::write(path, &text)
    }

    /// Remembers nothing.
    ///
    /// # Errors
    /// Those of the file system; that there is nothing to forget is none.
    pub fn forget(&self) -> io::Result<()> {
        match self.0.as_ref().map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The line behind the options of a backend with a configuration of its own.
const CONFIGURED: &str = "configured";

/// The same for one with variables or labels.
const SECRET: &str = "secret";

/// What a start leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// The options of a start that has the same again, as they would be typed: empty where that is what
    /// it does by itself.
    pub options: String,
    /// Whether the daemon had a configuration. What is in it is not kept: it comes out of files of the
    /// user's, which may be others by now, and may hold secrets.
    pub configured: bool,
    /// Whether the container had variables or labels of the user's. They may be secrets too.
    pub secret: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(options: &str, configured: bool) -> Last {
        Last { options: options.to_owned(), configured, secret: configured }
    }

    #[test]
    fn what_is_kept_is_recalled_until_it_is_forgotten() {
        let directory = std::env::temp_dir().join(format!("remembered-{}", std::process::id()));
        let user = UserName::from_login("ann").unwrap();
        let note = |host| Remembered::of(Some(&directory), &user, "unix:///d.sock", host);
        note("a").forget().unwrap();
        assert_eq!(note("a").recall(), None);
        for kept in [last("--allow-host-port 6000", false), last("", true), last("--image a", true)] {
            note("a").keep(&kept).unwrap();
            assert_eq!(note("a").recall(), Some(kept));
        }
        assert_eq!(note("b").recall(), None, "another engine at the same socket");
        note("a").keep(&Last::default()).unwrap();
        assert_eq!(note("a").recall(), None);
        note("a").keep(&last("--allow-host-port 7", false)).unwrap();
        note("a").forget().unwrap();
        assert_eq!(std::fs::read_dir(directory.join("assemble")).unwrap().count(), 0);
        std::fs::remove_dir_all(directory).unwrap();
        Remembered::of(None, &user, "", "").keep(&last("--allow-host-port 7", false)).unwrap();
    }
}
