//! The byte stream under the client, which remembers why it broke.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::engine::Duplex;

/// Why a connection broke, once it did.
#[derive(Clone, Default)]
pub(super) struct FirstError(Arc<OnceLock<String>>);

impl FirstError {
    pub(super) fn read(&self) -> Option<String> {
        self.0.get().cloned()
    }

    fn write(&self, error: &io::Error) {
        // What comes later is only a consequence.
        self.0.get_or_init(|| error.to_string());
    }
}

/// A byte stream that notes its first error: the layers above would hide it behind "transport
/// error".
pub(super) struct Wire {
    inner: Duplex,
    first_error: FirstError,
}

impl Wire {
    pub(super) fn new(inner: Duplex, first_error: FirstError) -> Self {
        Self { inner, first_error }
    }

    fn note<T>(&self, result: io::Result<T>) -> Poll<io::Result<T>> {
        if let Err(error) = &result {
            self.first_error.write(error);
        }
        Poll::Ready(result)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(self.inner.as_mut().poll_read(cx, buf));
        self.note(result)
    }
}

// A failed write is not noted: when the command has ended, the reason comes by reading.
impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_shutdown(cx)
    }
}
