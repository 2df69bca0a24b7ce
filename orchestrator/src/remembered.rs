//! What a start leaves for the next one, in a file of the user's own: where an engine is cleaned up
//! by hand, its containers take all that they know with them.
//!
//! It counts only where the backend is gone and no `stop` removed it.

use std::io;
use std::path::{Path, PathBuf};

use crate::desired::{UserName, VolumeName};
use crate::digest;
use crate::forward::{self, Forward};

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

    /// The options of the last start, as they would be typed; `None` where nothing is remembered.
    #[must_use]
    pub fn recall(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.0.as_ref()?).ok()?;
        let line = text.lines().next().unwrap_or_default().trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Remembers these options, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep(&self, options: &str) -> io::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        if self.recall().unwrap_or_default() == options {
            return Ok(());
        }
        if options.is_empty() {
            return self.forget();
        }
        let new = path.with_extension(format!("{}.new", std::process::id()));
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        let written = std::fs::write(&new, format!("{options}\n")).and_then(|()| std::fs::rename(&new, path));
        written.inspect_err(|_| {
            std::fs::remove_file(&new).ok();
        })
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

/// The options of a start that has the same again: empty where that is what it does by itself.
#[must_use]
pub fn options(forwards: &[Forward], cache: Option<&VolumeName>) -> String {
    let cache = cache.map(|volume| format!("--cache-volume {volume}")).unwrap_or_default();
    format!("{} {cache}", forward::options(forwards)).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::HostPort;

    #[test]
    fn what_is_kept_is_recalled_until_it_is_forgotten() {
        let directory = std::env::temp_dir().join(format!("remembered-{}", std::process::id()));
        let user = UserName::from_login("ann").unwrap();
        let note = |host| Remembered::of(Some(&directory), &user, "unix:///d.sock", host);
        note("a").forget().unwrap();
        assert_eq!(note("a").recall(), None);
        note("a").keep("--allow-host-port 6000").unwrap();
        assert_eq!(note("a").recall().as_deref(), Some("--allow-host-port 6000"));
        assert_eq!(note("b").recall(), None, "another engine at the same socket");
        note("a").keep("").unwrap();
        assert_eq!(note("a").recall(), None);
        note("a").keep("--allow-host-port 7").unwrap();
        note("a").forget().unwrap();
        assert_eq!(std::fs::read_dir(directory.join("assemble")).unwrap().count(), 0);
        std::fs::remove_dir_all(directory).unwrap();
        Remembered::of(None, &user, "", "").keep("--allow-host-port 7").unwrap();
    }

    #[test]
    fn options_are_those_that_differ_from_the_usual() {
        let port = |number| Forward::plain(HostPort::new(number).unwrap());
        let volume = VolumeName("v".to_owned());
        assert_eq!(options(&[port(5000)], None), "");
        assert_eq!(options(&[port(5000)], Some(&volume)), "--cache-volume v");
        assert_eq!(options(&[port(6000)], Some(&volume)), "--allow-host-port 6000 --cache-volume v");
    }
}
