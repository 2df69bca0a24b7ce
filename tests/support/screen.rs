//! A console that remembers what was written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use docker_plugin::output::Console;

#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both streams of a command.
#[derive(Default)]
pub(crate) struct Screen {
    out: Stream,
    err: Stream,
}

impl Screen {
    pub(crate) fn console(&self) -> Console {
        Console::new(Box::new(self.out.clone()), Box::new(self.err.clone()), false)
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.out.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.err.0.lock().unwrap().clone()).unwrap()
    }
}
