//! Files that are opened once and read again where no file can be opened any more.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A text that may change while it is open; one that is not there reads as empty.
#[derive(Debug)]
pub struct KeptFile(Option<File>);

impl KeptFile {
    /// Opens it.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            opened => Ok(Self(Some(opened?))),
        }
    }

    /// All of it as it is now.
    ///
    /// # Errors
    /// Those of pread(2), and what is no text.
    pub fn read(&self) -> io::Result<String> {
        let Some(file) = &self.0 else { return Ok(String::new()) };
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let n = file.read_at(&mut chunk, text.len() as u64)?;
            if n == 0 {
                return String::from_utf8(text).map_err(io::Error::other);
            }
            text.extend_from_slice(&chunk[..n]);
        }
    }
}
